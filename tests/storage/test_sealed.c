/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sealed.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/error.h"

#define HEAD "a head for all"

enum { HEAD_SIZE = sizeof(HEAD) - 1, OBJECT_MAX = 1000 };

static const struct metadata_keys keys = {.r = 1, .meta = "meta", .nonce = "nonce"};
static const struct metadata_keys other_keys = {.r = 2, .meta = "Meta", .nonce = "nonce"};
static const struct sealed_name name = {SPAN_TEXT("label"), SPAN_TEXT("salt")};
static const struct sealed_name other_label = {SPAN_TEXT("Label"), SPAN_TEXT("salt")};
static const struct sealed_name other_salt = {SPAN_TEXT("label"), SPAN_TEXT("Salt")};

static void seal(struct span plain, struct bytes *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	bytes_init(ret, OBJECT_MAX);
	bytes_put(ret, HEAD, HEAD_SIZE);
	assert_true(sealed_append(&keys, &name, plain, ret, &err));
	assert_int_equal(ret->len, HEAD_SIZE + NONCE_SIZE + plain.len + TAG_SIZE);
	assert_memory_equal(ret->data, HEAD, HEAD_SIZE);
}

static void what_was_sealed_is_opened(void **state)
{
	static const char text[] = "a secret", before[] = "before";
	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(bytes_release) struct bytes object, plain;
		bytes_init(&plain, OBJECT_MAX);
		bytes_put(&plain, before, sizeof(before));
		seal(SPAN(text, len), &object);
		assert_true(sealed_open(&keys, &name, bytes_span(&object), HEAD_SIZE, &plain, &err));
		assert_int_equal(plain.len, sizeof(before) + len);
		assert_memory_equal(plain.data, before, sizeof(before));
		assert_memory_equal(plain.data + sizeof(before), text, len);
	}
}

static void only_the_head_is_for_all(void **state)
{
	static const char text[] = "a secret";
	(void)state;
	AUTO(bytes_release) struct bytes object;
	seal(SPAN_TEXT(text), &object);
	assert_null(memmem(object.data, object.len, text, strlen(text)));
}

static void assert_corrupt(const struct metadata_keys *with, const struct sealed_name *as, struct span object,
			   size_t head_size, const char *words)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes plain;
	bytes_init(&plain, OBJECT_MAX);
	assert_false(sealed_open(with, as, object, head_size, &plain, &err));
	assert_error(&err, ERR_CORRUPT, words);
}

/* Of the head, the nonce, the ciphertext and the tag. */
static void every_bit_counts(void **state)
{
	(void)state;
	AUTO(bytes_release) struct bytes object;
	seal(SPAN_TEXT("a secret"), &object);
	for (size_t bit = 0; bit < object.len * 8; bit++) {
		object.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_corrupt(&keys, &name, bytes_span(&object), HEAD_SIZE, "not authentic");
		object.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
}

static void every_key_is_for_one_object(void **state)
{
	(void)state;
	AUTO(bytes_release) struct bytes object;
	seal(SPAN_TEXT("a secret"), &object);
	assert_corrupt(&other_keys, &name, bytes_span(&object), HEAD_SIZE, "not authentic");
	assert_corrupt(&keys, &other_label, bytes_span(&object), HEAD_SIZE, "not authentic");
	assert_corrupt(&keys, &other_salt, bytes_span(&object), HEAD_SIZE, "not authentic");
	assert_corrupt(&keys, &name, bytes_span(&object), HEAD_SIZE - 1, "not authentic");
}

/* Each in memory of its own, behind which there is nothing to read. */
static void what_is_cut_short_is_corrupt(void **state)
{
	(void)state;
	AUTO(bytes_release) struct bytes object;
	seal(SPAN_TEXT("a secret"), &object);
	for (size_t len = 0; len < object.len; len++) {
		AUTO(freep) uint8_t *cut = malloc(len + !len);
		memcpy(cut, object.data, len);
		assert_corrupt(&keys, &name, SPAN(cut, len), HEAD_SIZE,
			       len < HEAD_SIZE + NONCE_SIZE + TAG_SIZE ? "too short" : "not authentic");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sealed_is_opened),
		cmocka_unit_test(only_the_head_is_for_all),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(every_key_is_for_one_object),
		cmocka_unit_test(what_is_cut_short_is_corrupt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
