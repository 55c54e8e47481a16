/* SPDX-License-Identifier: Apache-2.0 */
/* Maps and reads over NBD from a real qemu-nbd that shows a bitmap. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "hypervisor/blocks.h"
#include "tests/folder.h"
#include "tests/unit.h"

enum { MIB = 1 << 20 };

static pid_t server;

static void run(const char *command)
{
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): the tests' own words */
}

/* 8 GiB: more than one query describes. Data at 1 and 6000 MiB before the bitmap, at 2 and zeros at 6000 after it. */
static int serve(void **state)
{
	assert_int_equal(folder_enter(state), 0);
	run("qemu-img create -q -f qcow2 disk.qcow2 8G && "
	    "qemu-io -f qcow2 -c 'write -P 1 1M 1M' -c 'write -P 2 6000M 2M' disk.qcow2 >/dev/null && "
	    "qemu-img bitmap --add disk.qcow2 map && "
	    "qemu-io -f qcow2 -c 'write -P 3 2M 64k' -c 'write -z 6001M 1M' disk.qcow2 >/dev/null && "
	    "qemu-nbd --fork --pid-file=pid --read-only --persistent --shared=4 --bitmap=map --socket=$PWD/socket -f "
	    "qcow2 disk.qcow2");
	FILE *pid = fopen("pid", "re");
	assert_non_null(pid);
	char text[16];
	assert_non_null(fgets(text, sizeof(text), pid));
	fclose(pid);
	server = (pid_t)strtol(text, NULL, 10);
	assert_true(server > 0);
	return 0;
}

static int end(void **state)
{
	kill(server, SIGKILL);
	return folder_leave(state);
}

static struct blocks *connect_to(const char *bitmap)
{
	struct err *err = NULL;
	struct blocks *blocks =
		blocks_open(&(struct blocks_source){.socket = "socket", .export_name = "", .bitmap = bitmap}, &err);
	if (!blocks)
		fail_msg("%s", err_message(err));
	return blocks;
}

struct list {
	struct extent extents[32];
	size_t n;
};

static bool note(void *arg, const struct extent *extent, struct err **errp)
{
	(void)errp;
	struct list *list = arg;
	assert_true(list->n < ARRAY_LENGTH(list->extents));
	list->extents[list->n++] = *extent;
	return true;
}

static void is_extent(const struct extent *extent, uint64_t offset, uint64_t length, bool changed, bool zero)
{
	assert_int_equal(extent->offset, offset);
	assert_int_equal(extent->length, length);
	assert_int_equal(extent->changed, changed);
	assert_int_equal(extent->zero, zero);
}

static void test_map(void **state)
{
	(void)state;
	struct err *err = NULL;
	struct list list = {0};
	struct blocks *blocks = connect_to("map");
	assert_int_equal(blocks_size(blocks), UINT64_C(8) << 30);
	assert_true(blocks_map(blocks, note, &list, &err));
	blocks_close(blocks);
	const uint64_t mib = MIB;
	assert_int_equal(list.n, 7);
	is_extent(&list.extents[0], 0, mib, false, true);
	is_extent(&list.extents[1], mib, mib, false, false);
	is_extent(&list.extents[2], 2 * mib, 65536, true, false);
	is_extent(&list.extents[3], 2 * mib + 65536, 5998 * mib - 65536, false, true);
	is_extent(&list.extents[4], 6000 * mib, mib, false, false);
	is_extent(&list.extents[5], 6001 * mib, mib, true, true);
	is_extent(&list.extents[6], 6002 * mib, (8192 - 6002) * mib, false, true);
}

static void test_map_untracked(void **state)
{
	(void)state;
	struct err *err = NULL;
	struct list list = {0};
	struct blocks *blocks = connect_to(NULL);
	assert_true(blocks_map(blocks, note, &list, &err));
	blocks_close(blocks);
	for (size_t i = 0; i < list.n; i++)
		assert_true(list.extents[i].changed);
	assert_int_equal(list.n, 5);
}

static void test_read(void **state)
{
	(void)state;
	struct err *err = NULL;
	enum { LONG = 9 * MIB };
	uint8_t *data = malloc(LONG + 4 * MIB);
	struct read_request requests[] = {{0, LONG, data}, {UINT64_C(6000) * MIB, 2 * MIB, data + LONG}};
	struct blocks *blocks = connect_to(NULL);
	assert_true(blocks_read(blocks, requests, ARRAY_LENGTH(requests), &err));
	assert_true(data[MIB - 1] == 0 && data[MIB] == 1 && data[2 * MIB] == 3 && data[2 * MIB + 65536] == 0);
	assert_true(data[LONG] == 2 && data[LONG + MIB - 1] == 2 && data[LONG + MIB] == 0);
	blocks_close(blocks);
	free(data);
}

static void test_server_dies(void **state)
{
	(void)state;
	struct err *err = NULL;
	uint8_t byte;
	struct blocks *blocks = connect_to(NULL);
	kill(server, SIGKILL);
	struct read_request request = {0, 1, &byte};
	for (int i = 0; i < 2; i++) {
		assert_false(blocks_read(blocks, &request, 1, &err));
		err_clear(&err);
	}
	assert_false(blocks_map(blocks, note, &(struct list){0}, &err));
	err_clear(&err);
	blocks_close(blocks);
	assert_null(blocks_open(&(struct blocks_source){.socket = "socket", .export_name = ""}, &err));
	err_free(err);
}

static void test_no_such_bitmap(void **state)
{
	(void)state;
	struct err *err = NULL;
	assert_null(
		blocks_open(&(struct blocks_source){.socket = "socket", .export_name = "", .bitmap = "other"}, &err));
	assert_non_null(strstr(err_message(err), "'other'"));
	err_free(err);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, serve, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(test_map),	  SERVED(test_map_untracked),  SERVED(test_read),
		SERVED(test_server_dies), SERVED(test_no_such_bitmap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
