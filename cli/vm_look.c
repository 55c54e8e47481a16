/* SPDX-License-Identifier: Apache-2.0 */
/* salvor-vmm knows of NBD servers alone. A machine that waits for one is told of here by what is behind it. */
#include <stdlib.h>

#include "base/file.h"
#include "cli/vm.h"

/* A new string; NULL on lack of memory. */
static char *explain(const struct thin_machine *machine)
{
	if (!vm_keeper_is_there(machine))
		return file_format("nothing serves its disks from the repository %s any more: 'salvor vm start %s' "
				   "serves them again",
				   machine->repository, machine->name);
	return file_format("it waits for its disks, which are in the repository %s: see to it that it can be read, "
			   "and the machine goes on by itself; %s/log says what is the matter",
			   machine->repository, machine->folder);
}

void vm_reword(const struct thin_machine *machine, struct thin_look *look)
{
	char *reason = machine->repository && look->waits_for_disk ? explain(machine) : NULL;
	if (!reason)
		return;
	free(look->reason);
	look->reason = reason;
}
