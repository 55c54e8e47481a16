/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "hypervisor/program.h"
#include "tests/error.h"

static int failure; /* of readlink() */

ssize_t __wrap_readlink(const char *path, char *text, size_t size);
ssize_t __real_readlink(const char *path, char *text, size_t size);

ssize_t __wrap_readlink(const char *path, char *text, size_t size)
{
	errno = failure;
	return failure ? -1 : __real_readlink(path, text, size);
}

static void what_is_near_is_in_the_program_s_folder(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *folder = program_near("", &err);
	AUTO(freep) char *self = program_near(program_invocation_short_name, &err);
	AUTO(freep) char *none = program_near("not-here", &err);
	(void)state;
	assert_non_null(folder);
	assert_int_equal(folder[0], '/');
	assert_int_equal(access(folder, X_OK), 0);
	assert_non_null(self);
	assert_int_equal(access(self, X_OK), 0);
	assert_non_null(none);
	assert_memory_equal(none, folder, strlen(folder));
	assert_null(err);
}

/* And nothing is taken from '/' instead. */
static void a_folder_that_is_not_known_is_an_error(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	(void)state;
	failure = EACCES;
	assert_null(program_near("salvor-vmm", &err));
	failure = 0;
	assert_error(&err, ERR_DENIED, "/proc/self/exe: Permission denied");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_near_is_in_the_program_s_folder),
		cmocka_unit_test(a_folder_that_is_not_known_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
