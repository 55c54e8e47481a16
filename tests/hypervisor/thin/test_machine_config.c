/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/machine_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "tests/error.h"
#include "tests/folder.h"

#define DISK "disk vda { path = /d }\n"

static struct machine_config *read_text(const char *text, struct err **errp)
{
	AUTO(err_freep) struct err *err = NULL;
	if (!file_replace("vm.conf", SPAN(text, strlen(text)), 0600, &err))
		fail_msg("%s", err_message(err));
	return machine_config_read("vm.conf", errp);
}

/* Tests are started in the source tree. */
static void the_sample_is_read(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	(void)state;
	AUTO(machine_config_freep) struct machine_config *config = machine_config_read("etc/vm.conf", &err);
	if (!config)
		fail_msg("%s", err_message(err));
	assert_string_equal(config->name, "web01");
	assert_int_equal(config->memory, UINT64_C(1) << 30);
	assert_int_equal(config->vcpus, 2);
	assert_null(config->firmware);
	assert_int_equal(config->n_disks, 3);
	assert_string_equal(config->disks[0].name, "vda");
	assert_string_equal(config->disks[0].path, "/srv/web01.raw");
	assert_null(config->disks[0].nbd_socket);
	assert_string_equal(config->disks[1].nbd_export, "vdb");
	assert_true(config->disks[2].read_only && !config->disks[0].read_only);
	assert_int_equal(config->n_networks, 2);
	assert_int_equal(config->networks[0].kind, NETWORK_TAP);
	assert_string_equal(config->networks[0].place, "tap0");
	assert_memory_equal(config->networks[0].mac, ((uint8_t[]){0x52, 0x54, 0, 0x12, 0x34, 0x56}), 6);
	assert_int_equal(config->networks[1].kind, NETWORK_PASST);
	assert_memory_equal(config->networks[1].mac, ((uint8_t[]){0x52, 0x54, 0}), 3);
}

static void little_is_enough(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	(void)state;
	AUTO(machine_config_freep)
	struct machine_config *config =
		read_text("name = a\nkernel = /vmlinuz\ncommand_line = 'console=ttyS0 quiet'\n", &err);
	assert_non_null(config);
	assert_int_equal(config->memory, UINT64_C(512) << 20);
	assert_int_equal(config->vcpus, 1);
	assert_string_equal(config->command_line, "console=ttyS0 quiet");
	assert_null(config->initrd);
}

static void an_invented_mac_stays(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	(void)state;
	static const char text[] = "name = a\n" DISK "network { tap = t0 }\nnetwork { tap = t1 }\n";
	AUTO(machine_config_freep) struct machine_config *first = read_text(text, &err);
	AUTO(machine_config_freep) struct machine_config *second = read_text(text, &err);
	assert_memory_equal(first->networks[0].mac, second->networks[0].mac, 6);
	assert_memory_not_equal(first->networks[0].mac, first->networks[1].mac, 6);
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
	static const struct {
		const char *text, *place, *words;
	} cases[] = {
		{"name = 'a b'\n" DISK, "vm.conf:1: ", "'a b' is no name"},
		{"name = ''\n" DISK, "vm.conf:1: ", "is no name"},
		{"name = ../x\n" DISK, "vm.conf:1: ", "'../x' is no name"},
		{"name = a\nmemory = 12\n" DISK, "vm.conf:2: ", "memory '12'"},
		{"name = a\nmemory = 1X\n" DISK, "vm.conf:2: ", "memory '1X'"},
		{"name = a\nmemory = 99999999999999999999G\n" DISK, "vm.conf:2: ", "not a size"},
		{"name = a\nmemory = 17000K\n" DISK, "vm.conf:2: ", "not a size"},
		{"name = a\n\nvcpus = 17\n" DISK, "vm.conf:3: ", "17 vcpus"},
		{"name = a\nvcpus = many\n" DISK, "vm.conf:2: ", "vcpus"},
		{"name = a\ncolour = blue\n" DISK, "vm.conf:2: ", "colour"},
		{"name = a\ndisk vda { }\n", "vm.conf:2: ", "disk 'vda': it needs a path"},
		{"name = a\ndisk vda { path = '' }\n", "vm.conf:2: ", "'path' is empty"},
		{"name = a\ndisk 'a/b' { path = /x }\n", "vm.conf:2: ", "no name"},
		{"name = a\n" DISK DISK, "vm.conf:3: ", "vda"},
		{"name = a\ndisk vda { path = /x nbd_socket = /s }\n", "vm.conf:2: ", "go together"},
		{"name = a\ndisk vda { path = /x nbd_socket = /s nbd_export = e read_only = true }\n",
		 "vm.conf:2: ", "read_only"},
		{"name = a\ndisk vda { path = /x nbd_socket = s nbd_export = e }\n", "vm.conf:2: ", "from the root on"},
		{"name = a\n" DISK "network { }\n", "vm.conf:3: ", "either tap or passt"},
		{"name = a\n" DISK "network { tap = a passt = /b }\n", "vm.conf:3: ", "either tap or passt"},
		{"name = a\n" DISK "network { tap = abcdefghijklmnop }\n", "vm.conf:3: ", "15 letters"},
		{"name = a\n" DISK "network { tap = a mac = 'zz' }\n", "vm.conf:3: ", "mac"},
		{"name = a\n" DISK "network { tap = a mac = '53:54:00:00:00:01' }\n", "vm.conf:3: ", "group"},
		{DISK, "vm.conf: ", "no name"},
		{"name = a\n", "vm.conf: ", "neither a disk nor a kernel"},
		{"name = a\n" DISK "initrd = /i\n", "vm.conf: ", "for a kernel"},
		{"name = a\nkernel = /k\nfirmware = /f\n", "vm.conf: ", "either a firmware"},
		{"name = a\ndisk vda {\n", "vm.conf:", ""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(machine_config_freep) struct machine_config *config = read_text(cases[i].text, &err);
		if (config)
			fail_msg("accepted: %s", cases[i].text);
		assert_int_equal(err_code(err), ERR_USAGE);
		if (!strstr(err_message(err), cases[i].place) || !strstr(err_message(err), cases[i].words))
			fail_msg("'%s' gave: %s", cases[i].text, err_message(err));
	}
}

static void too_many_are_told(void **state)
{
	AUTO(freep) char *text = strdup("name = a\n");
	(void)state;
	for (int i = 0; i <= MACHINE_DISKS_MAX; i++) {
		AUTO(freep) char *before = text;
		text = file_format("%sdisk d%d { path = /d }\n", before, i);
	}
	AUTO(err_freep) struct err *err = NULL;
	assert_null(read_text(text, &err));
	assert_error(&err, ERR_USAGE, "one disk too many");
}

static void a_file_that_is_not_there_is_named(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	(void)state;
	assert_null(machine_config_read("none.conf", &err));
	assert_error(&err, ERR_NOT_FOUND, "none.conf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sample_is_read),
		cmocka_unit_test_setup_teardown(little_is_enough, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(an_invented_mac_stays, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(what_is_wrong_is_told_with_its_line, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(too_many_are_told, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(a_file_that_is_not_there_is_named, folder_enter, folder_leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
