/* SPDX-License-Identifier: Apache-2.0 */
/* The PC's own devices need no system call that the thread which calls them may not make: each role is tried in a
 * child. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/debug_console.h"
#include "hypervisor/thin/fw_cfg.h"
#include "hypervisor/thin/jail.h"
#include "hypervisor/thin/linux_boot.h"
#include "hypervisor/thin/pci.h"
#include "hypervisor/thin/power.h"
#include "hypervisor/thin/rtc.h"
#include "hypervisor/thin/serial.h"
#include "tests/folder.h"
#include "tests/hypervisor/thin/recorded_board.h"
#include "tests/unit.h"

enum { NO_JAIL = 77, BROKEN = 99, KEPT_MAX = 4, MEMORY = 64 << 20 };

/* What a child has, all of it made before the jail. */
struct machine_parts {
	struct recorded_board *record;
	struct pci *pci;
	struct serial *serial;
	struct rtc *rtc;
	struct power *power;
	struct debug_console *console;
	struct fw_cfg *fw_cfg;
	struct linux_boot *boot;
};

static bool make_kernel(struct err **errp)
{
	static uint8_t image[8192];
	image[0x1f1] = 3;
	bytes_store_le16(image + 0x1fe, 0xaa55);
	image[0x201] = 0x6a;
	bytes_store_le32(image + 0x202, 0x53726448); /* HdrS */
	bytes_store_le16(image + 0x206, 0x20f);
	image[0x211] = image[0x236] = 1;
	bytes_store_le32(image + 0x22c, INT32_MAX);
	bytes_store_le64(image + 0x258, 16 << 20);
	bytes_store_le32(image + 0x260, 8 << 20);
	return file_replace("vmlinuz", SPAN_OF(image), 0600, errp);
}

static bool make_parts(struct machine_parts *parts, struct err **errp)
{
	const struct linux_boot_options options = {.kernel = "vmlinuz", .initrd = "vmlinuz"};
	parts->record = recorded_board_new(MEMORY);
	const struct board *board = &parts->record->board;
	return (parts->pci = pci_new(board, errp)) && (parts->serial = serial_new(board, errp)) &&
	       (parts->rtc = rtc_new(board, 1, clock_now_ns, errp)) &&
	       (parts->power = power_new(board, clock_monotonic_ns, errp)) &&
	       (parts->console = debug_console_new(board, errp)) && (parts->fw_cfg = fw_cfg_new(board, 1, errp)) &&
	       make_kernel(errp) && (parts->boot = linux_boot_new(&options, errp));
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static bool enter(const struct machine_parts *parts, enum jail_role role, struct err **errp)
{
	int kept[KEPT_MAX] = {serial_event_fd(parts->serial), rtc_timer_fd(parts->rtc)};
	size_t n = 2 + linux_boot_descriptors(parts->boot, kept + 2);
	qsort(kept, n, sizeof(kept[0]), compare);
	const struct jail_options options = {.keep = kept, .n_keep = n};
	return jail_enter(&options, errp) && jail_thread(role, errp);
}

/* The child's life. What the jail does not like ends it with a sentence of the jail's own. */
static _Noreturn void live(enum jail_role role, void (*what)(struct machine_parts *parts))
{
	struct err *err = NULL;
	struct machine_parts parts = {0};
	if (!make_parts(&parts, &err) || !enter(&parts, role, &err)) {
		fprintf(stderr, "%s\n", err_message(err));
		_exit(err_code(err) == ERR_UNSUPPORTED ? NO_JAIL : BROKEN);
	}
	what(&parts);
	_exit(0);
}

static void try_in_jail(enum jail_role role, void (*what)(struct machine_parts *parts))
{
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		live(role, what);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_JAIL)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void cmos(const struct machine_parts *parts, uint8_t index, uint8_t value)
{
	port_out(parts->record, RTC_PORT, 1, index);
	port_in(parts->record, RTC_PORT + 1, 1);
	port_out(parts->record, RTC_PORT + 1, 1, value);
}

/* Every port, and of the devices with an index behind a port every register, with values that begin something. */
static void use_ports(struct machine_parts *parts)
{
	for (unsigned index = 0; index < 128; index++)
		cmos(parts, (uint8_t)index, 0x72);
	for (unsigned register_at = 0; register_at < 8; register_at++)
		port_out(parts->record, (uint16_t)(SERIAL_PORT + register_at), 1, 0x0b);
	for (unsigned i = 0; i < SERIAL_SAID; i++)
		port_out(parts->record, SERIAL_PORT, 1, 'x');
	for (unsigned offset = 0; offset < PCI_CONFIG_SIZE; offset += 4) {
		port_out(parts->record, 0xcf8, 4, 0x80000000 | offset);
		port_out(parts->record, 0xcfc, 4, UINT32_MAX);
	}
	for (unsigned port = 0; port < UINT16_MAX; port++) {
		port_in(parts->record, (uint16_t)port, 1);
		port_out(parts->record, (uint16_t)port, 1, 0xfe);
	}
	port_out(parts->record, FW_CFG_DMA_PORT + 4, 4, 0);
}

static void serve_slowly(struct machine_parts *parts)
{
	uint8_t data[64];
	serial_hear(parts->serial, data, sizeof(data));
	rtc_tick(parts->rtc);
}

/* A person types and presses; the machine restarts. */
static void restart(struct machine_parts *parts)
{
	AUTO(err_freep) struct err *err = NULL;
	char text[64];
	struct vcpu_long_mode entry;
	serial_type(parts->serial, (const uint8_t *)"x", 1);
	power_press(parts->power);
	debug_console_text(parts->console, text, sizeof(text));
	pci_reset(parts->pci);
	serial_reset(parts->serial);
	rtc_reset(parts->rtc);
	power_reset(parts->power);
	debug_console_reset(parts->console);
	fw_cfg_reset(parts->fw_cfg);
	if (!linux_boot_place(parts->boot, parts->record->board.memory, 0xe0000, &entry, &err))
		_exit(BROKEN);
}

static void a_processor_uses_all_ports(void **state)
{
	(void)state;
	try_in_jail(JAIL_VCPU, use_ports);
}

static void the_slow_thread_serves(void **state)
{
	(void)state;
	try_in_jail(JAIL_SLOW, serve_slowly);
}

static void the_main_thread_restarts(void **state)
{
	(void)state;
	try_in_jail(JAIL_MAIN, restart);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, folder_enter, folder_leave)
	const struct CMUnitTest tests[] = {
		T(a_processor_uses_all_ports),
		T(the_slow_thread_serves),
		T(the_main_thread_restarts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
