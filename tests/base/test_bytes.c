/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"
#include "tests/unit.h"

static void integers_have_the_named_byte_order(void **state)
{
	(void)state;
	uint8_t place[8];
	bytes_store_le64(place, UINT64_C(0x0102030405060708));
	assert_memory_equal(place, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
	assert_true(bytes_load_le64(place) == UINT64_C(0x0102030405060708));
	assert_int_equal(bytes_load_le16(place), 0x0708);
	assert_int_equal(bytes_load_le32(place), 0x05060708);
	bytes_store_be64(place, UINT64_C(0x0102030405060708));
	assert_memory_equal(place, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
	assert_true(bytes_load_be64(place) == UINT64_C(0x0102030405060708));
}

static void what_is_written_is_read_back(void **state)
{
	(void)state;
	AUTO(bytes_release) struct bytes bytes;
	bytes_init(&bytes, 1 << 20);
	bytes_u8(&bytes, 7);
	bytes_u16(&bytes, 0xfffe);
	bytes_u32(&bytes, 0xdeadbeef);
	bytes_u64(&bytes, UINT64_MAX - 1);
	bytes_text(&bytes, "wörk");
	assert_true(bytes_ok(&bytes));

	struct cursor cursor;
	cursor_init(&cursor, bytes_span(&bytes));
	assert_int_equal(cursor_u8(&cursor), 7);
	assert_int_equal(cursor_u16(&cursor), 0xfffe);
	assert_int_equal(cursor_u32(&cursor), 0xdeadbeef);
	assert_true(cursor_u64(&cursor) == UINT64_MAX - 1);
	char text[16];
	cursor_text(&cursor, text, sizeof(text));
	assert_string_equal(text, "wörk");
	assert_true(cursor_done(&cursor));
}

static void reading_beyond_the_end_fails_for_good(void **state)
{
	(void)state;
	const uint8_t three[] = {1, 2, 3};
	struct cursor cursor;
	cursor_init(&cursor, SPAN_OF(three));
	assert_int_equal(cursor_u32(&cursor), 0);
	assert_false(cursor_ok(&cursor));
	assert_int_equal(cursor_u8(&cursor), 0); /* though a byte would be there */
	uint8_t copy[2] = {9, 9};
	cursor_copy(&cursor, copy, sizeof(copy));
	assert_memory_equal(copy, "\0\0", 2);
	assert_null(cursor_take(&cursor, 1).data);
	assert_false(cursor_done(&cursor));
}

static void a_huge_length_does_not_wrap(void **state)
{
	(void)state;
	const uint8_t one[] = {1};
	struct cursor cursor;
	cursor_init(&cursor, SPAN_OF(one));
	assert_null(cursor_take(&cursor, SIZE_MAX).data);
	assert_false(cursor_ok(&cursor));
}

static void an_empty_span_reads_as_nothing(void **state)
{
	(void)state;
	struct cursor cursor;
	cursor_init(&cursor, SPAN_NONE);
	assert_true(cursor_done(&cursor));
	assert_int_equal(cursor_take(&cursor, 0).len, 0);
	assert_true(cursor_done(&cursor));
}

static bool text_is_taken(struct span stored, size_t max)
{
	struct cursor cursor;
	cursor_init(&cursor, stored);
	char text[16] = "before";
	cursor_text(&cursor, text, max + 1);
	assert_true(cursor_ok(&cursor) || *text == '\0');
	return cursor_ok(&cursor);
}

static void only_plain_text_is_text(void **state)
{
	(void)state;
	assert_true(text_is_taken(SPAN_TEXT("\x02\x00ok"), 2));
	assert_true(text_is_taken(SPAN_TEXT("\x00\x00"), 0));
	assert_false(text_is_taken(SPAN_TEXT("\x03\x00too"), 2));	       /* longer than allowed */
	assert_false(text_is_taken(SPAN_TEXT("\x03\x00to"), 9));	       /* longer than there is */
	assert_false(text_is_taken(SPAN_TEXT("\x01"), 9));		       /* half a length */
	assert_false(text_is_taken(SPAN_TEXT("\x02\x00\x61\x00"), 9));	       /* a NUL inside */
	assert_false(text_is_taken(SPAN_TEXT("\x02\x00\xc0\x80"), 9));	       /* not the shortest form */
	assert_false(text_is_taken(SPAN_TEXT("\x03\x00\xed\xa0\x80"), 9));     /* a surrogate */
	assert_false(text_is_taken(SPAN_TEXT("\x04\x00\xf4\x90\x80\x80"), 9)); /* beyond U+10FFFF */
	assert_false(text_is_taken(SPAN_TEXT("\x02\x00\xe2\x82"), 9));	       /* cut off */
}

static void what_is_no_utf8_is_repaired(void **state)
{
	(void)state;
	AUTO(freep)
	char *text = utf8_repair("a\xff"
				 "b\xe2\x82");
	assert_string_equal(text, "a\xef\xbf\xbd"
				  "b\xef\xbf\xbd\xef\xbf\xbd");
}

static void growth_ends_at_the_maximum(void **state)
{
	(void)state;
	AUTO(bytes_release) struct bytes bytes;
	bytes_init(&bytes, 1000);
	for (int i = 0; i < 1000; i++)
		bytes_u8(&bytes, (uint8_t)i);
	assert_true(bytes_ok(&bytes));
	assert_true(bytes.capacity <= 1000);
	bytes_u8(&bytes, 0);
	assert_false(bytes_ok(&bytes));
	assert_int_equal(bytes.len, 1000);
	bytes_put(&bytes, "", 0);
	assert_false(bytes_ok(&bytes));
	assert_null(bytes_extend(&bytes, 0));
	bytes_clear(&bytes);
	bytes_u8(&bytes, 1);
	assert_true(bytes_ok(&bytes));
}

static void lengths_that_overflow_fail(void **state)
{
	(void)state;
	AUTO(bytes_release) struct bytes bytes;
	bytes_init(&bytes, SIZE_MAX);
	bytes_u8(&bytes, 1);
	assert_null(bytes_extend(&bytes, SIZE_MAX));
	assert_false(bytes_ok(&bytes));
}

static void a_text_has_at_most_64_kib(void **state)
{
	(void)state;
	AUTO(freep) char *text = malloc(65537);
	memset(text, 'x', 65536);
	text[65536] = '\0';
	AUTO(bytes_release) struct bytes bytes;
	bytes_init(&bytes, SIZE_MAX);
	bytes_text(&bytes, text + 1);
	assert_true(bytes_ok(&bytes));
	bytes_text(&bytes, text);
	assert_false(bytes_ok(&bytes));
}

static void zero_is_found_at_every_place(void **state)
{
	(void)state;
	uint8_t place[100] = {0};
	assert_true(bytes_all_zero(place, 0));
	assert_true(bytes_all_zero(place, sizeof(place)));
	for (size_t i = 0; i < sizeof(place); i++) {
		place[i] = 1;
		assert_false(bytes_all_zero(place, sizeof(place)));
		place[i] = 0;
	}
}

static void secrets_compare_in_every_byte(void **state)
{
	(void)state;
	uint8_t a[32] = {0}, b[32] = {0};
	assert_true(bytes_equal_secret(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(b); i++) {
		b[i] = 0x80;
		assert_false(bytes_equal_secret(a, b, sizeof(a)));
		b[i] = 0;
	}
}

static void hex_goes_both_ways(void **state)
{
	(void)state;
	char text[9];
	uint8_t back[4];
	assert_string_equal(hex_encode("\x00\x9f\xa0\xff", 4, text), "009fa0ff");
	assert_true(hex_decode(text, back, 4));
	assert_memory_equal(back, "\x00\x9f\xa0\xff", 4);
	assert_false(hex_decode("009FA0FF", back, 4));
	assert_false(hex_decode("009fa0f", back, 4));
	assert_false(hex_decode("009fa0ff0", back, 4));
	assert_false(hex_decode("", back, 4));
	assert_false(hex_decode("0g9fa0ff", back, 4));
	assert_true(hex_decode("", back, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_have_the_named_byte_order),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(reading_beyond_the_end_fails_for_good),
		cmocka_unit_test(a_huge_length_does_not_wrap),
		cmocka_unit_test(an_empty_span_reads_as_nothing),
		cmocka_unit_test(only_plain_text_is_text),
		cmocka_unit_test(what_is_no_utf8_is_repaired),
		cmocka_unit_test(growth_ends_at_the_maximum),
		cmocka_unit_test(lengths_that_overflow_fail),
		cmocka_unit_test(a_text_has_at_most_64_kib),
		cmocka_unit_test(zero_is_found_at_every_place),
		cmocka_unit_test(secrets_compare_in_every_byte),
		cmocka_unit_test(hex_goes_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
