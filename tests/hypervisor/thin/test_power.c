/* SPDX-License-Identifier: Apache-2.0 */
/* Switching off, restarting and the power button, as ACPI and the older ways have them. */
#include "hypervisor/thin/power.h"

#include "base/err.h"
#include "tests/hypervisor/thin/recorded_board.h"
#include "tests/unit.h"

enum { STATUS = 0x600, ENABLE = 0x602, CONTROL = 0x604, TIMER = 0x608, BUTTON = 0x100 };

static uint64_t now;

static uint64_t fake_now(void)
{
	return now;
}

struct bench {
	struct recorded_board *record;
	struct power *power;
};

static int set_up(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_non_null(bench);
	bench->record = recorded_board_new(16 << 20);
	bench->power = power_new(&bench->record->board, fake_now, &err);
	assert_non_null(bench->power);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	power_free(bench->power);
	recorded_board_free(bench->record);
	free(bench);
	return 0;
}

static void the_button_interrupts_until_it_is_acknowledged(void **state)
{
	struct bench *bench = *state;
	struct recorded_board *record = bench->record;
	power_press(bench->power);
	assert_false(record->lines[LINE_ACPI]);
	port_out(record, ENABLE, 2, BUTTON);
	assert_true(record->lines[LINE_ACPI]);
	assert_int_equal(port_in(record, STATUS, 2), BUTTON);
	assert_int_equal(port_in(record, STATUS, 4), BUTTON << 16 | BUTTON);
	port_out(record, STATUS, 1, 0xff); /* another byte's bits */
	assert_true(record->lines[LINE_ACPI]);
	port_out(record, STATUS, 2, BUTTON);
	assert_false(record->lines[LINE_ACPI]);
	assert_int_equal(port_in(record, STATUS, 2), 0);
	assert_int_equal(port_in(record, ENABLE, 2), BUTTON);
	power_press(bench->power);
	power_press(bench->power);
	assert_int_equal(record->edges[LINE_ACPI], 2);
	power_reset(bench->power);
	assert_false(record->lines[LINE_ACPI]);
	assert_int_equal(port_in(record, STATUS, 4), 0);
}

static void what_acpica_enables_reads_back(void **state)
{
	struct bench *bench = *state;
	port_out(bench->record, ENABLE, 2, 0xffff);
	assert_int_equal(port_in(bench->record, ENABLE, 2), 0x0721);
	assert_int_equal(port_in(bench->record, CONTROL, 2), 1);
	port_out(bench->record, CONTROL, 2, 0);
	assert_int_equal(port_in(bench->record, CONTROL, 2), 1);
}

static void s5_is_off_and_nothing_else_is(void **state)
{
	struct bench *bench = *state;
	struct recorded_board *record = bench->record;
	port_out(record, CONTROL, 2, 5 << 10);
	assert_int_equal(port_in(record, CONTROL, 2), 5 << 10 | 1);
	port_out(record, CONTROL, 2, 5 << 10 | 0x2000);
	port_out(record, CONTROL, 2, 1 << 10 | 0x2000);
	assert_int_equal(record->power_offs, 0);
	assert_int_equal(record->misuses, 1);
	port_out(record, CONTROL, 2, 0x2001);
	assert_int_equal(record->power_offs, 1);
	port_out(record, CONTROL + 1, 1, 0x20);
	assert_int_equal(record->power_offs, 2);
}

static void the_timer_counts_at_its_rate(void **state)
{
	struct bench *bench = *state;
	now = 0;
	assert_int_equal(port_in(bench->record, TIMER, 4), 0);
	now = UINT64_C(1000000000);
	assert_int_equal(port_in(bench->record, TIMER, 4), 3579545);
	now = UINT64_C(1000000) * 1000000000 + 500000000;
	assert_int_equal(port_in(bench->record, TIMER, 4), (uint32_t)(UINT64_C(3579545) * 1000000 + 3579545 / 2));
	port_out(bench->record, TIMER, 4, 0);
	assert_int_equal(port_in(bench->record, TIMER, 4), (uint32_t)(UINT64_C(3579545) * 1000000 + 3579545 / 2));
}

static void older_ways_restart(void **state)
{
	struct bench *bench = *state;
	struct recorded_board *record = bench->record;
	assert_int_equal(port_in(record, 0x64, 1), 0xff);
	assert_int_equal(port_in(record, 0x60, 1), 0xff);
	port_out(record, 0x64, 1, 0xd1);
	port_out(record, 0x60, 1, 0xfe);
	port_out(record, 0x64, 1, 0xff);
	assert_int_equal(record->restarts, 0);
	port_out(record, 0x64, 1, 0xfe);
	assert_int_equal(record->restarts, 1);
	assert_int_equal(port_in(record, 0x92, 1), 2);
	port_out(record, 0x92, 1, 0);
	assert_int_equal(port_in(record, 0x92, 1), 0);
	assert_int_equal(record->restarts, 1);
	port_out(record, 0x92, 1, 3);
	assert_int_equal(record->restarts, 2);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(the_button_interrupts_until_it_is_acknowledged),
		T(what_acpica_enables_reads_back),
		T(s5_is_off_and_nothing_else_is),
		T(the_timer_counts_at_its_rate),
		T(older_ways_restart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
