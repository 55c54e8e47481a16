/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of screens: what emulators write, what is no picture, and what can be told from one. */
#include "hypervisor/picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit.h"

static struct picture new_picture(uint32_t width, uint32_t height)
{
	struct picture picture = {.width = width, .height = height, .rgb = calloc((size_t)width * height, 3)};
	assert_non_null(picture.rgb);
	return picture;
}

static void set(struct picture *picture, size_t first, size_t n, uint8_t shade)
{
	memset(picture->rgb + first * 3, shade, n * 3);
}

static bool decode(const void *data, size_t len, struct picture *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	bool ok = picture_decode(SPAN(data, len), ret, &err);
	assert_true(ok || err_code(err) == ERR_CORRUPT);
	return ok;
}

static void a_ppm_is_read(void **state)
{
	static const char file[] = "P6\n2 1\n255\nabcdef";
	struct picture picture;
	(void)state;
	assert_true(decode(file, sizeof(file) - 1, &picture));
	assert_int_equal(picture.width, 2);
	assert_int_equal(picture.height, 1);
	assert_memory_equal(picture.rgb, "abcdef", 6);
	picture_release(&picture);
}

static void what_is_no_picture_is_refused(void **state)
{
	static const char *const files[] = {
		"",
		"P",
		"P6",
		"P6\n2 1\n255\nabcde",
		"P6\n2 1\n256\nabcdef",
		"P6\n0 1\n255\n",
		"P6\n99999999999 1\n255\n",
		"P6\n8192 8192\n255\n",
		"P6\n-1 1\n255\nabc",
		"P6\n2x1\n255\nabcdef",
		"\x89PNG\r\n\x1a\n",
		"GIF89a",
	};
	struct picture picture;
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(files); i++)
		assert_false(decode(files[i], strlen(files[i]), &picture));
}

static void a_png_comes_back_as_it_was(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct picture picture = new_picture(640, 480), again;
	struct bytes png;
	(void)state;
	for (size_t i = 0; i < 640u * 480u * 3u; i++)
		picture.rgb[i] = (uint8_t)(i * 7);
	assert_true(picture_to_png(&picture, 4 << 20, &png, &err));
	assert_memory_equal(png.data, "\x89PNG\r\n\x1a\n", 8);
	assert_true(decode(png.data, png.len, &again));
	assert_int_equal(again.width, 640);
	assert_memory_equal(again.rgb, picture.rgb, 640u * 480u * 3u);
	picture_release(&again);
	for (size_t len = 0; len < png.len; len += 1 + png.len / 50)
		assert_false(decode(png.data, len, &again));
	bytes_release(&png);
	picture_release(&picture);
}

static void a_png_that_is_too_large_becomes_smaller(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct picture picture = new_picture(801, 601), again;
	struct bytes png;
	uint32_t noise = 1;
	(void)state;
	for (size_t i = 0; i < 801u * 601u * 3u; i++) {
		noise = noise * 1664525u + 1013904223u;
		picture.rgb[i] = (uint8_t)(noise >> 24);
	}
	assert_true(picture_to_png(&picture, 500000, &png, &err));
	assert_true(png.len <= 500000);
	assert_true(decode(png.data, png.len, &again));
	assert_int_equal(again.width, 401);
	assert_int_equal(again.height, 301);
	picture_release(&again);
	bytes_release(&png);
	picture_release(&picture);
}

static void black_but_for_a_cursor(void **state)
{
	struct picture picture = new_picture(720, 400);
	(void)state;
	set(&picture, 0, 720u * 400u, 9);
	assert_true(picture_is_black(&picture));
	set(&picture, 5000, 18, 170);
	assert_true(picture_is_black(&picture));
	set(&picture, 9000, 200, 170);
	assert_false(picture_is_black(&picture));
	picture_release(&picture);
}

static void alike_but_for_a_cursor(void **state)
{
	struct picture a = new_picture(720, 400), b = new_picture(720, 400), c = new_picture(640, 480);
	(void)state;
	assert_true(picture_is_same(&a, &b));
	assert_false(picture_is_same(&a, &c));
	set(&b, 5000, 18, 170);
	assert_true(picture_is_same(&a, &b));
	set(&b, 9000, 1000, 170);
	assert_false(picture_is_same(&a, &b));
	picture_release(&a);
	picture_release(&b);
	picture_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ppm_is_read),
		cmocka_unit_test(what_is_no_picture_is_refused),
		cmocka_unit_test(a_png_comes_back_as_it_was),
		cmocka_unit_test(a_png_that_is_too_large_becomes_smaller),
		cmocka_unit_test(black_but_for_a_cursor),
		cmocka_unit_test(alike_but_for_a_cursor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
