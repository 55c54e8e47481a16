/* SPDX-License-Identifier: Apache-2.0 */
/* Which chunks are read again, and their reading: all requests in flight together, so that they cost one round. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "agent/self_check.h"
#include "base/err.h"

#define SAMPLE_MAX (SELF_CHECK_DATA + SELF_CHECK_ZEROS)

struct sample {
	uint64_t chunks[SAMPLE_MAX];
	size_t n;
	struct read_request requests[SAMPLE_MAX];
	uint8_t *plain;
};

static bool is_in(const uint64_t *numbers, size_t n, uint64_t number)
{
	for (size_t i = 0; i < n; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* n different numbers below `below`, each set as likely as any other (Floyd), ascending. */
static bool draw(uint64_t below, size_t n, uint64_t *ret, struct err **errp)
{
	uint64_t dice[SAMPLE_MAX];
	_Static_assert(sizeof(dice) <= 256, "so much comes in one piece, see getrandom(2)");

	if (getrandom(dice, sizeof(dice), 0) != (ssize_t)sizeof(dice))
		return err_set_errno(errp, errno, "ask for random bytes");
	for (size_t i = 0; i < n; i++) {
		uint64_t last = below - n + i;
		uint64_t number = dice[i] % (last + 1);

		ret[i] = is_in(ret, i, number) ? last : number;
	}
	qsort(ret, n, sizeof(*ret), compare_numbers);
	return true;
}

/* Adds up to `most` chunks that the map keeps, of one kind. */
static bool choose(struct sample *sample, const struct change_map *map, bool data, size_t most, struct err **errp)
{
	uint64_t ranks[SAMPLE_MAX];
	uint64_t kept = change_map_count_kept(map, data);
	size_t n = kept < most ? (size_t)kept : most;

	if (!draw(kept, n, ranks, errp))
		return false;
	change_map_find_kept(map, data, ranks, n, sample->chunks + sample->n);
	sample->n += n;
	return true;
}

static uint64_t make_requests(struct sample *sample, const struct stream_shape *shape)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < sample->n; i++) {
		sample->requests[i] = (struct read_request){
			.offset = sample->chunks[i] << shape->exponent,
			.length = stream_chunk_len(shape, sample->chunks[i]),
			.data = sample->plain + (i << shape->exponent),
		};
		bytes += sample->requests[i].length;
	}
	return bytes;
}

static bool read_all(const struct self_check_source *source, struct sample *sample, struct err **errp)
{
	const struct engine_ops *ops = source->engine->ops;
	struct cut_reader *reader = ops->reader_new(source->cut, source->disk, errp);

	if (!reader)
		return false;
	bool ok = ops->read(reader, sample->requests, sample->n, errp);

	ops->reader_free(reader);
	return ok;
}

static bool compare(struct self_check *check, const struct metadata_keys *keys, const struct sample *sample,
		    struct err **errp)
{
	for (size_t i = 0; i < sample->n; i++) {
		struct span plain = SPAN(sample->requests[i].data, sample->requests[i].length);
		struct chunk_id id = {0};

		if (!bytes_all_zero(plain.data, plain.len) && !chunk_identify(keys, plain, &id, errp))
			return false;
		if (!self_check_chunk(check, sample->chunks[i], &id, errp))
			return false;
	}
	return true;
}

bool self_check_sample(struct self_check *check, const struct self_check_source *source, uint64_t *ret_bytes,
		       struct err **errp)
{
	struct sample sample = {0};

	if (!choose(&sample, check->map, true, SELF_CHECK_DATA, errp) ||
	    !choose(&sample, check->map, false, SELF_CHECK_ZEROS, errp))
		return false;
	*ret_bytes = 0;
	if (sample.n == 0)
		return true;
	AUTO(freep) uint8_t *plain = malloc(sample.n << check->map->shape.exponent);
	if (!plain)
		return err_set_no_memory(errp);
	sample.plain = plain;
	*ret_bytes = make_requests(&sample, &check->map->shape);
	return read_all(source, &sample, errp) && compare(check, source->keys, &sample, errp);
}
