/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/runner.h"

void runner_free(struct runner *runner)
{
	if (runner)
		runner->ops->free(runner);
}
