/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum { FIRST_CAPACITY = 256 };

void bytes_init(struct bytes *bytes, size_t max)
{
	*bytes = (struct bytes){.max = max};
}

void bytes_release(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){.max = bytes->max};
}

void bytes_clear(struct bytes *bytes)
{
	bytes->len = 0;
	bytes->failed = false;
}

bool bytes_ok(const struct bytes *bytes)
{
	return !bytes->failed;
}

struct span bytes_span(const struct bytes *bytes)
{
	return SPAN(bytes->data, bytes->len);
}

/* At least `needed` and at most max, doubling so that appending stays linear. */
static size_t next_capacity(const struct bytes *bytes, size_t needed)
{
	size_t doubled;
	if (__builtin_mul_overflow(bytes->capacity, 2, &doubled) || doubled > bytes->max)
		return bytes->max;
	size_t capacity = doubled > FIRST_CAPACITY ? doubled : FIRST_CAPACITY;
	if (capacity < needed)
		capacity = needed;
	return capacity < bytes->max ? capacity : bytes->max;
}

static bool reserve(struct bytes *bytes, size_t more)
{
	size_t needed;
	if (bytes->failed || __builtin_add_overflow(bytes->len, more, &needed) || needed > bytes->max)
		return false;
	if (needed <= bytes->capacity && bytes->data)
		return true;
	size_t capacity = next_capacity(bytes, needed);
	uint8_t *data = realloc(bytes->data, capacity > 0 ? capacity : 1);
	if (!data)
		return false;
	bytes->data = data;
	bytes->capacity = capacity;
	return true;
}

/* Room for len bytes, not yet filled. */
static uint8_t *append(struct bytes *bytes, size_t len)
{
	if (!reserve(bytes, len)) {
		bytes->failed = true;
		return NULL;
	}
	uint8_t *at = bytes->data + bytes->len;
	bytes->len += len;
	return at;
}

void bytes_put(struct bytes *bytes, const void *data, size_t len)
{
	uint8_t *at = append(bytes, len);
	if (at && len > 0)
		memcpy(at, data, len);
}

uint8_t *bytes_extend(struct bytes *bytes, size_t len)
{
	uint8_t *at = append(bytes, len);
	return at ? memset(at, 0, len) : NULL;
}

void bytes_u8(struct bytes *bytes, uint8_t value)
{
	bytes_put(bytes, &value, 1);
}

void bytes_u16(struct bytes *bytes, uint16_t value)
{
	uint8_t *at = append(bytes, sizeof(value));
	if (at)
		bytes_store_le16(at, value);
}

void bytes_u32(struct bytes *bytes, uint32_t value)
{
	uint8_t *at = append(bytes, sizeof(value));
	if (at)
		bytes_store_le32(at, value);
}

void bytes_u64(struct bytes *bytes, uint64_t value)
{
	uint8_t *at = append(bytes, sizeof(value));
	if (at)
		bytes_store_le64(at, value);
}

void bytes_text(struct bytes *bytes, const char *text)
{
	size_t len = strlen(text);
	if (len > UINT16_MAX) {
		bytes->failed = true;
		return;
	}
	bytes_u16(bytes, (uint16_t)len);
	bytes_put(bytes, text, len);
}
