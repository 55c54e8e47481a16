/* SPDX-License-Identifier: Apache-2.0 */
/* A small stream at once, straight into its buffer. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/stream_read.h"

enum { REFS = 64 };

struct read_all {
	struct pack_reader *packs;
	const struct tree_reader *tree;
	const struct stream_shape *shape;
	uint8_t *data;
	struct chunk_ref refs[REFS]; /* not read yet */
	size_t n;
};

static bool read_pending(struct read_all *all, struct err **errp)
{
	size_t n = all->n;
	all->n = 0;
	return pack_reader_chunks(all->packs, all->refs, n, errp);
}

static bool add_chunk(void *arg, uint64_t index, const struct tree_ref *chunk, struct err **errp)
{
	struct read_all *all = arg;
	all->refs[all->n++] = (struct chunk_ref){
		.id = chunk->id,
		.at = chunk->at,
		.plain_len = stream_chunk_len(all->shape, index),
		.plain = all->data + (index << all->shape->exponent),
		.place = tree_reader_place(all->tree, index),
	};
	return all->n < REFS || read_pending(all, errp);
}

bool stream_read_all(struct pack_reader *packs, const struct stream *stream, size_t max, struct bytes *ret,
		     struct err **errp)
{
	if (stream->shape.size > max)
		return err_set(errp, ERR_CORRUPT,
			       "stream '%s' has %" PRIu64 " bytes, more than the %zu that it may have", stream->name,
			       stream->shape.size, max);
	size_t size = (size_t)stream->shape.size;
	AUTO(tree_reader_freep) struct tree_reader *tree = stream_tree_new(packs, stream, errp);
	if (!tree)
		return false;
	AUTO(bytes_release) struct bytes out;
	bytes_init(&out, size);
	struct read_all all = {.packs = packs, .tree = tree, .shape = &stream->shape, .data = bytes_extend(&out, size)};
	if (!bytes_ok(&out))
		return err_set_no_memory(errp);
	if (!tree_each(tree, 0, stream_chunks(&stream->shape), add_chunk, &all, errp) || !read_pending(&all, errp))
		return err_prefix(errp, "stream '%s'", stream->name);
	*ret = out;
	out = (struct bytes){0};
	return true;
}
