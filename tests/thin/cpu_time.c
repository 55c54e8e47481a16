/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_time COMMAND...: runs it to its end, prints its CPU time from exec on, in seconds, and ends with its status. A
 * shell would count its own fork. */
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

static long long microseconds(struct timeval time)
{
	return time.tv_sec * 1000000LL + time.tv_usec;
}

int main(int argc, char *argv[])
{
	pid_t pid;
	int status;
	struct rusage used;
	if (argc < 2 || posix_spawnp(&pid, argv[1], NULL, NULL, argv + 1, environ) != 0 ||
	    wait4(pid, &status, 0, &used) != pid || !WIFEXITED(status))
		return 1;
	printf("%.6f\n", (double)(microseconds(used.ru_utime) + microseconds(used.ru_stime)) / 1e6);
	return WEXITSTATUS(status);
}
