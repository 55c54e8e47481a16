/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   open: folder, supervisor ──► start: overlays, firmware, console, libvirt, fit, QEMU ──► wait ──► stop ──► free
 *
 * libvirt's embedded driver has one root in a process, for good; so the root belongs to the runner, and a process has
 * one runner, which has one machine at a time. Whatever ends this process, the supervisor ends QEMU and removes the
 * root; overlays lose their names as soon as QEMU has them open.
 */
#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/libvirt/connect.h"
#include "hypervisor/libvirt/console.h"
#include "hypervisor/libvirt/error.h"
#include "hypervisor/libvirt/event_loop.h"
#include "hypervisor/libvirt/run_folder.h"
#include "hypervisor/libvirt/run_host.h"
#include "hypervisor/libvirt/run_overlay.h"
#include "hypervisor/libvirt/supervisor.h"
#include "hypervisor/program.h"
#include "hypervisor/runner.h"

enum { CANCEL_POLL_MS = 200 }; /* a cancel is a flag that a signal sets, nothing to wait for */

struct libvirt_runner {
	struct runner runner;
	struct run_folder folder;
	struct supervisor supervisor;
	virConnectPtr connection; /* NULL until the first start */
	bool busy;
};

/* Shared with libvirt's event thread, which may come last: whoever drops the second reference frees it. */
struct ending {
	int fd;		/* eventfd: the machine has stopped */
	atomic_int why; /* virDomainEventStoppedDetailType */
};

struct run {
	struct libvirt_runner *runner;
	char *workload;
	struct console *console;
	virDomainPtr domain;
	struct ending *ending;
	int callback;
};

/* ---- the end of a machine ---- */

static int machine_event(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *arg)
{
	struct ending *ending = arg;
	(void)connection;
	(void)domain;
	if (event == VIR_DOMAIN_EVENT_STOPPED) {
		ending->why = detail;
		eventfd_write(ending->fd, 1);
	}
	return 0;
}

static void free_ending(void *arg)
{
	struct ending *ending = arg;
	close(ending->fd);
	free(ending);
}

static bool judge_ending(const struct run *run, struct err **errp)
{
	if (run->ending->why == VIR_DOMAIN_EVENT_STOPPED_FAILED)
		return err_set(errp, ERR_FAILED, "%s: QEMU ended unexpectedly", run->workload);
	if (run->ending->why == VIR_DOMAIN_EVENT_STOPPED_CRASHED)
		return err_set(errp, ERR_FAILED, "%s: the guest crashed", run->workload);
	return true;
}

static bool run_wait(struct run *run, const struct cancel *cancel, struct err **errp)
{
	struct pollfd ends[] = {
		{.fd = run->ending->fd, .events = POLLIN},
		{.fd = run->console ? console_escaped_fd(run->console) : -1, .events = POLLIN},
	};
	while (!cancel || !cancel_requested(cancel)) {
		if (poll(ends, ARRAY_LENGTH(ends), CANCEL_POLL_MS) < 0 && errno != EINTR)
			return err_set_errno(errp, errno, "wait for %s", run->workload);
		if (ends[0].revents)
			return judge_ending(run, errp);
		if (ends[1].revents)
			return true;
	}
	return true;
}

static void run_stop(struct run *run)
{
	if (!run)
		return;
	if (run->domain) {
		virDomainDestroy(run->domain); /* fails when it is off already */
		virDomainFree(run->domain);
	}
	if (run->callback >= 0)
		virConnectDomainEventDeregisterAny(run->runner->connection, run->callback); /* frees the ending */
	else if (run->ending)
		free_ending(run->ending);
	console_stop(run->console);
	run_folder_destroy_overlays(run->runner->folder.path);
	run->runner->busy = false;
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

static bool watch_ending(struct run *run, struct err **errp)
{
	run->ending = calloc(1, sizeof(*run->ending));
	if (!run->ending)
		return err_set_no_memory(errp);
	run->ending->fd = eventfd(0, EFD_CLOEXEC);
	if (run->ending->fd < 0)
		return err_set_errno(errp, errno, "watch the machine");
	run->callback =
		virConnectDomainEventRegisterAny(run->runner->connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
						 VIR_DOMAIN_EVENT_CALLBACK(machine_event), run->ending, free_ending);
	return run->callback >= 0 || err_from_virt(errp, "watch the machine");
}

struct parts {
	struct fit_host host;
	struct fit_disk *disks;
	size_t n_disks;
	struct run_firmware firmware;
	char *console, *agent;
};

static void parts_release(struct parts *parts)
{
	run_host_release(&parts->host);
	run_overlays_release(parts->disks, parts->n_disks);
	free(parts->firmware.variables);
	free(parts->console);
	free(parts->agent);
}

static bool make_parts(struct run *run, const struct run_request *request, struct parts *parts, struct err **errp)
{
	const char *folder = run->runner->folder.path;
	parts->disks = calloc(request->n_disks + 1, sizeof(*parts->disks));
	parts->n_disks = request->n_disks;
	parts->console = file_join(folder, "console");
	parts->agent = file_join(folder, "libvirt/lib/qemu/channel/target/agent");
	if (!parts->disks || !parts->console || !parts->agent)
		return err_set_no_memory(errp);
	return run_folder_make_overlays(&run->runner->folder, request->overlay_dir, errp) &&
	       run_overlays_make(request, run->runner->folder.overlays, parts->disks, errp) &&
	       run_firmware_make(request, folder, &parts->firmware, errp) &&
	       run_host_ask(run->runner->connection, request->accelerator, &parts->host, errp);
}

static char *fit(const struct run_request *request, const struct parts *parts, runner_note_function *note, void *arg,
		 struct err **errp)
{
	const struct fit_request fit_request = {
		.definition = request->definition,
		.name = "salvor",
		.disks = parts->disks,
		.n_disks = parts->n_disks,
		.memory = request->memory,
		.network = request->network,
		.firmware_code = parts->firmware.code,
		.firmware_variables = parts->firmware.variables,
		.firmware_secure = parts->firmware.secure,
		.console_socket = parts->console,
		.agent_socket = parts->agent,
		.note = note,
		.note_arg = arg,
	};
	if (note && !parts->host.kvm)
		note(arg, "processor: KVM cannot be used here, the software CPU is slower");
	return fit_definition(&fit_request, &parts->host, errp);
}

static bool launch(struct run *run, const struct run_request *request, runner_note_function *note, void *arg,
		   struct err **errp)
{
	AUTO(parts_release) struct parts parts = {0};
	if (!make_parts(run, request, &parts, errp))
		return false;
	AUTO(freep) char *definition = fit(request, &parts, note, arg, errp);
	if (!definition)
		return false;
	unlink(parts.console);
	run->console = console_start(parts.console, request->console_in, request->console_out, errp);
	if (!run->console || !watch_ending(run, errp))
		return false;
	run->domain = virDomainCreateXML(run->runner->connection, definition, 0);
	if (!run->domain)
		return err_from_virt(errp, "start the machine");
	run_folder_destroy_overlays(run->runner->folder.path);
	return true;
}

static bool run_start(struct runner *base, const struct run_request *request, runner_note_function *note, void *arg,
		      struct run **ret, struct err **errp)
{
	struct libvirt_runner *runner = (struct libvirt_runner *)base;
	if (runner->busy)
		return err_set(errp, ERR_BUSY, "a machine is running already");
	if (!program_require("qemu-system-x86_64", "booting", errp) || !connect_embedded(runner, note, arg, errp))
		return false;
	struct run *run = calloc(1, sizeof(*run));
	if (!run)
		return err_set_no_memory(errp);
	*run = (struct run){.runner = runner, .workload = strdup(request->workload), .callback = -1};
	runner->busy = true;
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

static void runner_close(struct runner *base)
{
	struct libvirt_runner *runner = (struct libvirt_runner *)base;
	libvirt_disconnect(runner->connection);
	supervisor_end(&runner->supervisor);
	run_folder_release(&runner->folder);
	free(runner);
}

static const struct runner_ops libvirt_runner_ops = {
	.name = "libvirt",
	.start = run_start,
	.wait = run_wait,
	.stop = run_stop,
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
