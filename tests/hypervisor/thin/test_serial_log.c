/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/serial_log.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "tests/error.h"
#include "tests/folder.h"

static struct serial_log open_log(void)
{
	AUTO(err_freep) struct err *err = NULL;
	struct serial_log log;
	if (!serial_log_open(&log, "log", &err))
		fail_msg("%s", err_message(err));
	return log;
}

static void say(struct serial_log *log, const char *text)
{
	serial_log_append(log, (const uint8_t *)text, strlen(text));
}

static void it_goes_on_where_it_ended(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes bytes = {0};
	(void)state;
	for (int i = 0; i < 2; i++) {
		AUTO(serial_log_close) struct serial_log log = open_log();
		say(&log, "one ");
		say(&log, "two ");
	}
	assert_true(file_read_all("log", 100, &bytes, &err));
	assert_int_equal(bytes.len, 16);
	assert_memory_equal(bytes.data, "one two one two ", 16);
}

static void it_keeps_its_end_and_no_more(void **state)
{
	static uint8_t data[1 << 20];
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes bytes = {0};
	AUTO(serial_log_close) struct serial_log log = open_log();
	struct stat st;
	(void)state;
	for (unsigned i = 0; i < (SERIAL_LOG_MAX >> 20) + 3; i++) {
		memset(data, (int)i, sizeof(data));
		serial_log_append(&log, data, sizeof(data));
		assert_int_equal(stat("log", &st), 0);
		assert_true((uint64_t)st.st_size <= SERIAL_LOG_MAX + sizeof(data));
	}
	assert_false(log.failed);
	assert_true(file_read_all("log", 8 << 20, &bytes, &err));
	assert_int_equal(bytes.len, SERIAL_LOG_KEPT + 3 * sizeof(data));
	assert_int_equal(bytes.data[0], (SERIAL_LOG_MAX >> 20) - 1);
	assert_int_equal(bytes.data[SERIAL_LOG_KEPT - 1], (SERIAL_LOG_MAX >> 20) - 1);
	assert_int_equal(bytes.data[SERIAL_LOG_KEPT], SERIAL_LOG_MAX >> 20);
}

static void without_a_file_nothing_happens(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct serial_log log;
	(void)state;
	assert_true(serial_log_open(&log, NULL, &err));
	say(&log, "nobody hears it");
	serial_log_close(&log);
	assert_false(serial_log_open(&log, "none/log", &err));
	assert_error(&err, ERR_NOT_FOUND, "none/log");
}

static void a_full_disk_is_told_once(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct serial_log log;
	(void)state;
	assert_true(serial_log_open(&log, "/dev/full", &err));
	say(&log, "no room");
	assert_true(log.failed);
	say(&log, "no room");
	serial_log_close(&log);
}

static void it_goes_on_when_there_is_room_again(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes bytes = {0};
	AUTO(serial_log_close) struct serial_log log = open_log();
	struct rlimit before, narrow;
	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	narrow = (struct rlimit){.rlim_cur = 6, .rlim_max = before.rlim_max};
	say(&log, "one ");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &narrow), 0);
	say(&log, "lost ");
	say(&log, "lost ");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(log.failed);
	say(&log, "two ");
	assert_false(log.failed);
	assert_true(file_read_all("log", 100, &bytes, &err));
	assert_int_equal(bytes.len, 8);
	assert_memory_equal(bytes.data, "one two ", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_goes_on_where_it_ended, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(it_keeps_its_end_and_no_more, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(without_a_file_nothing_happens, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(it_goes_on_when_there_is_room_again, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(a_full_disk_is_told_once, folder_enter, folder_leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
