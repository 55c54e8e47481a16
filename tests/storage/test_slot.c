/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/slot.h"

#include <string.h>

#include "base/err.h"
#include "tests/unit.h"

static void assert_code(struct err **errp, enum err_code code)
{
	assert_non_null(*errp);
	if (err_code(*errp) != code)
		fail_msg("%s", err_message(*errp));
	err_clear(errp);
}

static void a_passphrase_opens_its_slot_only(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t material[MATERIAL_SIZE], found[MATERIAL_SIZE], object[SLOT_SIZE];
	struct slot slot;
	memset(material, 0x5a, sizeof(material));
	assert_true(slot_make(SPAN_TEXT("correct horse"), material, object, &err));
	assert_true(slot_parse(SPAN_OF(object), &slot, &err));
	assert_true(slot_open(&slot, SPAN_TEXT("correct horse"), found, &err));
	assert_memory_equal(found, material, sizeof(material));
	assert_false(slot_open(&slot, SPAN_TEXT("correct hors"), found, &err));
	assert_code(&err, ERR_DENIED);
	for (size_t i = 0; i < sizeof(object); i++) { /* every damage shows before the passphrase is asked for */
		object[i] ^= 1;
		assert_false(slot_parse(SPAN_OF(object), &slot, &err));
		assert_code(&err, ERR_CORRUPT);
		object[i] ^= 1;
	}
	assert_false(slot_parse(SPAN(object, SLOT_SIZE - 1), &slot, &err));
	assert_code(&err, ERR_CORRUPT);
}

/* A slot with a right checksum, as a hostile store makes it. */
static bool parse_with_cost(uint64_t n, uint32_t r, uint32_t p, struct err **errp)
{
	uint8_t object[SLOT_SIZE] = "SLVRSLOT\1";
	struct slot slot;
	const struct span body = SPAN(object, SLOT_SIZE - HASH_SIZE);
	bytes_store_le64(object + 44, n);
	bytes_store_le32(object + 52, r);
	bytes_store_le32(object + 56, p);
	return crypto_sha256(&body, 1, object + SLOT_SIZE - HASH_SIZE, errp) &&
	       slot_parse(SPAN_OF(object), &slot, errp);
}

static void the_cost_is_bounded(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	assert_true(parse_with_cost(1 << 17, 8, 1, &err));
	assert_true(parse_with_cost(1 << 20, 8, 64, &err));
	static const struct {
		uint64_t n;
		uint32_t r, p;
	} wrong[] = {{1 << 21, 8, 1},	{0, 8, 1},	 {1, 8, 1},	   {3, 8, 1},
		     {1 << 17, 0, 1},	{1 << 17, 8, 0}, {1 << 17, 8, 65}, {UINT64_C(1) << 63, 8, 1},
		     {2, UINT32_MAX, 1}};
	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
		assert_false(parse_with_cost(wrong[i].n, wrong[i].r, wrong[i].p, &err));
		assert_code(&err, ERR_CORRUPT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_passphrase_opens_its_slot_only),
		cmocka_unit_test(the_cost_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
