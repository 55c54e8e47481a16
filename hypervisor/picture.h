/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of screens. What a machine shows is foreign, and so is the file that its emulator wrote of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"

struct err;

#define PICTURE_SIDE_MAX 8192u
#define PICTURE_PIXELS_MAX (1u << 25)

struct picture {
	uint32_t width, height;
	uint8_t *rgb; /* 3 bytes a pixel, rows from the top */
};

/* A PNG, or a PPM as QEMU writes it. ERR_CORRUPT. */
NODISCARD bool picture_decode(struct span file, struct picture *ret, struct err **errp);
void picture_release(struct picture *picture);
/* Of at most max bytes, for which it may become smaller. ret is new. */
NODISCARD bool picture_to_png(const struct picture *picture, size_t max, struct bytes *ret, struct err **errp);
/* Nothing but perhaps a cursor. */
bool picture_is_black(const struct picture *picture);
/* Alike but for a cursor that blinks or a clock that goes on. */
bool picture_is_same(const struct picture *a, const struct picture *b);
