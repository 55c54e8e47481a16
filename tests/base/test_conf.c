/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "tests/folder.h"
#include "tests/unit.h"

static int enter_folder(void **state)
{
	if (folder_enter(state) != 0)
		return -1;
	unsetenv("SALVOR_CONFIG");
	return setenv("HOME", *state, 1) == 0 && setenv("XDG_CONFIG_HOME", *state, 1) == 0 ? 0 : -1;
}

static void write_file(const char *path, const char *text)
{
	AUTO(err_freep) struct err *err = NULL;
	if (!file_replace(path, SPAN(text, strlen(text)), 0600, &err))
		fail_msg("%s", err_message(err));
}

static void every_option_is_read(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(conf_release) struct conf conf = {0};
	write_file("salvor.conf", "# comment\nrepo = \"/srv/salvor\"\nkey_file = /etc/key\nspill_dir = \"/spill\"\n");
	assert_true(conf_load("salvor.conf", &conf, &err));
	assert_string_equal(conf.repo, "/srv/salvor");
	assert_string_equal(conf.key_file, "/etc/key");
	assert_string_equal(conf.spill_dir, "/spill");
	assert_null(conf.connect);
}

static void errors_name_file_and_line(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(conf_release) struct conf conf = {0};
	write_file("salvor.conf", "repo = \"/srv/salvor\"\nrepos = \"/srv\"\n");
	assert_false(conf_load("salvor.conf", &conf, &err));
	assert_int_equal(err_code(err), ERR_USAGE);
	assert_non_null(strstr(err_message(err), "salvor.conf:2: "));
	assert_non_null(strstr(err_message(err), "repos"));
	assert_null(conf.repo);
	err_clear(&err);
	write_file("salvor.conf", "repo = \"unfinished\n");
	assert_false(conf_load("salvor.conf", &conf, &err));
	assert_int_equal(err_code(err), ERR_USAGE);
}

static void a_named_file_must_exist(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(conf_release) struct conf conf = {0};
	assert_false(conf_load("missing.conf", &conf, &err));
	assert_int_equal(err_code(err), ERR_NOT_FOUND);
	err_clear(&err);
	setenv("SALVOR_CONFIG", "/missing/salvor.conf", 1);
	assert_false(conf_load(NULL, &conf, &err));
	assert_non_null(strstr(err_message(err), "/missing/salvor.conf"));
	err_clear(&err);
	assert_false(conf_load("/", &conf, &err));
	assert_non_null(strstr(err_message(err), "Is a directory"));
}

static void the_users_file_is_found(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(conf_release) struct conf conf = {0};
	assert_int_equal(mkdir("salvor", 0700), 0);
	write_file("salvor/salvor.conf", "repo = a\n");
	assert_true(conf_load(NULL, &conf, &err));
	assert_string_equal(conf.repo, "a");
	conf_release(&conf);
	unsetenv("XDG_CONFIG_HOME");
	assert_true(file_make_folders(".config/salvor", 0700, &err));
	write_file(".config/salvor/salvor.conf", "repo = b\n");
	assert_true(conf_load(NULL, &conf, &err));
	assert_string_equal(conf.repo, "b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_option_is_read, enter_folder, folder_leave),
		cmocka_unit_test_setup_teardown(errors_name_file_and_line, enter_folder, folder_leave),
		cmocka_unit_test_setup_teardown(a_named_file_must_exist, enter_folder, folder_leave),
		cmocka_unit_test_setup_teardown(the_users_file_is_found, enter_folder, folder_leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
