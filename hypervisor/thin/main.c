/* SPDX-License-Identifier: Apache-2.0 */
/*
 * salvor-vmm: one process a machine.
 *
 *	options ──► configuration ──► all that is needed is opened ──► jail ──► threads ──► runs ──► the end
 *
 * The main thread waits for three: the machine (its state may be another), the control socket, and signals.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "hypervisor/thin/control.h"
#include "hypervisor/thin/jail.h"
#include "hypervisor/thin/machine.h"
#include "hypervisor/thin/machine_config.h"
#include "hypervisor/thin/serial_log.h"
#include "hypervisor/thin/vm.h"
#include "hypervisor/thin/vmm_options.h"

enum { EXIT_WRONG = 2, GOES_ON_MS = 1000 };

static const char ordered[] = "somebody ordered it";

struct vmm {
	struct vmm_options options;
	struct machine_config *config;
	int kvm, signals, epoll, log;
	struct serial_log serial_log;
	struct machine *machine;
	struct control *control;
	struct machine_status told; /* as it was when it was last looked at */
	char pause[sizeof(
		((struct machine_status *)0)->sentence)]; /* that was told, until it is told that it goes on */
	uint64_t runs_ns;				  /* since when, behind a pause */
	bool pressed, ends;
};

/* The machine first: its threads call the control. */
static void vmm_release(struct vmm *vmm)
{
	machine_free(vmm->machine);
	control_free(vmm->control);
	machine_config_free(vmm->config);
	file_closep(&vmm->kvm);
	file_closep(&vmm->signals);
	file_closep(&vmm->epoll);
	serial_log_close(&vmm->serial_log);
	file_closep(&vmm->log);
	vmm_options_release(&vmm->options);
}

/* ---- open ---- */

/* Blocked in all threads, so before the first. */
static bool open_signals(struct vmm *vmm, struct err **errp)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return err_set_errno(errp, errno, "block signals");
	vmm->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return vmm->signals >= 0 || err_set_errno(errp, errno, "make a descriptor for signals");
}

/* path NULL: nothing. */
static bool open_log(const char *path, int *ret, struct err **errp)
{
	if (!path)
		return true;
	*ret = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
	return *ret >= 0 || err_set_errno(errp, errno, "log %s", path);
}

static bool watch(struct vmm *vmm, int fd, struct err **errp)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(vmm->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ||
	       err_set_errno(errp, errno, "wait for the machine");
}

static bool open_epoll(struct vmm *vmm, struct err **errp)
{
	vmm->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (vmm->epoll < 0)
		return err_set_errno(errp, errno, "wait for the machine");
	return watch(vmm, machine_event_fd(vmm->machine), errp) && watch(vmm, control_fd(vmm->control), errp) &&
	       watch(vmm, vmm->signals, errp);
}

static bool open_all(struct vmm *vmm, struct err **errp)
{
	const struct vmm_options *options = &vmm->options;
	vmm->config = machine_config_read(options->config, errp);
	if (!vmm->config || !serial_log_open(&vmm->serial_log, options->serial_log, errp) ||
	    !open_log(options->log, &vmm->log, errp) || !open_signals(vmm, errp))
		return false;
	vmm->kvm = vm_open_kvm("/dev/kvm", errp);
	if (vmm->kvm < 0)
		return false;
	vmm->machine = machine_new(vmm->config, vmm->kvm, errp);
	if (!vmm->machine)
		return false;
	const struct control_options control = {.name = vmm->config->name,
						.socket = options->control,
						.agent = options->agent,
						.serial_log = &vmm->serial_log};
	vmm->control = control_new(vmm->machine, &control, errp);
	return vmm->control && open_epoll(vmm, errp);
}

/* ---- jail ---- */

static int compare_descriptors(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* All that stays open, ascending, in a new array. */
static int *list_descriptors(const struct vmm *vmm, size_t *ret_n, struct err **errp)
{
	size_t n_machine, n = 0;
	const int *of_machine = machine_descriptors(vmm->machine, &n_machine);
	const int own[] = {vmm->kvm, vmm->signals, vmm->epoll, vmm->log, vmm->options.ready, vmm->options.hold};
	int *all = calloc(n_machine + CONTROL_DESCRIPTORS + ARRAY_LENGTH(own), sizeof(*all));
	if (!all) {
		err_set_no_memory(errp);
		return NULL;
	}
	for (size_t i = 0; i < n_machine; i++)
		all[n++] = of_machine[i];
	for (size_t i = 0; i < ARRAY_LENGTH(own); i++)
		if (own[i] >= 0)
			all[n++] = own[i];
	n += control_descriptors(vmm->control, all + n);
	qsort(all, n, sizeof(*all), compare_descriptors);
	*ret_n = n;
	return all;
}

/* The folders of the NBD servers' sockets, which may come and go. */
struct folders {
	char *paths[MACHINE_DISKS_MAX];
	size_t n;
};

static void folders_release(struct folders *folders)
{
	for (size_t i = 0; i < folders->n; i++)
		free(folders->paths[i]);
}

static bool add_folder(struct folders *folders, const char *socket, struct err **errp)
{
	AUTO(freep) char *copy = strdup(socket);
	if (!copy)
		return err_set_no_memory(errp);
	folders->paths[folders->n] = strdup(dirname(copy));
	return folders->paths[folders->n++] || err_set_no_memory(errp);
}

/* Each once: a folder cannot be shown twice at one place. */
static bool list_folders(const struct machine_config *config, struct folders *ret, struct err **errp)
{
	for (size_t i = 0; i < config->n_disks; i++) {
		if (!config->disks[i].nbd_socket)
			continue;
		if (!add_folder(ret, config->disks[i].nbd_socket, errp))
			return false;
		for (size_t j = 0; j + 1 < ret->n; j++) {
			if (strcmp(ret->paths[j], ret->paths[ret->n - 1]) == 0) {
				free(ret->paths[--ret->n]);
				break;
			}
		}
	}
	return true;
}

static bool enter_jail(struct vmm *vmm, struct err **errp)
{
	size_t n;
	AUTO(folders_release) struct folders folders = {0};
	AUTO(freep) int *descriptors = list_descriptors(vmm, &n, errp);
	if (!descriptors || !list_folders(vmm->config, &folders, errp))
		return false;
	const struct jail_options options = {.uid = (uid_t)vmm->options.uid,
					     .gid = (gid_t)vmm->options.gid,
					     .keep = descriptors,
					     .n_keep = n,
					     .folders = (const char *const *)folders.paths,
					     .n_folders = folders.n,
					     .off = vmm->options.no_jail};
	return jail_enter(&options, errp);
}

/* ---- run ---- */

/* What is said from now on has nobody who waits for it. */
static bool turn_to_log(struct vmm *vmm, struct err **errp)
{
	if (vmm->log < 0)
		return true;
	if (dup2(vmm->log, STDERR_FILENO) < 0)
		return err_set_errno(errp, errno, "turn to the log");
	log_show_times();
	return true;
}

static void tell_ready(struct vmm *vmm)
{
	if (vmm->options.ready < 0)
		return;
	ssize_t written = write(vmm->options.ready, "R", 1);
	(void)written; /* whoever waited is gone */
	file_closep(&vmm->options.ready);
}

static bool start(struct vmm *vmm, struct err **errp)
{
	if (!enter_jail(vmm, errp))
		return false;
	control_start(vmm->control);
	if (!machine_start(vmm->machine, errp) || !turn_to_log(vmm, errp) || !jail_thread(JAIL_MAIN, errp))
		return false;
	if (vmm->options.paused)
		snprintf(vmm->pause, sizeof(vmm->pause), "%s", ordered);
	else
		machine_go_on(vmm->machine);
	log_info("machine '%s' %s%s", vmm->config->name, vmm->options.paused ? "waits for the order go-on" : "runs",
		 vmm->options.no_jail ? ", outside a jail" : "");
	tell_ready(vmm);
	return true;
}

static void hear_signal(struct vmm *vmm)
{
	struct signalfd_siginfo info;
	if (read(vmm->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	struct machine_status status;
	machine_look(vmm->machine, &status);
	vmm->ends = vmm->pressed || status.state == MACHINE_PAUSED;
	if (vmm->ends)
		return;
	log_info("machine '%s': its power button is pressed; another signal ends it at once", vmm->config->name);
	machine_press_power(vmm->machine);
	vmm->pressed = true;
}

/* Who is let go on, and pauses for the same at once, has not gone on: neither is told. */
static void tell_pause(struct vmm *vmm, const char *sentence)
{
	if (strcmp(sentence, vmm->pause) == 0)
		return;
	log_warning("machine '%s' is paused: %s", vmm->config->name, sentence);
	snprintf(vmm->pause, sizeof(vmm->pause), "%s", sentence);
}

static void tell_going_on(struct vmm *vmm)
{
	uint64_t now = clock_monotonic_ns();
	if (vmm->told.state == MACHINE_PAUSED)
		vmm->runs_ns = now;
	if (!vmm->pause[0] || now - vmm->runs_ns < GOES_ON_MS * UINT64_C(1000000))
		return;
	log_info("machine '%s' goes on", vmm->config->name);
	vmm->pause[0] = '\0';
}

static void tell_changes(struct vmm *vmm)
{
	struct machine_status now;
	machine_look(vmm->machine, &now);
	/* A guest may restart for ever, and the log is not for that: once, twice, four times … */
	if (now.restarts != vmm->told.restarts && (now.restarts & (now.restarts - 1)) == 0)
		log_info("machine '%s' restarts (%u until now)", vmm->config->name, now.restarts);
	if (now.state == MACHINE_PAUSED)
		tell_pause(vmm, now.sentence[0] ? now.sentence : ordered);
	else if (now.state == MACHINE_RUNNING)
		tell_going_on(vmm);
	vmm->told = now;
}

static void serve(struct vmm *vmm, int fd)
{
	if (fd == vmm->signals)
		hear_signal(vmm);
	else if (fd == control_fd(vmm->control))
		control_serve(vmm->control);
	else
		machine_serve(vmm->machine);
}

static void run(struct vmm *vmm)
{
	while (!vmm->ends && !control_wants_end(vmm->control) && vmm->told.state != MACHINE_ENDED) {
		struct epoll_event event;
		bool untold = vmm->told.state == MACHINE_RUNNING && vmm->pause[0];
		if (epoll_wait(vmm->epoll, &event, 1, untold ? GOES_ON_MS : -1) == 1)
			serve(vmm, event.data.fd);
		tell_changes(vmm);
	}
}

/* A lock that is left without this line is that of a process which somebody has killed. */
static void note_end(const struct vmm *vmm)
{
	static const char line[] = "ended\n";
	if (vmm->options.hold < 0)
		return;
	ssize_t written = write(vmm->options.hold, line, sizeof(line) - 1);
	(void)written; /* it may be open for reading alone */
}

static int tell_end(const struct vmm *vmm)
{
	const struct machine_status *end = &vmm->told;
	const char *name = vmm->config->name;
	if (end->state != MACHINE_ENDED) {
		log_info("machine '%s' was ended", name);
		return EXIT_SUCCESS;
	}
	if (end->end == MACHINE_POWERED_OFF) {
		log_info("machine '%s' powered off", name);
		return EXIT_SUCCESS;
	}
	log_error("machine '%s' %s: %s", name, end->end == MACHINE_CRASHED ? "crashed" : "could not go on",
		  end->sentence);
	return EXIT_FAILURE;
}

/* Whoever starts it hears that, and the log keeps it. */
static int tell_failure(struct vmm *vmm, const struct err *failure)
{
	AUTO(err_freep) struct err *err = NULL;
	log_error("%s", err_message(failure));
	if (vmm->log >= 0 && turn_to_log(vmm, &err))
		log_error("machine '%s' could not be started: %s", vmm->config->name, err_message(failure));
	return err_code(failure) == ERR_USAGE ? EXIT_WRONG : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(vmm_release) struct vmm vmm = {.kvm = -1, .signals = -1, .epoll = -1, .serial_log = {.fd = -1}, .log = -1};
	signal(SIGPIPE, SIG_IGN);
	switch (vmm_options_parse(argc, argv, &vmm.options, &err)) {
	case VMM_SAID:
		return EXIT_SUCCESS;
	case VMM_WRONG:
		log_error("%s", err_message(err));
		return EXIT_WRONG;
	case VMM_GO:
		break;
	}
	log_set_level(vmm.options.verbose ? LOG_DEBUG : LOG_INFO);
	if (!open_all(&vmm, &err) || !start(&vmm, &err))
		return tell_failure(&vmm, err);
	run(&vmm);
	machine_finish(vmm.machine);
	note_end(&vmm);
	return tell_end(&vmm);
}
