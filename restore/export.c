/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   start ──spawn──► waiting ──"R" on control──► serving ──SIGTERM──► gone
 *                       ├────── control closes: what the child said on standard error is the reason
 *                       └────── whoever waits is called away: it is ended
 *
 * Opening a repository has no time that would be too long: it is as many requests as there are, each as long as a slow
 * or limited network moves something. The child itself gives up on a store that answers no more (storage/s3/retry.h).
 *
 * The control socket carries the key to the child, and its one byte back. nbdkit gets SIGTERM from the kernel when the
 * thread that called export_start() ends, SIGKILL included, and removes its socket then: so that thread must live on.
 */
#include "restore/export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "hypervisor/arguments.h"
#include "hypervisor/program.h"
#include "restore/export_relay.h"

enum {
	CACHE_DEFAULT = 64 << 20,
	CONTROL_FD = 3,
	TRACE_FD = 4,
	STOP_MS = 5000,
	CANCEL_POLL_MS = 200, /* a cancel is a flag that a signal sets, nothing to wait for */
};

struct export
{
	char *socket;
	pid_t pid;
	int pidfd, control, errors;
	int trace; /* 0: none; the caller's */
	bool serves;
	struct export_relay relay; /* of errors, while it serves */
};

/* ---- arguments ---- */

/* Beside the program, as in the build tree, else where it was installed. */
static const char *choose_plugin(const char *near, struct err **errp)
{
	static const char installed[] = SALVOR_PLUGIN_FOLDER "/salvor-nbd.so";
	if (access(near, R_OK) == 0)
		return near;
	if (access(installed, R_OK) == 0)
		return installed;
	err_set(errp, ERR_UNSUPPORTED, "nbdkit's plugin for Salvor cannot be read, neither as %s nor as %s", near,
		installed);
	return NULL;
}

static bool build_arguments(struct arguments *arguments, const struct repository *repository, const struct point *point,
			    const struct export_options *options, struct err **errp)
{
	char session[SESSION_TEXT_SIZE], run[2 * CACHE_RUN_SIZE + 1];
	const struct backend_cache_options *cache = repository_cache(repository);
	AUTO(freep) char *near = program_near("../lib/salvor/salvor-nbd.so", errp);
	const char *plugin = near ? choose_plugin(near, errp) : NULL;
	if (!plugin)
		return false;
	arguments_add(arguments, "nbdkit");
	arguments_add(arguments, "--foreground");
	arguments_add(arguments, "--exit-with-parent");
	arguments_add(arguments, "--readonly");
	if (options->foreign_clients)
		arguments_add(arguments, "--threads=1");
	arguments_add(arguments, "--unix");
	arguments_add(arguments, "%s", options->socket);
	arguments_add(arguments, "%s", plugin);
	arguments_add(arguments, "url=%s", repository_url(repository));
	arguments_add(arguments, "session=%s", session_id_text(&point->session, session));
	arguments_add(arguments, "state-dir=%s", options->state_dir);
	arguments_add(arguments, "socket=%s", options->socket);
	arguments_add(arguments, "cache=%zu", options->cache_bytes ? options->cache_bytes : (size_t)CACHE_DEFAULT);
	arguments_add(arguments, "limit-rate=%" PRIu64, repository_limit_rate(repository));
	arguments_add(arguments, "control=%d", CONTROL_FD);
	if (cache->folder)
		arguments_add(arguments, "keep=%s", cache->folder);
	if (cache->fresh)
		arguments_add(arguments, "run=%s", hex_encode(cache->run, sizeof(cache->run), run));
	if (options->trace)
		arguments_add(arguments, "trace=%d", TRACE_FD);
	if (options->disk)
		arguments_add(arguments, "disk=%s", options->disk);
	return arguments_check(arguments, errp);
}

/* ---- start ---- */

/* The child sees its ends as 0 to 4 and nothing else of ours that is not closed on exec. */
static int set_files(posix_spawn_file_actions_t *actions, const struct export *export, int control, int errors)
{
	int status = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
	if (status == 0)
		status = posix_spawn_file_actions_adddup2(actions, errors, 2);
	if (status == 0)
		status = posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0);
	if (status == 0)
		status = posix_spawn_file_actions_adddup2(actions, control, CONTROL_FD);
	if (status == 0 && export->trace)
		status = posix_spawn_file_actions_adddup2(actions, export->trace, TRACE_FD);
	return status;
}

/* Its own process group: Ctrl-C is for us, and we end it when our clients are gone. */
static bool spawn(struct export *export, struct arguments *arguments, int control, int errors, struct err **errp)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	sigemptyset(&none);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return err_set_no_memory(errp);
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return err_set_no_memory(errp);
	}
	int status = set_files(&actions, export, control, errors);
	if (status == 0)
		status = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	if (status == 0)
		status = posix_spawnattr_setsigmask(&attributes, &none);
	if (status == 0)
		status = posix_spawnp(&export->pid, "nbdkit", &actions, &attributes, arguments->items, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (status != 0)
		return err_set_errno(errp, status, "run nbdkit");
	export->pidfd = (int)syscall(SYS_pidfd_open, export->pid, 0);
	return export->pidfd >= 0 || err_set_errno(errp, errno, "watch nbdkit");
}

static bool explain(const char *text, enum export_complaint kind, struct err **errp)
{
	return err_set(errp, kind == EXPORT_DAMAGE ? ERR_CORRUPT : ERR_FAILED, "the NBD server ended: %s",
		       *text ? text : "it gave no reason");
}

static bool explain_start(struct export *export, struct err **errp)
{
	char said[1024];
	enum export_complaint kind;
	program_said(export->errors, said, sizeof(said));
	const char *text = export_relay_plain(said, &kind);
	return explain(text, kind, errp);
}

/* poll() passes over -1. */
static struct pollfd when_readable(int fd)
{
	return (struct pollfd){.fd = fd > 0 ? fd : -1, .events = POLLIN};
}

/* Until it has said something, or closed its end. */
static bool await_answer(const struct export *export, const struct export_options *options, struct err **errp)
{
	struct pollfd ready[] = {when_readable(export->control), when_readable(options->until[0]),
				 when_readable(options->until[1])};
	while (!options->cancel || cancel_check(options->cancel, errp))
		if (poll(ready, ARRAY_LENGTH(ready), CANCEL_POLL_MS) > 0)
			return ready[0].revents != 0 || err_set(errp, ERR_CANCELLED, "interrupted");
	return false;
}

static bool hand_over(struct export *export, const struct repository *repository, const struct export_options *options,
		      struct err **errp)
{
	char ready;
	if (send(export->control, repository_material(repository), MATERIAL_SIZE, MSG_NOSIGNAL) != MATERIAL_SIZE)
		return explain_start(export, errp);
	if (!await_answer(export, options, errp))
		return false;
	export->serves = TEMP_FAILURE_RETRY(read(export->control, &ready, 1)) == 1;
	return export->serves || explain_start(export, errp);
}

static bool make_channels(int control[2], int errors[2], struct err **errp)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0)
		return err_set_errno(errp, errno, "make a socket");
	if (pipe2(errors, O_CLOEXEC) == 0)
		return true;
	err_set_errno(errp, errno, "make a pipe");
	close(control[0]);
	close(control[1]);
	return false;
}

static bool run(struct export *export, struct arguments *arguments, const struct repository *repository,
		const struct export_options *options, struct err **errp)
{
	int control[2], errors[2];
	if (!make_channels(control, errors, errp))
		return false;
	export->control = control[0];
	export->errors = errors[0];
	bool ok = spawn(export, arguments, control[1], errors[1], errp);
	close(control[1]);
	close(errors[1]);
	return ok && hand_over(export, repository, options, errp);
}

static bool check_socket(const char *path, struct err **errp)
{
	struct stat there;
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return err_set(errp, ERR_USAGE, "the socket's path is too long for a socket: %s", path);
	if (lstat(path, &there) == 0)
		return err_set(errp, ERR_EXISTS, "%s is there already: remove it if nobody serves there", path);
	return true;
}

static struct export *new_export(const struct export_options *options, struct err **errp)
{
	struct export *export = malloc(sizeof(*export));
	char *path = strdup(options->socket);
	if (!export || !path) {
		free(export);
		free(path);
		err_set_no_memory(errp);
		return NULL;
	}
	*export = (struct export){
		.socket = path, .pid = -1, .pidfd = -1, .control = -1, .errors = -1, .trace = options->trace};
	return export;
}

struct export *export_start(const struct repository *repository, const struct point *point,
			    const struct export_options *options, struct err **errp)
{
	AUTO(arguments_release) struct arguments arguments = {0};
	if (!repository_check_readable(repository, errp) || !program_require("nbdkit", "serving a disk", errp) ||
	    !check_socket(options->socket, errp) || !build_arguments(&arguments, repository, point, options, errp))
		return NULL;
	struct export *export = new_export(options, errp);
	if (export && (!run(export, &arguments, repository, options, errp) ||
		       !export_relay_start(&export->relay, export->errors, options, errp))) {
		export_stop(export);
		return NULL;
	}
	return export;
}

char *export_uri(const struct export *export, const char *disk)
{
	return file_format("nbd+unix:///%s?socket=%s", disk, export->socket);
}

/* ---- serving and end ---- */

static bool ended_within(const struct export *export, int ms)
{
	struct pollfd end = {.fd = export->pidfd, .events = POLLIN};
	return poll(&end, 1, ms) > 0;
}

bool export_serves(const struct export *export)
{
	return export && !ended_within(export, 0);
}

bool export_wait(struct export *export, const struct cancel *cancel, struct err **errp)
{
	while (!cancel_requested(cancel)) {
		if (!ended_within(export, CANCEL_POLL_MS))
			continue;
		export_relay_join(&export->relay);
		return explain(export->relay.last, export->relay.last_kind, errp);
	}
	return true;
}

/* nbdkit hears SIGTERM when its plugin has opened the repository, and no sooner. */
static void end_child(struct export *export)
{
	kill(export->pid, export->serves ? SIGTERM : SIGKILL);
	if (export->pidfd < 0 || !ended_within(export, STOP_MS))
		kill(export->pid, SIGKILL);
	while (waitpid(export->pid, NULL, 0) < 0 && errno == EINTR) {
	}
	unlink(export->socket);
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void export_stop(struct export *export)
{
	if (!export)
		return;
	if (export->pid > 0)
		end_child(export);
	export_relay_join(&export->relay);
	close_if_open(export->control);
	close_if_open(export->errors);
	close_if_open(export->pidfd);
	free(export->socket);
	free(export);
}
