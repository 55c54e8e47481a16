/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <time.h>

#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/vm.h"

enum { LOOK_MS = 50, SETTLE_MS = 1000 };

static bool start(struct context *context, const struct thin_machine *machine, pid_t *ret_pid, struct err **errp)
{
	if (machine->point)
		return vm_keeper_start(context, machine, ret_pid, errp);
	AUTO(file_closep) int lock = thin_machine_lock(machine, errp);
	return lock >= 0 && thin_machine_start(machine, lock, ret_pid, errp);
}

/* What it waits for was done by a person, or is done here: its NBD server is started again. */
static bool go_on(struct context *context, const struct thin_machine *machine, pid_t *ret_pid, struct err **errp)
{
	AUTO(json_freep) struct json *answer = NULL;
	if (machine->point && !vm_keeper_is_there(machine))
		return vm_keeper_start(context, machine, ret_pid, errp);
	return thin_machine_order(machine, "go-on", thin_machine_until(THIN_PATIENCE_MS), &answer, errp);
}

/* The request that waited is tried at once: what it lacks still pauses the machine again soon. */
static bool check_going_on(const struct context *context, const struct thin_machine *machine, struct err **errp)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
	for (unsigned ms = 0; ms < SETTLE_MS; ms += LOOK_MS) {
		struct thin_look look;
		nanosleep(&pause, NULL);
		if (!cancel_check(&context->cancel, errp) ||
		    !thin_machine_look(machine, thin_machine_until(THIN_PATIENCE_MS), &look, errp))
			return false;
		vm_reword(machine, &look);
		AUTO(freep) char *reason = look.reason;
		if (look.state == THIN_PAUSED)
			return err_set(errp, ERR_FAILED, "machine '%s' went on and paused again: %s", machine->name,
				       reason ? reason : "somebody ordered it");
		if (look.state == THIN_STOPPED)
			return err_set(errp, ERR_FAILED, "machine '%s' went on and ended%s%s", machine->name,
				       reason ? ": " : "", reason ? reason : "");
	}
	return true;
}

bool vm_start(struct context *context, const struct thin_machine *machine, struct err **errp)
{
	struct thin_look look;
	if (!thin_machine_look_settled(machine, thin_machine_until(THIN_PATIENCE_MS), &context->cancel, &look, errp))
		return false;
	AUTO(freep) char *reason = look.reason;
	switch (look.state) {
	case THIN_STOPPED:
		return start(context, machine, &look.pid, errp) &&
		       vm_report(context, machine->name, "running", look.pid, "runs", errp);
	case THIN_PAUSED:
		return go_on(context, machine, &look.pid, errp) && check_going_on(context, machine, errp) &&
		       vm_report(context, machine->name, "running", look.pid, "goes on", errp);
	case THIN_RUNNING:
		return err_set(errp, ERR_EXISTS, "machine '%s' runs already", machine->name);
	default:
		return err_set(errp, ERR_BUSY, "%s", reason);
	}
}
