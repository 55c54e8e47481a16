/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   open: folder, supervisor ──► start: overlays, firmware, console, libvirt, fit, QEMU ──► wait or look ──► stop ──►
 * free
 *
 * libvirt's embedded driver has one root in a process, for good; so the root belongs to the runner, and a process has
 * one runner. Its machines have a number, and a folder, each. Whatever ends this process, the supervisor ends every
 * QEMU and removes the root; overlays lose their names as soon as QEMU has them open.
 *
 * A machine is prepared under the runner's lock, since not every library below can do that twice at once; QEMU starts,
 * runs and ends without it.
 */
#include "hypervisor/runner.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/libvirt/connect.h"
#include "hypervisor/libvirt/error.h"
#include "hypervisor/libvirt/event_loop.h"
#include "hypervisor/libvirt/orphans.h"
#include "hypervisor/libvirt/run_host.h"
#include "hypervisor/libvirt/run_internal.h"
#include "hypervisor/libvirt/run_overlay.h"
#include "hypervisor/program.h"

enum { CANCEL_POLL_MS = 200 }; /* a cancel is a flag that a signal sets, nothing to wait for */

/* ---- while it runs ---- */

static bool judge_end(const struct run *run, struct err **errp)
{
	struct run_state state;
	watch_look(run->watch, &state);
	if (state.end == RUN_BROKE || state.end == RUN_KILLED)
		return err_set(errp, ERR_FAILED, "%s: QEMU ended unexpectedly", run->workload);
	if (state.end == RUN_CRASHED)
		return err_set(errp, ERR_FAILED, "%s: the guest crashed", run->workload);
	return true;
}

static bool run_wait(struct run *run, const struct cancel *cancel, struct err **errp)
{
	struct pollfd ends[] = {
		{.fd = watch_ended_fd(run->watch), .events = POLLIN},
		{.fd = console_escaped_fd(run->console), .events = POLLIN},
	};
	while (!cancel || !cancel_requested(cancel)) {
		if (poll(ends, ARRAY_LENGTH(ends), CANCEL_POLL_MS) < 0 && errno != EINTR)
			return err_set_errno(errp, errno, "wait for %s", run->workload);
		if (ends[0].revents)
			return judge_end(run, errp);
		if (ends[1].revents)
			return true;
	}
	return true;
}

static void run_look(struct run *run, struct run_state *ret)
{
	watch_look(run->watch, ret);
}

static void run_stop(struct run *run)
{
	if (!run)
		return;
	if (run->domain) {
		virDomainDestroy(run->domain); /* fails when it is off already */
		virDomainFree(run->domain);
	}
	run_guard_stop(run->guard);
	if (run->folder.path)
		machine_folder_kill(run->folder.path); /* a QEMU that talks on would keep its console from stopping */
	watch_stop(run->watch);
	console_stop(run->console);
	console_stop(run->firmware);
	if (run->folder.path)
		machine_folder_destroy(run->folder.path);
	machine_folder_release(&run->folder);
	free(run->name);
	free(run->workload);
	free(run);
}

/* ---- start ---- */

static bool connect_embedded(struct libvirt_runner *runner, runner_note_function *note, void *arg, struct err **errp)
{
	AUTO(freep) char *uri = file_format("qemu:///embed?root=%s/libvirt", runner->folder.path);
	AUTO(freep) char *known = file_format("%s/libvirt/cache/qemu/capabilities", runner->folder.path);
	if (runner->connection)
		return true;
	if (!uri || !known)
		return err_set_no_memory(errp);
	if (note && access(known, F_OK) != 0)
		note(arg, "the first start on this host takes some seconds more: libvirt asks QEMU what it can do");
	if (!event_loop_start(errp))
		return false;
	orphans_adopt();
	runner->connection = virConnectOpen(uri);
	if (runner->connection)
		return true;
	const virError *error = virGetLastError();
	const char *said = error && error->message ? error->message : "";
	if (strstr(said, "libvirt-qemu"))
		return err_set(errp, ERR_UNSUPPORTED,
			       "libvirt runs QEMU for root as the user libvirt-qemu, who is missing: install "
			       "libvirt-daemon-system, or "
			       "boot as an ordinary user (%s)",
			       said);
	return err_from_virt(errp, "cannot use libvirt's embedded QEMU driver (package libvirt-daemon-driver-qemu)");
}

static bool open_board(struct libvirt_runner *runner, struct err **errp)
{
	if (!runner->board)
		runner->board = watch_board_open(runner->connection, errp);
	return runner->board;
}

struct parts {
	struct fit_host host;
	struct fit_disk *disks;
	size_t n_disks;
	struct run_firmware firmware;
	char *console, *agent, *firmware_log;
};

static void parts_release(struct parts *parts)
{
	run_host_release(&parts->host);
	run_overlays_release(parts->disks, parts->n_disks);
	free(parts->firmware.variables);
	free(parts->console);
	free(parts->agent);
	free(parts->firmware_log);
}

static bool name_parts(struct run *run, struct parts *parts, struct err **errp)
{
	const char *folder = run->folder.path;
	run->name = file_format("salvor-%u", run->number);
	parts->console = file_join(folder, "console");
	parts->agent =
		file_format("%s/libvirt/lib/qemu/channel/target/agent-%u", run->runner->folder.path, run->number);
	parts->firmware_log = file_join(folder, "firmware");
	return (run->name && parts->console && parts->agent && parts->firmware_log) || err_set_no_memory(errp);
}

static bool make_parts(struct run *run, const struct run_request *request, struct parts *parts, struct err **errp)
{
	if (!machine_folder_make(&run->runner->folder, run->number, request->overlay_dir, &run->folder, errp) ||
	    !name_parts(run, parts, errp))
		return false;
	parts->disks = calloc(request->n_disks + 1, sizeof(*parts->disks));
	parts->n_disks = request->n_disks;
	if (!parts->disks)
		return err_set_no_memory(errp);
	return run_overlays_make(request, run->folder.overlays, parts->disks, errp) &&
	       run_firmware_make(request, run->folder.path, &parts->firmware, errp) &&
	       run_host_ask(run->runner->connection, request->accelerator, &parts->host, errp);
}

static char *fit(const struct run *run, const struct run_request *request, const struct parts *parts,
		 runner_note_function *note, void *arg, struct err **errp)
{
	const struct fit_request fit_request = {
		.definition = request->definition,
		.name = run->name,
		.disks = parts->disks,
		.n_disks = parts->n_disks,
		.memory = request->memory,
		.memory_max = request->memory_max,
		.network = request->network,
		.firmware_code = parts->firmware.code,
		.firmware_variables = parts->firmware.variables,
		.firmware_secure = parts->firmware.secure,
		.console_socket = parts->console,
		.agent_socket = parts->agent,
		.firmware_socket = run->watched ? parts->firmware_log : NULL,
		.watched = run->watched,
		.note = note,
		.note_arg = arg,
	};
	if (note && !parts->host.kvm)
		note(arg, "processor: KVM cannot be used here, the software CPU is slower");
	return fit_definition(&fit_request, &parts->host, errp);
}

static bool listen_to(struct run *run, const struct run_request *request, const struct parts *parts, struct err **errp)
{
	const struct console_ends console = {.in = request->console_in,
					     .out = request->console_out,
					     .voice = RUN_CONSOLE,
					     .watcher = run->watched ? &run->watcher : NULL};
	const struct console_ends firmware = {.in = -1, .out = -1, .voice = RUN_FIRMWARE, .watcher = &run->watcher};
	run->console = console_start(parts->console, &console, errp);
	if (!run->console || !run->watched)
		return run->console;
	run->firmware = console_start(parts->firmware_log, &firmware, errp);
	return run->firmware;
}

static void note_killed(void *arg)
{
	watch_note_killed(arg);
}

static bool watch(struct run *run, struct err **errp)
{
	run->watch = watch_start(run->runner->board, run->name, run->watcher.changed, run->watcher.arg, errp);
	if (!run->watch || !run->watched)
		return run->watch;
	uint64_t end_ns = clock_monotonic_ns() + run->watcher.limit_ns;
	run->guard = run_guard_start(run->folder.path, end_ns, note_killed, run->watch, errp);
	return run->guard;
}

/* Everything but QEMU itself: gives the definition that it starts with. */
static char *prepare(struct run *run, const struct run_request *request, runner_note_function *note, void *arg,
		     struct err **errp)
{
	AUTO(parts_release) struct parts parts = {0};
	if (!connect_embedded(run->runner, note, arg, errp) || !open_board(run->runner, errp) ||
	    !make_parts(run, request, &parts, errp))
		return NULL;
	AUTO(freep) char *definition = fit(run, request, &parts, note, arg, errp);
	if (!definition || !listen_to(run, request, &parts, errp) || !watch(run, errp))
		return NULL;
	return STEAL(&definition);
}

static bool launch(struct run *run, const struct run_request *request, runner_note_function *note, void *arg,
		   struct err **errp)
{
	pthread_mutex_lock(&run->runner->lock);
	run->number = ++run->runner->machines;
	AUTO(freep) char *definition = prepare(run, request, note, arg, errp);
	pthread_mutex_unlock(&run->runner->lock);
	if (!definition)
		return false;
	run->domain = virDomainCreateXML(run->runner->connection, definition, 0);
	if (!run->domain)
		return err_from_virt(errp, "start the machine");
	machine_folder_destroy_overlays(run->folder.path);
	return true;
}

static bool run_start(struct runner *base, const struct run_request *request, runner_note_function *note, void *arg,
		      struct run **ret, struct err **errp)
{
	if (!program_require("qemu-system-x86_64", "booting", errp))
		return false;
	struct run *run = calloc(1, sizeof(*run));
	if (!run)
		return err_set_no_memory(errp);
	run->runner = (struct libvirt_runner *)base;
	run->folder.lock = -1;
	run->workload = strdup(request->workload);
	run->watched = request->watcher;
	if (request->watcher)
		run->watcher = *request->watcher;
	if (!run->workload)
		err_set_no_memory(errp);
	if (run->workload && launch(run, request, note, arg, errp)) {
		*ret = run;
		return true;
	}
	run_stop(run);
	return err_prefix(errp, "%s", request->workload);
}

/* ---- the runner ---- */

static char *runner_hypervisor(struct runner *base)
{
	struct libvirt_runner *runner = (struct libvirt_runner *)base;
	unsigned long version;
	pthread_mutex_lock(&runner->lock);
	bool known = runner->connection && virConnectGetVersion(runner->connection, &version) == 0;
	pthread_mutex_unlock(&runner->lock);
	return known ? file_format("QEMU %lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000) : NULL;
}

static void runner_close(struct runner *base)
{
	struct libvirt_runner *runner = (struct libvirt_runner *)base;
	watch_board_close(runner->board);
	libvirt_disconnect(runner->connection);
	supervisor_end(&runner->supervisor);
	run_folder_release(&runner->folder);
	pthread_mutex_destroy(&runner->lock);
	free(runner);
}

static const struct runner_ops libvirt_runner_ops = {
	.name = "libvirt",
	.start = run_start,
	.wait = run_wait,
	.look = run_look,
	.ping = run_ping,
	.show = run_take_picture,
	.show_text = run_read_screen,
	.stop = run_stop,
	.hypervisor = runner_hypervisor,
	.free = runner_close,
};

/* libvirt's driver writes its log to standard error unless told otherwise; what matters comes back as an error. */
static bool quiet_libvirt(const char *folder, struct err **errp)
{
	AUTO(freep) char *output = file_format("3:file:%s/libvirt.log", folder);
	if (!output)
		return err_set_no_memory(errp);
	return setenv("LIBVIRT_LOG_OUTPUTS", output, 0) == 0 || err_set_no_memory(errp);
}

struct runner *runner_libvirt_open(const char *cache_dir, struct err **errp)
{
	struct libvirt_runner *runner = calloc(1, sizeof(*runner));
	if (!runner) {
		err_set_no_memory(errp);
		return NULL;
	}
	runner->runner.ops = &libvirt_runner_ops;
	pthread_mutex_init(&runner->lock, NULL);
	runner->folder.lock = -1;
	if (!run_folder_make(cache_dir, &runner->folder, errp)) {
		free(runner);
		return NULL;
	}
	runner->runner.folder = runner->folder.path;
	if (!supervisor_start(runner->folder.path, &runner->supervisor, errp)) {
		run_folder_destroy(runner->folder.path);
		run_folder_release(&runner->folder);
		free(runner);
		return NULL;
	}
	if (!quiet_libvirt(runner->folder.path, errp)) {
		runner_close(&runner->runner);
		return NULL;
	}
	return &runner->runner;
}
