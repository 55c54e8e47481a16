/* SPDX-License-Identifier: Apache-2.0 */
/* runner (its supervisor forks before other threads are there) ──► machine ──► wait ──► all of it backwards */
#include "restore/boot.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/err.h"
#include "restore/machine.h"

struct listener {
	runner_note_function *note;
	void *arg;
};

/* What the server of the disks says meanwhile, in a thread of its own. */
static void complain(void *arg, enum export_complaint kind, const char *text)
{
	const struct listener *listener = arg;
	(void)kind;
	if (listener->note)
		listener->note(listener->arg, text);
}

static bool judge(const atomic_bool *met_damage, struct err **errp)
{
	return !atomic_load(met_damage) ||
	       err_set(errp, ERR_CORRUPT,
		       "the machine met damage on its disks, which it saw as read errors; 'salvor scrub' says which "
		       "points are hurt, and 'salvor points' which others there are");
}

static bool start_and_wait(const struct repository *repository, const struct point *point,
			   const struct boot_options *options, struct runner *runner, uint64_t begin_ns,
			   struct err **errp)
{
	atomic_bool met_damage = false;
	struct listener listener = {.note = options->note, .arg = options->note_arg};
	const struct machine_options machine_options = {
		.cancel = options->cancel,
		.state_dir = options->state_dir,
		.overlay_dir = options->overlay_dir,
		.memory = options->memory,
		.network = options->network,
		.accelerator = options->accelerator,
		.console_in = options->console_in,
		.console_out = options->console_out,
		.note = options->note,
		.note_arg = options->note_arg,
		.complain = complain,
		.complain_arg = &listener,
		.met_damage = &met_damage,
	};
	struct machine *machine = machine_start(runner, repository, point, &machine_options, errp);
	if (!machine)
		return false;
	if (options->started)
		options->started(options->note_arg, clock_monotonic_ns() - begin_ns);
	bool ok = runner->ops->wait(machine_run(machine), options->cancel, errp);
	machine_stop(machine);
	return ok && judge(&met_damage, errp);
}

bool boot_point(const struct repository *repository, const struct point *point, const struct boot_options *options,
		struct err **errp)
{
	uint64_t begin_ns = clock_monotonic_ns();
	if (!repository_check_readable(repository, errp))
		return false;
	AUTO(runner_freep) struct runner *runner = runner_libvirt_open(options->cache_dir, errp);
	return runner && start_and_wait(repository, point, options, runner, begin_ns, errp);
}
