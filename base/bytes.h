/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes from and to the outside. `struct span` borrows bytes; `struct cursor` reads a span with every bound
 * checked; `struct bytes` owns a growing buffer with a maximum. All integers are little-endian unless named _be.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct span {
	const void *data;
	size_t len;
};

#define SPAN(pointer, length) ((struct span){(pointer), (length)})
#define SPAN_OF(array) ((struct span){(array), sizeof(array)})
#define SPAN_TEXT(literal) ((struct span){(literal), sizeof(literal) - 1})
#define SPAN_NONE ((struct span){NULL, 0})

/* Fixed-place access for layouts whose size was checked before. */
uint16_t bytes_load_le16(const uint8_t *p);
uint32_t bytes_load_le32(const uint8_t *p);
uint64_t bytes_load_le64(const uint8_t *p);
uint64_t bytes_load_be64(const uint8_t *p);
void bytes_store_le16(uint8_t *p, uint16_t value);
void bytes_store_le32(uint8_t *p, uint32_t value);
void bytes_store_le64(uint8_t *p, uint64_t value);
void bytes_store_be64(uint8_t *p, uint64_t value);

/* Compares in a time that does not depend on the contents. */
bool bytes_equal_secret(const void *a, const void *b, size_t len);
bool bytes_all_zero(const void *data, size_t len);

/* After the first read beyond the end every read fails, gives zero, and cursor_ok() is false. */
struct cursor {
	const uint8_t *at;
	size_t left;
	bool failed;
};

void cursor_init(struct cursor *cursor, struct span span);
uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
/* Copies len bytes, or zeros `to` when they are not there. */
void cursor_copy(struct cursor *cursor, void *to, size_t len);
/* Borrows len bytes; NULL and zero length when they are not there. */
struct span cursor_take(struct cursor *cursor, size_t len);
/* u16 length and that many bytes of UTF-8 without NUL, less than size; "" and a failure for any other. */
void cursor_text(struct cursor *cursor, char *to, size_t size);
bool cursor_ok(const struct cursor *cursor);
/* Everything was read, and nothing failed. */
bool cursor_done(const struct cursor *cursor);

/* Grows up to `max`; after a failed append every further one fails, and bytes_ok() is false. */
struct bytes {
	uint8_t *data;
	size_t len, capacity, max;
	bool failed;
};

void bytes_init(struct bytes *bytes, size_t max);
void bytes_release(struct bytes *bytes);
void bytes_clear(struct bytes *bytes);
bool bytes_ok(const struct bytes *bytes);
struct span bytes_span(const struct bytes *bytes);
void bytes_put(struct bytes *bytes, const void *data, size_t len);
/* Appends len zero bytes and returns where; NULL on failure. */
uint8_t *bytes_extend(struct bytes *bytes, size_t len);
void bytes_u8(struct bytes *bytes, uint8_t value);
void bytes_u16(struct bytes *bytes, uint16_t value);
void bytes_u32(struct bytes *bytes, uint32_t value);
void bytes_u64(struct bytes *bytes, uint64_t value);
/* u16 length and the bytes of a string; fails beyond 65,535. */
void bytes_text(struct bytes *bytes, const char *text);
