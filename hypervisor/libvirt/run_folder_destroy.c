/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a run that could not end itself. Used by the supervisor and by the sweep. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hypervisor/libvirt/run_folder.h"

enum {
	COMMAND_LINE_MAX = 128 << 10,
	DEPTH_MAX = 16,
	END_MS = 10000,
	KILL_ROUNDS = 6,
};

/* ---- QEMU ---- */

static bool is_qemu(pid_t pid)
{
	char link[64], program[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	ssize_t len = readlink(link, program, sizeof(program) - 1);
	program[len > 0 ? len : 0] = '\0';
	const char *name = strrchr(program, '/');
	return name && strncmp(name, "/qemu", 5) == 0;
}

/* The folder itself, and not one whose name is longer. */
static bool command_names(pid_t pid, const char *path)
{
	char line[COMMAND_LINE_MAX], name[64], folder[PATH_MAX];
	int folder_len = snprintf(folder, sizeof(folder), "%s/", path);
	snprintf(name, sizeof(name), "/proc/%d/cmdline", (int)pid);
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t len, all = 0;
	while ((len = read(fd, line + all, sizeof(line) - (size_t)all)) > 0)
		all += len;
	close(fd);
	return memmem(line, (size_t)all, folder, (size_t)folder_len);
}

/* By descriptor, so that the process that is asked about is the one that is killed. */
static bool kill_if_ours(pid_t pid, const char *path)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return false;
	bool ours = is_qemu(pid) && command_names(pid, path);
	if (ours) {
		struct pollfd end = {.fd = fd, .events = POLLIN};
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		poll(&end, 1, END_MS);
	}
	close(fd);
	return ours;
}

static bool kill_some(const char *path)
{
	bool killed = false;
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	while (processes && (entry = readdir(processes))) {
		long pid = strtol(entry->d_name, NULL, 10);
		if (pid > 1 && kill_if_ours((pid_t)pid, path))
			killed = true;
	}
	if (processes)
		closedir(processes);
	return killed;
}

/* ---- folders ---- */

static void remove_inside(int parent, const char *name, int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *folder = fd >= 0 && depth > 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	while (folder && (entry = readdir(folder))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(folder), entry->d_name, 0) < 0 && (errno == EISDIR || errno == EPERM))
			remove_inside(dirfd(folder), entry->d_name, depth - 1);
	}
	if (folder)
		closedir(folder);
	else if (fd >= 0)
		close(fd);
	unlinkat(parent, name, AT_REMOVEDIR);
}

void machine_folder_destroy_overlays(const char *path)
{
	char link[PATH_MAX], overlays[PATH_MAX];
	snprintf(link, sizeof(link), "%s/overlays", path);
	ssize_t len = readlink(link, overlays, sizeof(overlays) - 1);
	if (len <= 0)
		return;
	overlays[len] = '\0';
	remove_inside(AT_FDCWD, overlays, DEPTH_MAX);
	unlink(link);
}

static void sweep_one(int parent, const char *name)
{
	struct stat there;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &there) == 0 && there.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0)
		remove_inside(parent, name, DEPTH_MAX);
	close(fd);
}

void overlays_sweep(const char *overlay_dir)
{
	DIR *folder = opendir(overlay_dir);
	struct dirent *entry;
	while (folder && (entry = readdir(folder))) {
		if (strncmp(entry->d_name, OVERLAYS_NAME "-", sizeof(OVERLAYS_NAME)) == 0)
			sweep_one(dirfd(folder), entry->d_name);
	}
	if (folder)
		closedir(folder);
}

/* libvirt may have been about to start one: look again until there is none. One that waits for a dead disk does not
 * die; a later sweep finds it. */
void machine_folder_kill(const char *path)
{
	for (int i = 0; i < KILL_ROUNDS && kill_some(path); i++) {
	}
}

void machine_folder_destroy(const char *path)
{
	machine_folder_kill(path);
	machine_folder_destroy_overlays(path);
	remove_inside(AT_FDCWD, path, DEPTH_MAX);
}

static void destroy_machines(const char *path)
{
	char machine[PATH_MAX];
	DIR *folder = opendir(path);
	struct dirent *entry;
	while (folder && (entry = readdir(folder))) {
		int len = snprintf(machine, sizeof(machine), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] == 'm' && len > 0 && len < PATH_MAX)
			machine_folder_destroy_overlays(machine);
	}
	if (folder)
		closedir(folder);
}

void run_folder_destroy(const char *path)
{
	machine_folder_kill(path);
	destroy_machines(path);
	remove_inside(AT_FDCWD, path, DEPTH_MAX);
}
