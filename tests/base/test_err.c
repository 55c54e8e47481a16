/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>

#include "tests/unit.h"

static void prefixes_stack_up_in_front(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	assert_false(err_set(&err, ERR_CORRUPT, "read at %d", 4096));
	assert_false(err_prefix(&err, "disk '%s'", "vda"));
	assert_false(err_prefix(&err, "workload '%s'", "web01"));
	assert_string_equal(err_message(err), "workload 'web01': disk 'vda': read at 4096");
	assert_int_equal(err_code(err), ERR_CORRUPT);
}

static void errno_gives_text_and_code(void **state)
{
	(void)state;
	static const struct {
		int errnum;
		enum err_code code;
	} cases[] = {
		{ENOSPC, ERR_NO_SPACE}, {EDQUOT, ERR_NO_SPACE}, {ENOMEM, ERR_NO_MEMORY}, {ENOENT, ERR_NOT_FOUND},
		{EACCES, ERR_DENIED},	{EPERM, ERR_DENIED},	{EBUSY, ERR_BUSY},	 {EIO, ERR_FAILED},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		AUTO(err_freep) struct err *err = NULL;
		assert_false(err_set_errno(&err, cases[i].errnum, "file '%s'", "x"));
		assert_int_equal(err_code(err), cases[i].code);
	}
	AUTO(err_freep) struct err *err = NULL;
	err_set_errno(&err, EIO, "file '%s'", "x");
	assert_string_equal(err_message(err), "file 'x': Input/output error");
}

static void an_errno_without_a_name_still_gives_a_sentence(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	err_set_errno(&err, 99999, "file");
	assert_string_equal(err_message(err), "file: unknown error");
}

static void lack_of_memory_takes_no_prefix_and_no_free(void **state)
{
	(void)state;
	struct err *err = NULL;
	assert_false(err_set_no_memory(&err));
	assert_false(err_prefix(&err, "disk"));
	assert_false(err_about(&err, "pack/1"));
	assert_string_equal(err_message(err), "out of memory");
	assert_null(err_object(err));
	assert_int_equal(err_code(err), ERR_NO_MEMORY);
	err_clear(&err);
	assert_null(err);
}

static void the_first_object_named_stays(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	err_set(&err, ERR_CORRUPT, "damaged");
	assert_null(err_object(err));
	err_about(&err, "pack/%d", 7);
	err_about(&err, "commit/9");
	assert_string_equal(err_object(err), "pack/7");
}

static void an_error_moves_whole(void **state)
{
	(void)state;
	struct err *from = NULL;
	AUTO(err_freep) struct err *to = NULL;
	err_set(&from, ERR_BUSY, "held");
	assert_false(err_move(&to, &from));
	assert_null(from);
	assert_string_equal(err_message(to), "held");
}

static void codes_have_names_and_exit_statuses(void **state)
{
	(void)state;
	assert_string_equal(err_code_name(ERR_NOT_FOUND), "not-found");
	assert_string_equal(err_code_name(ERR_UNSUPPORTED), "unsupported");
	assert_int_equal(err_exit_status(ERR_FAILED), 1);
	assert_int_equal(err_exit_status(ERR_USAGE), 2);
	assert_int_equal(err_exit_status(ERR_CORRUPT), 4);
	assert_int_equal(err_exit_status(ERR_CANCELLED), 130);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_stack_up_in_front),
		cmocka_unit_test(errno_gives_text_and_code),
		cmocka_unit_test(an_errno_without_a_name_still_gives_a_sentence),
		cmocka_unit_test(lack_of_memory_takes_no_prefix_and_no_free),
		cmocka_unit_test(the_first_object_named_stays),
		cmocka_unit_test(an_error_moves_whole),
		cmocka_unit_test(codes_have_names_and_exit_statuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
