/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/vm.h"
#include "hypervisor/terminal.h"

enum { BUFFER_SIZE = 4096, END_MS = 10000 };

enum outcome { GOES_ON, LEFT, CLOSED /* by the guest */ };

static enum outcome relay_guest(int guest)
{
	char data[BUFFER_SIZE];
	ssize_t got = read(guest, data, sizeof(data));
	if (got < 0 && errno == EINTR)
		return GOES_ON;
	if (got <= 0)
		return CLOSED;
	return terminal_write(STDOUT_FILENO, data, (size_t)got) ? GOES_ON : LEFT;
}

/* The end of input is not the end of the console. */
static enum outcome relay_input(int *input, int guest)
{
	char data[BUFFER_SIZE];
	ssize_t got = read(*input, data, sizeof(data));
	if (got < 0 && errno == EINTR)
		return GOES_ON;
	if (got <= 0) {
		*input = -1;
		return GOES_ON;
	}
	bool leaves;
	size_t len = terminal_typed(data, (size_t)got, &leaves);
	if (!terminal_write(guest, data, len))
		return errno == EPIPE ? CLOSED : LEFT;
	return leaves ? LEFT : GOES_ON;
}

/* poll() passes over descriptors of -1. */
static enum outcome relay(int guest, const struct cancel *cancel)
{
	int input = STDIN_FILENO;
	enum outcome outcome = GOES_ON;
	while (outcome == GOES_ON && !cancel_requested(cancel)) {
		struct pollfd ready[] = {{.fd = guest, .events = POLLIN}, {.fd = input, .events = POLLIN}};
		if (poll(ready, ARRAY_LENGTH(ready), -1) < 0 && errno != EINTR)
			return LEFT;
		if (ready[0].revents)
			outcome = relay_guest(guest);
		if (outcome == GOES_ON && ready[1].revents)
			outcome = relay_input(&input, guest);
	}
	return outcome;
}

static bool tell_pause(const struct thin_machine *machine, struct err **errp)
{
	struct thin_look look;
	if (!thin_machine_look(machine, thin_machine_until(THIN_PATIENCE_MS), &look, errp))
		return false;
	vm_reword(machine, &look);
	AUTO(freep) char *reason = look.reason;
	if (look.state == THIN_PAUSED)
		log_warning("machine '%s' is paused, and says nothing until 'salvor vm start %s': %s", machine->name,
			    machine->name, reason ? reason : "somebody ordered it");
	return true;
}

/* Its end of the line closes before all of it has ended. */
static bool tell_end(struct context *context, const struct thin_machine *machine, struct err **errp)
{
	bool ended;
	struct thin_look look;
	if (!thin_machine_wait(machine, thin_machine_until(END_MS), &context->cancel, &ended, errp) ||
	    !thin_machine_look(machine, thin_machine_until(THIN_PATIENCE_MS), &look, errp))
		return false;
	AUTO(freep) char *reason = look.reason;
	if (!ended)
		log_warning("machine '%s' has closed its serial line, and runs on", machine->name);
	else
		log_info("machine '%s' has ended%s%s", machine->name, reason ? ": " : "", reason ? reason : "");
	return true;
}

bool vm_console(struct context *context, const struct thin_machine *machine, struct err **errp)
{
	AUTO(terminal_leave) struct terminal terminal = {.fd = -1};
	if (context->options.json)
		return err_set(errp, ERR_USAGE, "'vm console' has no --json: it is the serial line itself");
	AUTO(file_closep) int guest = thin_machine_console(machine, errp);
	if (guest < 0 || !tell_pause(machine, errp))
		return false;
	log_info("the serial line of %s; %s leaves, and the machine runs on", machine->name,
		 isatty(STDIN_FILENO) ? "Ctrl-]" : "SIGTERM");
	terminal_enter(&terminal, STDIN_FILENO);
	enum outcome outcome = relay(guest, &context->cancel);
	terminal_leave(&terminal);
	return outcome != CLOSED || tell_end(context, machine, errp);
}
