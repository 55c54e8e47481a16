/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/picture.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum {
	BYTES_A_PIXEL = 3,
	DARK = 24,	    /* a channel up to this is black */
	CURSOR_PIXELS = 64, /* a cursor of text mode has less */
	SMALL_PART = 2000,  /* one in so many pixels is a detail */
	NUMBER_MAX = 100000,
};

static size_t pixels(const struct picture *picture)
{
	return (size_t)picture->width * picture->height;
}

static bool make(uint32_t width, uint32_t height, struct picture *ret, struct err **errp)
{
	if (width == 0 || height == 0 || width > PICTURE_SIDE_MAX || height > PICTURE_SIDE_MAX ||
	    width * height > PICTURE_PIXELS_MAX)
		return err_set(errp, ERR_CORRUPT, "a screen of %u by %u pixels is none", width, height);
	uint8_t *rgb = malloc((size_t)width * height * BYTES_A_PIXEL);
	if (!rgb)
		return err_set_no_memory(errp);
	*ret = (struct picture){.width = width, .height = height, .rgb = rgb};
	return true;
}

void picture_release(struct picture *picture)
{
	free(picture->rgb);
	*picture = (struct picture){0};
}

/* ---- PPM ---- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Blanks, digits, and the one blank behind them. */
static uint32_t take_number(struct cursor *cursor)
{
	uint32_t value = 0;
	uint8_t c = cursor_u8(cursor);
	while (cursor_ok(cursor) && is_blank(c))
		c = cursor_u8(cursor);
	for (; cursor_ok(cursor) && c >= '0' && c <= '9' && value < NUMBER_MAX; c = cursor_u8(cursor))
		value = value * 10 + (uint32_t)(c - '0');
	return is_blank(c) ? value : 0;
}

static bool decode_ppm(struct span file, struct picture *ret, struct err **errp)
{
	struct cursor cursor;
	cursor_init(&cursor, SPAN((const uint8_t *)file.data + 2, file.len - 2));
	uint32_t width = take_number(&cursor), height = take_number(&cursor), deepest = take_number(&cursor);
	if (!cursor_ok(&cursor) || deepest != UINT8_MAX)
		return err_set(errp, ERR_CORRUPT, "the picture of the screen has a head that is not understood");
	struct picture picture;
	if (!make(width, height, &picture, errp))
		return false;
	cursor_copy(&cursor, picture.rgb, pixels(&picture) * BYTES_A_PIXEL);
	if (cursor_ok(&cursor)) {
		*ret = picture;
		return true;
	}
	picture_release(&picture);
	return err_set(errp, ERR_CORRUPT, "the picture of the screen is cut off");
}

/* ---- PNG ---- */

static bool read_png(png_image *image, struct picture *ret, struct err **errp)
{
	struct picture picture;
	image->format = PNG_FORMAT_RGB;
	if (!make(image->width, image->height, &picture, errp))
		return false;
	if (png_image_finish_read(image, NULL, picture.rgb, 0, NULL)) {
		*ret = picture;
		return true;
	}
	picture_release(&picture);
	return err_set(errp, ERR_CORRUPT, "the picture of the screen: %s", image->message);
}

static bool decode_png(struct span file, struct picture *ret, struct err **errp)
{
	png_image image = {.version = PNG_IMAGE_VERSION};
	if (!png_image_begin_read_from_memory(&image, file.data, file.len))
		return err_set(errp, ERR_CORRUPT, "the picture of the screen: %s", image.message);
	bool ok = read_png(&image, ret, errp);
	png_image_free(&image);
	return ok;
}

bool picture_decode(struct span file, struct picture *ret, struct err **errp)
{
	if (file.len > 2 && memcmp(file.data, "P6", 2) == 0)
		return decode_ppm(file, ret, errp);
	return decode_png(file, ret, errp);
}

static bool write_png(const struct picture *picture, struct bytes *ret, struct err **errp)
{
	png_image image = {.version = PNG_IMAGE_VERSION,
			   .width = picture->width,
			   .height = picture->height,
			   .format = PNG_FORMAT_RGB};
	png_alloc_size_t len = PNG_IMAGE_PNG_SIZE_MAX(image);
	bytes_init(ret, len);
	uint8_t *data = bytes_extend(ret, len);
	if (!data)
		return err_set_no_memory(errp);
	if (!png_image_write_to_memory(&image, data, &len, 0, picture->rgb, 0, NULL)) {
		bytes_release(ret);
		return err_set(errp, ERR_FAILED, "the picture of the screen as a PNG: %s", image.message);
	}
	ret->len = len;
	return true;
}

/* Every second pixel of every second row. */
static bool halve(const struct picture *picture, struct picture *ret, struct err **errp)
{
	if (!make((picture->width + 1) / 2, (picture->height + 1) / 2, ret, errp))
		return false;
	uint8_t *to = ret->rgb;
	for (size_t y = 0; y < picture->height; y += 2) {
		for (size_t x = 0; x < picture->width; x += 2, to += BYTES_A_PIXEL)
			memcpy(to, picture->rgb + (y * picture->width + x) * BYTES_A_PIXEL, BYTES_A_PIXEL);
	}
	return true;
}

bool picture_to_png(const struct picture *picture, size_t max, struct bytes *ret, struct err **errp)
{
	if (!write_png(picture, ret, errp))
		return false;
	if (ret->len <= max)
		return true;
	struct picture half;
	bytes_release(ret);
	if (pixels(picture) == 1)
		return err_set(errp, ERR_FAILED, "a PNG does not fit into %zu bytes", max);
	if (!halve(picture, &half, errp))
		return false;
	bool ok = picture_to_png(&half, max, ret, errp);
	picture_release(&half);
	return ok;
}

/* ---- judging ---- */

static size_t detail(const struct picture *picture)
{
	size_t part = pixels(picture) / SMALL_PART;
	return part > CURSOR_PIXELS ? part : CURSOR_PIXELS;
}

bool picture_is_black(const struct picture *picture)
{
	size_t lit = 0, n = pixels(picture);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *pixel = picture->rgb + i * BYTES_A_PIXEL;
		lit += pixel[0] > DARK || pixel[1] > DARK || pixel[2] > DARK;
	}
	return lit <= CURSOR_PIXELS;
}

bool picture_is_same(const struct picture *a, const struct picture *b)
{
	size_t different = 0, n = pixels(a);
	if (a->width != b->width || a->height != b->height)
		return false;
	for (size_t i = 0; i < n; i++)
		different += memcmp(a->rgb + i * BYTES_A_PIXEL, b->rgb + i * BYTES_A_PIXEL, BYTES_A_PIXEL) != 0;
	return different <= detail(a);
}
