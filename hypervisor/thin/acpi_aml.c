/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/acpi_aml.h"

#include <assert.h>
#include <string.h>

/* Section 20.2 and 20.3. */
enum {
	NAME = 0x08,
	BYTE = 0x0a,
	WORD = 0x0b,
	DWORD = 0x0c,
	STRING = 0x0d,
	QWORD = 0x0e,
	SCOPE = 0x10,
	BUFFER = 0x11,
	PACKAGE = 0x12,
	EXTENDED = 0x5b,
	DEVICE = 0x82, /* behind EXTENDED */
};

/* Section 6.4. */
enum {
	LINE = 0x22,
	PORTS = 0x47,
	END_TAG = 0x79,
	WINDOW_32 = 0x87,
	WINDOW_16 = 0x88,
	WINDOW_MEMORY = 0,
	WINDOW_PORTS = 1,
	WINDOW_BUSES = 2,
	FIXED = 0x0c, /* both ends are, and the bridge passes it on */
	WRITABLE = 0x01,
	ALL_PORTS = 0x03,
	DECODE_16 = 0x01,
};

/* A length comes before what it counts, and counts itself: always in its three-byte form, to be filled in at the end.
 */
enum { LENGTH_SIZE = 3, LENGTH_MAX = (1 << 20) - 1 };

static size_t begin_length(struct bytes *aml)
{
	size_t begin = aml->len;
	(void)bytes_extend(aml, LENGTH_SIZE);
	return begin;
}

void aml_end(struct bytes *aml, size_t begin)
{
	if (!bytes_ok(aml))
		return;
	size_t length = aml->len - begin;
	assert(length >= LENGTH_SIZE && length <= LENGTH_MAX);
	aml->data[begin] = (uint8_t)((LENGTH_SIZE - 1) << 6 | (length & 0x0f));
	bytes_store_le16(aml->data + begin + 1, (uint16_t)(length >> 4));
}

size_t aml_scope(struct bytes *aml, const char *name)
{
	assert(strlen(name) == 4 || (name[0] == '\\' && strlen(name) == 5));
	bytes_u8(aml, SCOPE);
	size_t begin = begin_length(aml);
	bytes_put(aml, name, strlen(name));
	return begin;
}

size_t aml_device(struct bytes *aml, const char *name)
{
	assert(strlen(name) == 4);
	bytes_u8(aml, EXTENDED);
	bytes_u8(aml, DEVICE);
	size_t begin = begin_length(aml);
	bytes_put(aml, name, strlen(name));
	return begin;
}

void aml_name(struct bytes *aml, const char *name)
{
	assert(strlen(name) == 4);
	bytes_u8(aml, NAME);
	bytes_put(aml, name, strlen(name));
}

void aml_integer(struct bytes *aml, uint64_t value)
{
	if (value <= 1) { /* 0 and 1 are operations of their own */
		bytes_u8(aml, (uint8_t)value);
	} else if (value <= UINT8_MAX) {
		bytes_u8(aml, BYTE);
		bytes_u8(aml, (uint8_t)value);
	} else if (value <= UINT16_MAX) {
		bytes_u8(aml, WORD);
		bytes_u16(aml, (uint16_t)value);
	} else if (value <= UINT32_MAX) {
		bytes_u8(aml, DWORD);
		bytes_u32(aml, (uint32_t)value);
	} else {
		bytes_u8(aml, QWORD);
		bytes_u64(aml, value);
	}
}

void aml_string(struct bytes *aml, const char *text)
{
	bytes_u8(aml, STRING);
	bytes_put(aml, text, strlen(text) + 1);
}

static unsigned hex_digit(char digit)
{
	assert((digit >= '0' && digit <= '9') || (digit >= 'A' && digit <= 'F'));
	return digit <= '9' ? (unsigned)(digit - '0') : (unsigned)(digit - 'A' + 10);
}

/* Three letters of five bits and four digits, the most significant first in memory (section 19.6.36). */
void aml_eisa_id(struct bytes *aml, const char *id)
{
	assert(strlen(id) == 7);
	unsigned value = 0;
	for (unsigned i = 0; i < 3; i++)
		value = value << 5 | (id[i] & 0x1fU);
	for (unsigned i = 3; i < 7; i++)
		value = value << 4 | hex_digit(id[i]);
	aml_integer(aml, __builtin_bswap32(value));
}

void aml_integers(struct bytes *aml, const uint64_t *values, uint8_t n)
{
	bytes_u8(aml, PACKAGE);
	size_t begin = begin_length(aml);
	bytes_u8(aml, n);
	for (unsigned i = 0; i < n; i++)
		aml_integer(aml, values[i]);
	aml_end(aml, begin);
}

/* ---- Resources ---- */

/* A template is a buffer: its length in bytes stands in it as a word. */
struct aml_resources aml_resources(struct bytes *aml)
{
	bytes_u8(aml, BUFFER);
	struct aml_resources resources = {.begin = begin_length(aml)};
	bytes_u8(aml, WORD);
	resources.size_at = aml->len;
	bytes_u16(aml, 0);
	return resources;
}

void aml_resources_end(struct bytes *aml, struct aml_resources resources)
{
	bytes_u8(aml, END_TAG);
	bytes_u8(aml, 0); /* the checksum that always counts as right */
	aml_end(aml, resources.begin);
	if (bytes_ok(aml))
		bytes_store_le16(aml->data + resources.size_at, (uint16_t)(aml->len - resources.size_at - 2));
}

void aml_ports(struct bytes *aml, uint16_t base, uint8_t size)
{
	bytes_u8(aml, PORTS);
	bytes_u8(aml, DECODE_16);
	bytes_u16(aml, base);
	bytes_u16(aml, base);
	bytes_u8(aml, 1);
	bytes_u8(aml, size);
}

void aml_line(struct bytes *aml, unsigned line)
{
	assert(line < 16);
	bytes_u8(aml, LINE);
	bytes_u16(aml, (uint16_t)(1U << line));
}

static void window_16(struct bytes *aml, uint8_t kind, uint8_t flags, uint16_t first, uint16_t last)
{
	bytes_u8(aml, WINDOW_16);
	bytes_u16(aml, 13);
	bytes_u8(aml, kind);
	bytes_u8(aml, FIXED);
	bytes_u8(aml, flags);
	bytes_u16(aml, 0); /* any granularity */
	bytes_u16(aml, first);
	bytes_u16(aml, last);
	bytes_u16(aml, 0); /* not translated */
	bytes_u16(aml, (uint16_t)(last - first + 1));
}

void aml_window_buses(struct bytes *aml, uint16_t first, uint16_t last)
{
	window_16(aml, WINDOW_BUSES, 0, first, last);
}

void aml_window_ports(struct bytes *aml, uint16_t first, uint16_t last)
{
	window_16(aml, WINDOW_PORTS, ALL_PORTS, first, last);
}

void aml_window_memory(struct bytes *aml, uint32_t first, uint32_t last)
{
	bytes_u8(aml, WINDOW_32);
	bytes_u16(aml, 23);
	bytes_u8(aml, WINDOW_MEMORY);
	bytes_u8(aml, FIXED);
	bytes_u8(aml, WRITABLE);
	bytes_u32(aml, 0);
	bytes_u32(aml, first);
	bytes_u32(aml, last);
	bytes_u32(aml, 0);
	bytes_u32(aml, last - first + 1);
}
