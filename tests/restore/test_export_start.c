/* SPDX-License-Identifier: Apache-2.0 */
/* An NBD server that comes to nothing: a program in nbdkit's place that hangs, or that ends at once. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "restore/export.h"
#include "tests/error.h"
#include "tests/storage/runs.h"

static bool no_plugin;

int __wrap_access(const char *path, int mode);
int __real_access(const char *path, int mode);

int __wrap_access(const char *path, int mode)
{
	if (!no_plugin || !strstr(path, "salvor-nbd.so"))
		return __real_access(path, mode);
	errno = ENOENT;
	return -1;
}

static void put_in_place_of_nbdkit(const char *script)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *here = realpath(".", NULL);
	AUTO(freep) char *path = file_format("%s/programs:/usr/bin:/bin", here);
	assert_true(mkdir("programs", 0700) == 0 || errno == EEXIST);
	assert_true(file_replace("programs/nbdkit", SPAN(script, strlen(script)), 0700, &err));
	assert_int_equal(setenv("PATH", path, 1), 0);
}

static void assert_no_export(struct runs *runs, struct export_options options, enum err_code code, const char *words)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct point point = {0}; /* nobody comes so far as to look for it */
	options.socket = "socket";
	options.state_dir = "state";
	assert_null(export_start(runs->repository, &point, &options, &err));
	assert_error(&err, code, words);
}

static void assert_ended(const char *pid)
{
	assert_int_equal(kill((pid_t)strtol(pid, NULL, 10), 0), -1);
	assert_int_equal(errno, ESRCH);
}

static void a_signal_ends_a_server_that_starts(void **state)
{
	static struct cancel cancel; /* its handler stays */
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes pid = {0};
	assert_true(cancel_on_signals(&cancel, &err));
	put_in_place_of_nbdkit("#!/bin/sh\necho $$ >pid\nkill -TERM $PPID\nkill -STOP $$\n");
	assert_no_export(*state, (struct export_options){.cancel = &cancel}, ERR_CANCELLED, "interrupted");
	assert_true(file_read_all("pid", 16, &pid, &err));
	assert_ended((const char *)pid.data);
}

static void a_descriptor_ends_a_server_that_starts(void **state)
{
	char pid[16] = "";
	assert_int_equal(mkfifo("fifo", 0600), 0);
	AUTO(file_closep) int fifo = open("fifo", O_RDWR | O_CLOEXEC);
	put_in_place_of_nbdkit("#!/bin/sh\necho $$ >fifo\nkill -STOP $$\n");
	assert_no_export(*state, (struct export_options){.until = {-1, fifo}}, ERR_CANCELLED, "interrupted");
	assert_true(read(fifo, pid, sizeof(pid) - 1) > 0);
	assert_ended(pid);
}

static void the_last_words_of_a_server_are_the_reason(void **state)
{
	put_in_place_of_nbdkit("#!/bin/sh\necho 'nbdkit: error: the sky fell' >&2\n");
	assert_no_export(*state, (struct export_options){0}, ERR_FAILED, "the NBD server ended: the sky fell");
}

static void a_plugin_that_is_missing_is_told_with_its_places(void **state)
{
	char words[PATH_MAX] = "neither as ";
	char *folder = words + strlen(words);
	ssize_t len = readlink("/proc/self/exe", folder, 1024);
	assert_true(len > 0);
	snprintf(strrchr(words, '/'), 64, "/../lib/salvor/salvor-nbd.so nor as /");
	no_plugin = true;
	assert_no_export(*state, (struct export_options){0}, ERR_UNSUPPORTED, words);
	no_plugin = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_signal_ends_a_server_that_starts, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(a_descriptor_ends_a_server_that_starts, runs_setup_local,
						runs_teardown),
		cmocka_unit_test_setup_teardown(a_plugin_that_is_missing_is_told_with_its_places, runs_setup_local,
						runs_teardown),
		cmocka_unit_test_setup_teardown(the_last_words_of_a_server_are_the_reason, runs_setup_local,
						runs_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
