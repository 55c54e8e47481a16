/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that says something and switches itself off in the next instruction is heard to the end, on the real
 * /dev/kvm. */
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/machine.h"
#include "hypervisor/thin/machine_config.h"
#include "tests/folder.h"
#include "tests/hypervisor/thin/kvm.h"
#include "tests/unit.h"

enum { MARKS = 15000, ROUNDS = 5, PATIENCE_MS = 120000 };

static const uint8_t says_marks[] = {
	0xfa, 0xfc, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0,			  /* ds = es = 0 */
	0xbf, 0x00, 0x80, 0xb9, 0x98, 0x3a, 0xb0, 0x21, 0xf3, 0xaa,	  /* 15000 times '!' to 0x8000 */
	0xbe, 0x00, 0x80, 0xb9, 0x98, 0x3a, 0xba, 0xf8, 0x03, 0xf3, 0x6e, /* and from there to port 0x3f8 */
	0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4, 0xeb, 0xfd,	  /* out 0x604, 0x2000: off */
};

static int kvm = -1;

/* Read when the machine has ended, after which nobody calls. */
static unsigned marks;

static int told; /* an event: the machine has told something, as that it is off */

/* Listens slowly: the first mark takes until then. */
static void hear(void *arg, const uint8_t *data, size_t size)
{
	struct pollfd ready = {.fd = told, .events = POLLIN};
	(void)arg;
	if (memchr(data, '!', size))
		poll(&ready, 1, PATIENCE_MS);
	for (size_t i = 0; i < size; i++)
		marks += data[i] == '!';
}

static void make_disk(void)
{
	AUTO(err_freep) struct err *err = NULL;
	static uint8_t disk[1 << 20];
	memcpy(disk, says_marks, sizeof(says_marks));
	disk[510] = 0x55;
	disk[511] = 0xaa;
	assert_true(file_replace("disk.img", SPAN_OF(disk), 0600, &err));
}

static void run_to_the_end(const struct machine_config *config)
{
	AUTO(err_freep) struct err *err = NULL;
	struct machine_status status = {0};
	struct machine *machine = machine_new(config, kvm, &err);
	if (!machine)
		fail_msg("%s", err_message(err));
	told = eventfd(0, EFD_CLOEXEC);
	machine_listen(machine, hear, NULL);
	if (!machine_start(machine, &err))
		fail_msg("%s", err_message(err));
	machine_go_on(machine);
	while (status.state != MACHINE_ENDED) {
		struct pollfd ready = {.fd = machine_event_fd(machine), .events = POLLIN};
		assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
		assert_int_equal(eventfd_write(told, 1), 0);
		machine_serve(machine);
		machine_look(machine, &status);
	}
	assert_int_equal(status.end, MACHINE_POWERED_OFF);
	machine_free(machine);
	close(told);
}

static void last_words_are_heard(void **state)
{
	static char name[] = "m", disk[] = "vda", path[] = "disk.img";
	const struct machine_config config = {
		.name = name, .memory = 32 << 20, .vcpus = 1, .disks = {{.name = disk, .path = path}}, .n_disks = 1};
	(void)state;
	make_disk();
	for (unsigned i = 0; i < ROUNDS; i++) {
		marks = 0;
		run_to_the_end(&config);
		assert_int_equal(marks, MARKS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(last_words_are_heard, folder_enter, folder_leave),
	};
	kvm = kvm_open(true);
	if (kvm < 0)
		return KVM_SKIPPED;
	int failures = cmocka_run_group_tests(tests, NULL, NULL);
	close(kvm);
	return failures;
}
