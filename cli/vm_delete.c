/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/err.h"
#include "cli/vm.h"

enum { PATIENCE_MS = 1000 };

bool vm_delete(struct context *context, const struct thin_machine *machine, struct err **errp)
{
	struct thin_look look;
	if (!thin_machine_look(machine, thin_machine_until(PATIENCE_MS), &look, errp))
		return false;
	free(look.reason);
	if (look.state != THIN_STOPPED)
		return err_set(errp, ERR_BUSY, "machine '%s' runs: 'salvor vm stop %s' first", machine->name,
			       machine->name);
	return thin_machine_delete(machine, context->options.force, errp) &&
	       vm_report(context, machine->name, "deleted", 0, "is deleted", errp);
}
