/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/program.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

bool program_require(const char *name, const char *what_for, struct err **errp)
{
	const char *path = getenv("PATH");
	AUTO(freep) char *folders = strdup(path ? path : "/usr/bin:/bin");
	char *rest = NULL;
	for (char *folder = folders ? strtok_r(folders, ":", &rest) : NULL; folder;
	     folder = strtok_r(NULL, ":", &rest)) {
		AUTO(freep) char *file = file_join(folder, name);
		if (file && access(file, X_OK) == 0)
			return true;
	}
	return err_set(errp, ERR_UNSUPPORTED, "%s needs the program %s, which is not installed", what_for, name);
}

char *program_near(const char *path, struct err **errp)
{
	static const char exe[] = "/proc/self/exe";
	char program[PATH_MAX];
	ssize_t len = readlink(exe, program, sizeof(program) - 1);
	if (len < 0) {
		err_set_errno(errp, errno, "find this program's folder: %s", exe);
		return NULL;
	}
	program[len] = '\0';
	AUTO(freep) char *near = file_join(dirname(program), path);
	if (!near)
		err_set_no_memory(errp);
	return STEAL(&near);
}

void program_said(int fd, char *text, size_t size)
{
	size_t len = 0;
	char rest[512];
	for (;;) {
		bool room = len + 1 < size;
		ssize_t got = read(fd, room ? text + len : rest, room ? size - 1 - len : sizeof(rest));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += room ? (size_t)got : 0;
	}
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	text[len] = '\0';
	for (size_t i = 0; i < len; i++)
		text[i] = text[i] == '\n' ? ' ' : text[i];
}

static bool spawn(const char *const *arguments, int output, pid_t *ret, struct err **errp)
{
	posix_spawn_file_actions_t actions;
	if (posix_spawn_file_actions_init(&actions) != 0)
		return err_set_no_memory(errp);
	int status = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (status == 0)
		status = posix_spawn_file_actions_adddup2(&actions, output, 1);
	if (status == 0)
		status = posix_spawn_file_actions_adddup2(&actions, output, 2);
	if (status == 0)
		status = posix_spawnp(ret, arguments[0], &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	return status == 0 || err_set_errno(errp, status, "run %s", arguments[0]);
}

bool program_run(const char *const *arguments, struct err **errp)
{
	int ends[2], status = 0;
	char said[512];
	pid_t pid;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set_errno(errp, errno, "run %s", arguments[0]);
	bool ok = spawn(arguments, ends[1], &pid, errp);
	close(ends[1]);
	if (ok) {
		program_said(ends[0], said, sizeof(said));
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
		}
	}
	close(ends[0]);
	if (ok && status != 0)
		return err_set(errp, strstr(said, strerror(ENOSPC)) ? ERR_NO_SPACE : ERR_FAILED, "%s failed: %s",
			       arguments[0], said);
	return ok;
}
