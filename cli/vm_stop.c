/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/vm.h"
#include "cli/words.h"

enum { TIMEOUT_S = 60, TIMEOUT_MAX_S = 86400, ASK_MS = 2000, END_MS = 10000 };

/* It was killed, or there was nobody to kill. */
static bool explain_running(const struct thin_machine *machine, bool killed, struct err **errp)
{
	if (killed)
		return err_set(errp, ERR_BUSY,
			       "machine '%s' was killed, and what served its disks runs on: 'fuser -v %s/lock' names "
			       "the process",
			       machine->name, machine->folder);
	return err_set(errp, ERR_BUSY,
		       "machine '%s' runs, but its file pid does not say as which process, so it cannot be ended from "
		       "here: 'fuser -v %s/lock' names the process",
		       machine->name, machine->folder);
}

static bool end_by_force(struct context *context, const struct thin_machine *machine, struct err **errp)
{
	bool killed, stopped;
	if (!thin_machine_kill(machine, &killed, errp))
		return false;
	if (killed)
		log_warning("machine '%s' did not answer and was killed: what its guest had not flushed is lost",
			    machine->name);
	return thin_machine_wait(machine, thin_machine_until(END_MS), &context->cancel, &stopped, errp) &&
	       (stopped || explain_running(machine, killed, errp));
}

/* By its own order, so that nothing is in the middle of a write; and without it where that is of no use. Who does not
 * take the order may be ending already, by another's. */
static bool end(struct context *context, const struct thin_machine *machine, uint64_t soon, struct err **errp)
{
	AUTO(json_freep) struct json *answer = NULL;
	AUTO(err_freep) struct err *err = NULL;
	bool stopped, heard = thin_machine_order(machine, "end", soon, &answer, &err);
	return thin_machine_wait(machine, heard ? thin_machine_until(END_MS) : soon, &context->cancel, &stopped,
				 errp) &&
	       (stopped || end_by_force(context, machine, errp));
}

/* For a healthy machine to answer: in less than ASK_MS it would pass for a silent one, and --force would kill it. */
static uint64_t asking_until(unsigned timeout)
{
	unsigned ms = timeout * 1000;
	return thin_machine_until(ms < ASK_MS ? ASK_MS : ms > END_MS ? END_MS : ms);
}

static bool press_power(struct context *context, const struct thin_machine *machine, unsigned timeout, uint64_t soon,
			uint64_t until, struct err **errp)
{
	AUTO(json_freep) struct json *answer = NULL;
	AUTO(err_freep) struct err *err = NULL;
	bool stopped, heard = thin_machine_order(machine, "press-power", soon, &answer, &err);
	if (!thin_machine_wait(machine, heard ? until : soon, &context->cancel, &stopped, errp))
		return false;
	if (stopped)
		return true;
	if (!heard)
		return err_move(errp, &err);
	return err_set(errp, ERR_BUSY,
		       "machine '%s' has not powered off in %u s: its guest may be busy, or not listen to its power "
		       "button; 'salvor vm stop --force %s' ends it at once",
		       machine->name, timeout, machine->name);
}

static bool refuse_paused(const struct thin_machine *machine, const struct thin_look *look, struct err **errp)
{
	return err_set(
		errp, ERR_BUSY,
		"machine '%s' is paused%s%s, and does not hear its power button: 'salvor vm start %s' lets it go on, "
		"'salvor vm stop --force %s' ends it",
		machine->name, look->reason ? ": " : "", look->reason ? look->reason : "", machine->name,
		machine->name);
}

static bool stop(struct context *context, const struct thin_machine *machine, unsigned timeout, struct err **errp)
{
	bool force = context->options.force;
	uint64_t until = thin_machine_until(timeout * 1000), soon = asking_until(timeout);
	struct thin_look look;
	if (!thin_machine_look_settled(machine, soon, &context->cancel, &look, errp))
		return false;
	vm_reword(machine, &look);
	AUTO(freep) char *reason = look.reason;
	if (look.state == THIN_STOPPED) /* by another's order */
		return true;
	if (look.state == THIN_SILENT)
		return force ? end_by_force(context, machine, errp) : err_set(errp, ERR_BUSY, "%s", reason);
	if (force)
		return end(context, machine, soon, errp);
	return look.state == THIN_PAUSED ? refuse_paused(machine, &look, errp)
					 : press_power(context, machine, timeout, soon, until, errp);
}

bool vm_stop(struct context *context, const struct thin_machine *machine, struct err **errp)
{
	unsigned timeout = TIMEOUT_S;
	const char *said = context->options.timeout;
	bool stopped;
	if (said && !words_parse_number("timeout", said, 0, TIMEOUT_MAX_S, &timeout, errp))
		return false;
	if (!thin_machine_wait(machine, 0, &context->cancel, &stopped, errp))
		return false;
	if (stopped)
		return err_set(errp, ERR_NOT_FOUND, "machine '%s' does not run", machine->name);
	return stop(context, machine, timeout, errp) &&
	       vm_report(context, machine->name, "stopped", 0, "is stopped", errp);
}
