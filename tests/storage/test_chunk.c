/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/chunk.h"

#include <string.h>

#include "base/err.h"
#include "tests/unit.h"

enum { SIZE = 65536 };

static const uint8_t dek[KEY_SIZE] = {1, 2, 3}, domain[DOMAIN_SIZE] = {4, 5};
static const struct metadata_keys keys = {.r = 1, .id = {6, 7}};

/* Text compresses; random bytes do not. */
static void fill(uint8_t *plain, size_t len, bool text)
{
	uint32_t random = 12345;
	for (size_t i = 0; i < len; i++) {
		random = random * 1664525u + 1013904223u;
		plain[i] =
			text ? (uint8_t)("salvor salvage save "[(i + (random >> 30)) % 20]) : (uint8_t)(random >> 24);
	}
}

struct sealed {
	struct chunk_id id;
	enum chunk_codec codec;
	size_t len;
	uint8_t plain[SIZE], bytes[SIZE + TAG_SIZE];
};

static struct sealed *seal(bool text)
{
	static struct sealed sealed;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t frame[SIZE];
	size_t len;
	fill(sealed.plain, SIZE, text);
	assert_true(chunk_identify(&keys, SPAN_OF(sealed.plain), &sealed.id, &err));
	assert_true(chunk_compress(SPAN_OF(sealed.plain), frame, &sealed.codec, &len, &err));
	struct span stored = SPAN(sealed.codec == CODEC_ZSTD ? frame : sealed.plain, len);
	assert_true(chunk_seal(dek, domain, &sealed.id, SIZE, sealed.codec, stored, sealed.bytes, &err));
	sealed.len = len + TAG_SIZE;
	return &sealed;
}

static bool unseal(const struct sealed *sealed, uint32_t plain_len, uint8_t *plain, struct err **errp)
{
	static uint8_t scratch[SIZE + TAG_SIZE];
	return chunk_unseal(dek, domain, &sealed->id, plain_len, (uint8_t)sealed->codec,
			    SPAN(sealed->bytes, sealed->len), scratch, plain, errp);
}

static void what_goes_in_comes_out(void **state)
{
	(void)state;
	for (int text = 0; text < 2; text++) {
		AUTO(err_freep) struct err *err = NULL;
		static uint8_t plain[SIZE];
		const struct sealed *sealed = seal(text);
		assert_int_equal(sealed->codec, text ? CODEC_ZSTD : CODEC_RAW);
		assert_true(unseal(sealed, SIZE, plain, &err));
		assert_memory_equal(plain, sealed->plain, SIZE);
	}
}

static void expect_damage(const struct sealed *sealed, uint32_t plain_len)
{
	AUTO(err_freep) struct err *err = NULL;
	static uint8_t plain[CHUNK_MAX];
	assert_false(unseal(sealed, plain_len, plain, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
}

static void every_damage_is_noticed(void **state)
{
	(void)state;
	for (int text = 0; text < 2; text++) {
		struct sealed *sealed = seal(text);
		for (size_t i = 0; i < sealed->len; i += i < 64 ? 1 : 997) {
			sealed->bytes[i] ^= 0x10;
			expect_damage(sealed, SIZE);
			sealed->bytes[i] ^= 0x10;
		}
		expect_damage(sealed, SIZE - 1);
		expect_damage(sealed, SIZE + 1);
		sealed->id.b[0] ^= 1;
		expect_damage(sealed, SIZE);
		sealed->id.b[0] ^= 1;
		sealed->codec ^= 1;
		expect_damage(sealed, SIZE);
		sealed->codec ^= 1;
		sealed->len--;
		expect_damage(sealed, SIZE);
		sealed->len = TAG_SIZE - 1;
		expect_damage(sealed, SIZE);
	}
}

/* Seals any bytes as a frame: what a malicious writer can do. */
static void expect_bad_frame(struct span frame, uint32_t plain_len)
{
	AUTO(err_freep) struct err *err = NULL;
	struct sealed *sealed = seal(true);
	assert_true(chunk_seal(dek, domain, &sealed->id, plain_len, CODEC_ZSTD, frame, sealed->bytes, &err));
	sealed->len = frame.len + TAG_SIZE;
	expect_damage(sealed, plain_len);
}

static void only_one_plain_frame_of_the_right_size_is_taken(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	static uint8_t plain[SIZE];
	uint8_t frame[SIZE] = {0};
	enum chunk_codec codec;
	size_t len;
	fill(plain, SIZE, true);
	assert_true(chunk_compress(SPAN_OF(plain), frame, &codec, &len, &err));
	assert_int_equal(codec, CODEC_ZSTD);
	expect_bad_frame(SPAN(frame, len + 1), SIZE);
	expect_bad_frame(SPAN(frame, len - 1), SIZE);
	expect_bad_frame(SPAN(frame, len), SIZE - 1);
	memcpy(frame + len, frame, len);
	expect_bad_frame(SPAN(frame, 2 * len), SIZE);
	frame[4] |= 0x04; /* a checksum */
	expect_bad_frame(SPAN(frame, len), SIZE);
	frame[4] = (uint8_t)((frame[4] & ~0x04) | 0x01); /* a dictionary */
	expect_bad_frame(SPAN(frame, len), SIZE);
	expect_bad_frame(SPAN(frame, 3), SIZE);
	expect_bad_frame(SPAN_TEXT("\x50\x2a\x4d\x18\x00\x00\x00\x00"), SIZE); /* a skippable frame */
}

static void a_frame_saves_a_sixteenth_or_is_not_used(void **state)
{
	(void)state;
	static uint8_t plain[SIZE];
	for (size_t noise = 0; noise <= SIZE; noise += 1024) {
		AUTO(err_freep) struct err *err = NULL;
		uint8_t frame[SIZE];
		enum chunk_codec codec;
		size_t len;
		memset(plain, 'x', SIZE);
		fill(plain, noise, false);
		assert_true(chunk_compress(SPAN_OF(plain), frame, &codec, &len, &err));
		if (codec == CODEC_ZSTD)
			assert_in_range(len, 1, SIZE - SIZE / 16);
		else
			assert_int_equal(len, SIZE);
		assert_int_equal(codec, noise <= SIZE / 16 * 15 - 1024 ? CODEC_ZSTD : CODEC_RAW);
	}
}

static void tiny_chunks_pass(void **state)
{
	(void)state;
	for (size_t size = 1; size < 40; size++) {
		AUTO(err_freep) struct err *err = NULL;
		uint8_t plain[40] = {0}, frame[40];
		enum chunk_codec codec;
		size_t len;
		assert_true(chunk_compress(SPAN(plain, size), frame, &codec, &len, &err));
		assert_in_range(len, 1, size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(every_damage_is_noticed),
		cmocka_unit_test(only_one_plain_frame_of_the_right_size_is_taken),
		cmocka_unit_test(a_frame_saves_a_sixteenth_or_is_not_used),
		cmocka_unit_test(tiny_chunks_pass),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
