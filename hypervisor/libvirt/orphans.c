/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/orphans.h"

#include <dirent.h>
#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOK_MS = 200, STAT_SIZE = 512 };

/* In /proc/PID/stat, ") STATE PARENT GROUP SESSION" stands behind the name; see proc(5). */
static bool is_dead(const char *behind_name)
{
	return strncmp(behind_name, ") Z ", strlen(") Z ")) == 0;
}

static bool is_ours(const char *behind_state)
{
	char *next;
	long parent = strtol(behind_state, &next, 10);
	(void)strtol(next, &next, 10);
	return parent == getpid() && strtol(next, NULL, 10) != getsid(0);
}

/*
 * A QEMU that ended, whose parent we are, and that is in another session: one that we started ourselves, or libvirt
 * here, is in ours until its parent has waited for it.
 */
static bool is_dead_orphan(pid_t pid)
{
	char path[64], line[STAT_SIZE];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *stream = fopen(path, "re");
	const char *text = stream ? fgets(line, sizeof(line), stream) : NULL;
	if (stream)
		fclose(stream);
	const char *name = text ? strchr(text, '(') : NULL, *rest = name ? strrchr(name, ')') : NULL;
	if (!rest || strncmp(name, "(qemu-system", strlen("(qemu-system")) != 0)
		return false;
	return is_dead(rest) && is_ours(rest + strlen(") Z"));
}

static void let_dead_go(void)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	while (processes && (entry = readdir(processes))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid > 1 && is_dead_orphan(pid))
			waitpid(pid, NULL, WNOHANG);
	}
	if (processes)
		closedir(processes);
}

/* Mostly nobody has died: that costs one call. */
static void look(int timer, void *arg)
{
	(void)timer;
	(void)arg;
	siginfo_t dead = {0};
	if (waitid(P_ALL, 0, &dead, WEXITED | WNOHANG | WNOWAIT) == 0 && dead.si_pid != 0)
		let_dead_go();
}

static void adopt(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) == 0)
		virEventAddTimeout(LOOK_MS, look, NULL, NULL);
}

void orphans_adopt(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, adopt);
}
