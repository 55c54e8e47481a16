/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/change_map.h"

#include <stdlib.h>

#include "base/err.h"

#define WORD_BITS 64u

bool change_map_init(struct change_map *map, const struct stream_shape *shape, struct err **errp)
{
	uint64_t chunks = stream_chunks(shape);
	size_t words = (size_t)(chunks / WORD_BITS) + 1;

	*map = (struct change_map){.chunks = chunks, .shape = *shape};
	map->changed = calloc(words, sizeof(uint64_t));
	map->data = calloc(words, sizeof(uint64_t));
	if (map->changed && map->data)
		return true;
	change_map_release(map);
	return err_set_no_memory(errp);
}

void change_map_release(struct change_map *map)
{
	free(map->changed);
	free(map->data);
	*map = (struct change_map){0};
}

/* Bits [first, end) of a word, 0 <= first < end <= 64. */
static uint64_t word_mask(unsigned first, unsigned end)
{
	uint64_t below_end = end == WORD_BITS ? UINT64_MAX : (UINT64_C(1) << end) - 1;

	return below_end & ~((UINT64_C(1) << first) - 1);
}

static void set_bits(uint64_t *bits, uint64_t first, uint64_t end)
{
	while (first < end) {
		unsigned from = (unsigned)(first % WORD_BITS);
		uint64_t left = end - first;
		unsigned to = left < WORD_BITS - from ? from + (unsigned)left : WORD_BITS;

		bits[first / WORD_BITS] |= word_mask(from, to);
		first += to - from;
	}
}

void change_map_add(struct change_map *map, const struct extent *extent)
{
	uint64_t size = map->shape.size;
	unsigned exponent = map->shape.exponent;

	if (extent->length == 0 || extent->offset >= size)
		return;
	uint64_t length = extent->length < size - extent->offset ? extent->length : size - extent->offset;
	uint64_t first = extent->offset >> exponent;
	uint64_t end = ((extent->offset + length - 1) >> exponent) + 1;

	if (extent->changed)
		set_bits(map->changed, first, end);
	if (!extent->zero)
		set_bits(map->data, first, end);
}

void change_map_mark(struct change_map *map, uint64_t first, uint64_t end)
{
	set_bits(map->changed, first, end < map->chunks ? end : map->chunks);
}

/* The chunks of a word that are of this kind. */
static uint64_t kind_word(const struct change_map *map, enum change_kind kind, uint64_t word)
{
	uint64_t data = map->data[word];

	return map->changed[word] & (kind == CHANGE_READ ? data : ~data);
}

/* The first chunk at or behind `from` that is not of this kind. */
static uint64_t run_end(const struct change_map *map, enum change_kind kind, uint64_t from)
{
	while (from < map->chunks) {
		unsigned bit = (unsigned)(from % WORD_BITS);
		uint64_t others = ~kind_word(map, kind, from / WORD_BITS) >> bit;

		if (others != 0) {
			from += (unsigned)__builtin_ctzll(others);
			break;
		}
		from += WORD_BITS - bit;
	}
	return from < map->chunks ? from : map->chunks;
}

bool change_map_next(const struct change_map *map, uint64_t from, struct change_run *ret)
{
	while (from < map->chunks) {
		unsigned bit = (unsigned)(from % WORD_BITS);
		uint64_t changed = map->changed[from / WORD_BITS] >> bit;

		if (changed != 0) {
			from += (unsigned)__builtin_ctzll(changed);
			break;
		}
		from += WORD_BITS - bit;
	}
	if (from >= map->chunks)
		return false;
	bool data = map->data[from / WORD_BITS] >> (from % WORD_BITS) & 1;
	enum change_kind kind = data ? CHANGE_READ : CHANGE_PUNCH;

	*ret = (struct change_run){kind, from, run_end(map, kind, from)};
	return true;
}

uint64_t change_map_read_bytes(const struct change_map *map)
{
	uint64_t chunks = 0;

	for (uint64_t word = 0; word <= map->chunks / WORD_BITS; word++)
		chunks += (unsigned)__builtin_popcountll(kind_word(map, CHANGE_READ, word));
	uint64_t bytes = chunks << map->shape.exponent;

	return bytes < map->shape.size ? bytes : map->shape.size;
}
