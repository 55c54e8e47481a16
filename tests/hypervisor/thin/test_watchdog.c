/* SPDX-License-Identifier: Apache-2.0 */
/* The watchdog: barks at a guest that hangs, and at no other. */
#include "hypervisor/thin/watchdog.h"

#include "tests/unit.h"

static const struct vcpu_glance hanging = {.exits = 7, .rip = 0x1234};
static const struct vcpu_glance idle = {.exits = 3, .rip = 0x99, .waits = true};

static void see(struct watchdog *watchdog, unsigned vcpu, struct vcpu_glance glance, int times)
{
	for (int i = 0; i < times; i++)
		watchdog_see(watchdog, vcpu, &glance);
}

static bool barks(const struct watchdog *watchdog, unsigned vcpus)
{
	unsigned vcpu = 99;
	bool barked = watchdog_barks(watchdog, vcpus, &vcpu);
	assert_true(!barked || vcpu < vcpus);
	return barked;
}

static void one_that_hangs_long_enough(void **state)
{
	struct watchdog watchdog = {0};
	(void)state;
	see(&watchdog, 0, hanging, WATCHDOG_GLANCES);
	assert_false(barks(&watchdog, 1));
	see(&watchdog, 0, hanging, 1);
	assert_true(barks(&watchdog, 1));
	watchdog_reset(&watchdog);
	assert_false(barks(&watchdog, 1));
}

static void whoever_moves_exits_waits_or_can_be_interrupted_does_not_hang(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct watchdog watchdog = {0};
		struct vcpu_glance glance = hanging;
		for (int i = 0; i < 3 * WATCHDOG_GLANCES; i++) {
			glance.rip += kind == 0;
			glance.exits += kind == 1;
			glance.waits = kind == 2;
			glance.interruptible = kind == 3;
			watchdog_see(&watchdog, 0, &glance);
		}
		assert_false(barks(&watchdog, 1));
	}
}

static void all_must_hang_or_wait(void **state)
{
	struct watchdog watchdog = {0};
	unsigned vcpu = 99;
	(void)state;
	see(&watchdog, 0, idle, 20);
	see(&watchdog, 1, hanging, 20);
	see(&watchdog, 2, (struct vcpu_glance){.interruptible = true}, 20);
	assert_false(barks(&watchdog, 3));
	see(&watchdog, 2, idle, 1);
	assert_true(watchdog_barks(&watchdog, 3, &vcpu));
	assert_int_equal(vcpu, 1);
	see(&watchdog, 1, idle, 1);
	assert_false(barks(&watchdog, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_hangs_long_enough),
		cmocka_unit_test(whoever_moves_exits_waits_or_can_be_interrupted_does_not_hang),
		cmocka_unit_test(all_must_hang_or_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
