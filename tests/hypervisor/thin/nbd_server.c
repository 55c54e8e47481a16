/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/hypervisor/thin/nbd_server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/file.h"
#include "tests/unit.h"

bool nbd_server_is_there(void)
{
	pid_t child = fork();
	int status = 0;
	if (child == 0) {
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		execlp("nbdkit", "nbdkit", "--version", NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static _Noreturn void run(const char *file, bool fail)
{
	AUTO(freep) char *served = file_format("file=%s", file);
	if (fail)
		execlp("nbdkit", "nbdkit", "--foreground", "--exit-with-parent", "--readonly", "--unix", "nbd",
		       "--pidfile", "nbd.pid", "--filter=error", "file", served, "error-pread=EIO",
		       "error-pread-rate=100%", NULL);
	else
		execlp("nbdkit", "nbdkit", "--foreground", "--exit-with-parent", "--readonly", "--unix", "nbd",
		       "--pidfile", "nbd.pid", "file", served, NULL);
	_exit(127);
}

/* The file with its number is written when it serves. */
pid_t nbd_server_start(const char *file, bool fail)
{
	const struct timespec moment = {.tv_nsec = 5000000};
	unlink("nbd.pid");
	pid_t server = fork();
	if (server == 0)
		run(file, fail);
	assert_true(server > 0);
	for (int i = 0; access("nbd.pid", F_OK) != 0; i++) {
		assert_true(i < 4000);
		assert_int_equal(waitpid(server, NULL, WNOHANG), 0);
		nanosleep(&moment, NULL);
	}
	return server;
}

void nbd_server_kill(pid_t server)
{
	kill(server, SIGKILL);
	assert_int_equal(waitpid(server, NULL, 0), server);
	unlink("nbd");
}
