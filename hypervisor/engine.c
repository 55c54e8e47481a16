/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/engine.h"

#include <stdlib.h>

void workload_release(struct workload *workload)
{
	for (size_t i = 0; i < workload->n_disks; i++)
		free(workload->disks[i].source);
	for (size_t i = 0; i < workload->n_left_out; i++)
		free(workload->left_out[i]);
	free(workload->disks);
	free(workload->left_out);
	free(workload->name);
	bytes_release(&workload->definition);
	bytes_release(&workload->firmware);
	*workload = (struct workload){0};
}

void engine_free(struct engine *engine)
{
	if (engine)
		engine->ops->free(engine);
}
