/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "hypervisor/libvirt/run_folder.h"

enum { PIPE_FD = 3 };

/*
 * A session of its own: a terminal's signals are not for it. Of our files it keeps the pipe alone, else it would hold
 * locks and sockets of ours open.
 */
static void supervise(const char *folder, int pipe)
{
	char byte;
	setsid();
	prctl(PR_SET_NAME, "salvor-guard");
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (chdir("/") < 0 || dup2(pipe, PIPE_FD) < 0)
		_exit(1);
	close_range(0, PIPE_FD - 1, 0);
	close_range(PIPE_FD + 1, UINT_MAX, 0);
	while (read(PIPE_FD, &byte, 1) < 0 && errno == EINTR) {
	}
	run_folder_destroy(folder);
	_exit(0);
}

bool supervisor_start(const char *folder, struct supervisor *ret, struct err **errp)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set_errno(errp, errno, "make a pipe");
	pid_t pid = fork();
	int reason = errno;
	if (pid == 0)
		supervise(folder, ends[0]);
	close(ends[0]);
	if (pid < 0) {
		close(ends[1]);
		return err_set_errno(errp, reason, "start the supervisor");
	}
	*ret = (struct supervisor){.pid = pid, .pipe = ends[1]};
	return true;
}

void supervisor_end(struct supervisor *supervisor)
{
	if (supervisor->pid <= 0)
		return;
	close(supervisor->pipe);
	while (waitpid(supervisor->pid, NULL, 0) < 0 && errno == EINTR) {
	}
	*supervisor = (struct supervisor){.pipe = -1};
}
