/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/change_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define WORD_BITS 64u

static size_t words(const struct change_map *map)
{
	return (size_t)(map->chunks / WORD_BITS) + 1;
}

bool change_map_init(struct change_map *map, const struct stream_shape *shape, struct err **errp)
{
	*map = (struct change_map){.chunks = stream_chunks(shape), .shape = *shape};
	map->changed = calloc(words(map), sizeof(uint64_t));
	map->data = calloc(words(map), sizeof(uint64_t));
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

bool change_map_copy(const struct change_map *from, struct change_map *ret, struct err **errp)
{
	if (!change_map_init(ret, &from->shape, errp))
		return false;
	memcpy(ret->changed, from->changed, words(from) * sizeof(uint64_t));
	memcpy(ret->data, from->data, words(from) * sizeof(uint64_t));
	return true;
}

bool change_map_keeps(const struct change_map *map, uint64_t chunk)
{
	return chunk < map->chunks && !(map->changed[chunk / WORD_BITS] >> (chunk % WORD_BITS) & 1);
}

/* The chunks of a word that are kept. */
static uint64_t kept_word(const struct change_map *map, bool data, uint64_t word)
{
	uint64_t kept = ~map->changed[word] & (data ? map->data[word] : ~map->data[word]);
	uint64_t left = map->chunks - word * WORD_BITS;

	return left < WORD_BITS ? kept & ((UINT64_C(1) << left) - 1) : kept;
}

uint64_t change_map_count_kept(const struct change_map *map, bool data)
{
	uint64_t kept = 0;

	for (uint64_t word = 0; word < words(map); word++)
		kept += (unsigned)__builtin_popcountll(kept_word(map, data, word));
	return kept;
}

static unsigned nth_bit(uint64_t bits, uint64_t n)
{
	for (; n > 0; n--)
		bits &= bits - 1;
	return (unsigned)__builtin_ctzll(bits);
}

void change_map_find_kept(const struct change_map *map, bool data, const uint64_t *ranks, size_t n,
			  uint64_t *ret_chunks)
{
	uint64_t before = 0;
	size_t i = 0;

	for (uint64_t word = 0; i < n && word < words(map); word++) {
		uint64_t bits = kept_word(map, data, word);
		unsigned count = (unsigned)__builtin_popcountll(bits);

		for (; i < n && ranks[i] - before < count; i++)
			ret_chunks[i] = word * WORD_BITS + nth_bit(bits, ranks[i] - before);
		before += count;
	}
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

	for (uint64_t word = 0; word < words(map); word++)
		chunks += (unsigned)__builtin_popcountll(kind_word(map, CHANGE_READ, word));
	uint64_t bytes = chunks << map->shape.exponent;

	return bytes < map->shape.size ? bytes : map->shape.size;
}
