/* SPDX-License-Identifier: Apache-2.0 */
/* What changes behind the engine's back is found, told, and in the point of the same run. */
#include "agent/self_check.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>

#include "tests/agent/backups.h"
#include "tests/folder.h"
#include "tests/unit.h"

/* One disk: chunks of noise first, then as many of zeros. */
static struct memory_engine *make_small_machine(unsigned noise, unsigned zeros)
{
	const uint64_t size = (uint64_t)(noise + zeros) * CHUNK;
	struct memory_engine *memory = memory_engine_new("web01", &size, 1);

	write_noise(memory, 0, 0, (size_t)noise * CHUNK);
	return memory;
}

static void expect_alarm(struct memory_engine *memory, struct outcome outcome)
{
	assert_true(outcome.ok);
	assert_true(outcome.result.full);
	assert_string_equal(outcome.result.fallback_reason, FALLBACK_TRACKING_WRONG);
	assert_true(outcome.result.needs_attention);
	assert_non_null(strstr(outcome.result.attention, "disk 'vda' had changed at byte"));
	backup_result_release(&outcome.result);
	newest_is(memory, 1);
	struct backup_result next = done(back_up(memory));
	assert_false(next.full || next.needs_attention);
	engine_free(memory_engine_seam(memory));
}

/* So few chunks that each run looks at all of them. */
static void unseen_change_is_found(void **state)
{
	struct memory_engine *memory = make_small_machine(SELF_CHECK_DATA, SELF_CHECK_ZEROS);

	(void)state;
	done(back_up(memory));
	memory_engine_write_unseen(memory, 0, 11 * CHUNK + 77, "x", 1);
	expect_alarm(memory, back_up(memory));
}

static void unseen_zeros_are_found(void **state)
{
	struct memory_engine *memory = make_small_machine(SELF_CHECK_DATA, 0);
	static const uint8_t zeros[CHUNK];

	(void)state;
	done(back_up(memory));
	memory_engine_write_unseen(memory, 0, 5 * CHUNK, zeros, sizeof(zeros));
	expect_alarm(memory, back_up(memory));
}

static void unseen_data_in_zeros_is_found(void **state)
{
	struct memory_engine *memory = make_small_machine(3, 40);

	(void)state;
	done(back_up(memory));
	memory_engine_write_unseen(memory, 0, 30 * CHUNK, "x", 1);
	expect_alarm(memory, back_up(memory));
}

/* Each run looks at half of the chunks, and at other ones: 64 that all miss it are as likely as 64 coins that all fall
 * on one side. */
static void choice_is_made_anew(void **state)
{
	struct memory_engine *memory = make_small_machine(2 * SELF_CHECK_DATA, 0);
	struct outcome outcome;

	(void)state;
	done(back_up(memory));
	memory_engine_write_unseen(memory, 0, 40 * CHUNK, "x", 1);
	for (int run = 0; run < 64; run++) {
		outcome = back_up(memory);
		assert_true(outcome.ok);
		assert_int_equal(outcome.result.bytes_checked, SELF_CHECK_DATA * CHUNK);
		if (outcome.result.full)
			break;
		backup_result_release(&outcome.result);
	}
	expect_alarm(memory, outcome);
}

/* More chunks than the samples of a thousand runs would cover. */
static void full_read_compares_all(void **state)
{
	struct memory_engine *memory = make_machine();
	struct cancel never = {false};
	const struct backup_options full = {.cancel = &never, .full = true};

	(void)state;
	done(back_up(memory));
	write_noise(memory, 0, 20 * MIB, MIB);
	assert_string_equal(done(back_up_with(memory, &full)).fallback_reason, FALLBACK_FORCED);
	write_noise(memory, 0, 20 * MIB, MIB);
	memory_engine_write_unseen(memory, 1, 8 * MIB + 5, "x", 1);
	struct outcome outcome = back_up_with(memory, &full);
	assert_true(outcome.ok && outcome.result.needs_attention);
	assert_non_null(strstr(outcome.result.attention, "disk 'vdb' had changed at byte 8388608 though"));
	assert_string_equal(outcome.result.fallback_reason, FALLBACK_TRACKING_WRONG);
	backup_result_release(&outcome.result);
	newest_is(memory, 2);
	engine_free(memory_engine_seam(memory));
}

static void full_read_finds_data_that_became_zeros(void **state)
{
	struct memory_engine *memory = make_small_machine(100, 0);
	struct cancel never = {false};
	static const uint8_t zeros[CHUNK];

	(void)state;
	done(back_up(memory));
	memory_engine_write_unseen(memory, 0, 50 * CHUNK, zeros, sizeof(zeros));
	expect_alarm(memory, back_up_with(memory, &(struct backup_options){.cancel = &never, .full = true}));
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Nothing can be compared with a parent that cannot be read: a person is told, and the full read goes on. */
static void damaged_parent_is_told(void **state)
{
	struct memory_engine *memory = make_small_machine(SELF_CHECK_DATA, 0);
	struct cancel never = {false};

	(void)state;
	done(back_up(memory));
	assert_int_equal(nftw("repo/m", remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
	struct outcome outcome = back_up_with(memory, &(struct backup_options){.cancel = &never, .full = true});
	assert_true(outcome.ok && outcome.result.needs_attention);
	assert_non_null(strstr(outcome.result.attention, "could not be compared with the last point"));
	backup_result_release(&outcome.result);
	engine_free(memory_engine_seam(memory));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_REPOSITORY(unseen_change_is_found),
		IN_REPOSITORY(unseen_zeros_are_found),
		IN_REPOSITORY(unseen_data_in_zeros_is_found),
		IN_REPOSITORY(choice_is_made_anew),
		IN_REPOSITORY(full_read_compares_all),
		IN_REPOSITORY(damaged_parent_is_told),
		IN_REPOSITORY(full_read_finds_data_that_became_zeros),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
