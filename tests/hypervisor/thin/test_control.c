/* SPDX-License-Identifier: Apache-2.0 */
/* Where people speak to a machine: who may, and where that cannot be. Orders themselves are of tests/cli/test_vm.py. */
#include "hypervisor/thin/control.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/error.h"
#include "tests/folder.h"
#include "tests/unit.h"

/* Without a machine, which has no part in it until somebody speaks. */
static struct control *control_at(const char *socket, const char *agent, struct err **errp)
{
	return control_new(NULL, &(struct control_options){.name = "web01", .socket = socket, .agent = agent}, errp);
}

static void assert_owners_socket(const char *path)
{
	struct stat st;
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
}

static void sockets_are_for_their_owner(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(control_freep) struct control *control = control_at("orders", "agent", &err);
	assert_non_null(control);
	assert_owners_socket("orders");
	assert_owners_socket("agent");
	assert_null(control_at("orders", NULL, &err));
	assert_error(&err, ERR_BUSY, "another machine serves the socket orders");
	control_freep(&control);
	control = control_at("orders", NULL, &err); /* nobody serves it any more */
	assert_non_null(control);
}

/* It would be a socket of the kernel's own name space, which has no owner. */
static void a_socket_without_a_path_is_refused(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	assert_null(control_at("", NULL, &err));
	assert_error(&err, ERR_USAGE, "a socket needs a path");
	assert_null(control_at("orders", "", &err));
	assert_error(&err, ERR_USAGE, "a socket needs a path");
}

static void what_is_no_socket_is_left_alone(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	assert_int_equal(mkdir("folder", 0700), 0);
	assert_null(control_at("folder", NULL, &err));
	assert_error(&err, ERR_EXISTS, "is no socket");
	assert_int_equal(rmdir("folder"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sockets_are_for_their_owner, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(a_socket_without_a_path_is_refused, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(what_is_no_socket_is_left_alone, folder_enter, folder_leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
