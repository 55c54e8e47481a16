/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/storage/store.h"

#include <string.h>

#include "base/err.h"
#include "tests/folder.h"
#include "tests/unit.h"

static void open_repository(struct store *store)
{
	AUTO(err_freep) struct err *err = NULL;
	struct repository_init init = {.url = "repository", .passphrase = SPAN_TEXT("wind"), .owner_name = "owner"};
	if (!repository_init(&init, &err))
		fail_msg("%s", err_message(err));
	struct repository_options options = {
		.url = "repository", .key = {.passphrase = SPAN_TEXT("wind")}, .state_dir = "state"};
	store->repository = repository_open(&options, &err);
	if (!store->repository)
		fail_msg("%s", err_message(err));
}

int store_setup(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct store *store = calloc(1, sizeof(*store));
	assert_non_null(store);
	if (folder_enter(&store->folder) != 0)
		return -1;
	open_repository(store);
	store->packs = pack_reader_new(store->repository, 1 << 20, &err);
	assert_non_null(store->packs);
	store->keys = repository_metadata(store->repository);
	memcpy(store->session.writer, repository_identity(store->repository)->id8, WRITER_SIZE);
	store->session.number = 1;
	*state = store;
	return 0;
}

int store_teardown(void **state)
{
	struct store *store = *state;
	pack_writer_free(store->chunks);
	pack_writer_free(store->nodes);
	pack_reader_free(store->packs);
	repository_free(store->repository);
	int failure = folder_leave(&store->folder);
	free(store);
	return failure;
}

static void flush_one(struct store *store, enum pack_class cls, struct pack_writer **pack)
{
	if (!*pack)
		return;
	AUTO(err_freep) struct err *err = NULL;
	char name[OBJECT_NAME_SIZE];
	struct span bytes;
	uint8_t hash[HASH_SIZE];
	assert_true(pack_writer_finish(*pack, &bytes, hash, &err));
	object_name_pack(cls, &store->session, pack_writer_seq(*pack), name);
	assert_true(backend_put_once(repository_backend(store->repository), name, bytes, &err));
	pack_writer_free(*pack);
	*pack = NULL;
}

static void place(struct store *store, struct pack_writer **pack, enum pack_class cls, const struct chunk_id *id,
		  struct span plain, struct locator *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) uint8_t *frame = malloc(plain.len);
	enum chunk_codec codec;
	size_t len;
	assert_true(chunk_compress(plain, frame, &codec, &len, &err));
	if (*pack && !pack_writer_fits(*pack, len))
		flush_one(store, cls, pack);
	if (!*pack)
		*pack = pack_writer_new(store->repository, cls, &store->session, ++store->seq, &err);
	assert_non_null(*pack);
	struct pack_place at = pack_writer_reserve(*pack, id, (uint32_t)plain.len, codec, len);
	assert_true(pack_writer_seal(*pack, at, SPAN(codec == CODEC_ZSTD ? frame : plain.data, len), &err));
	*ret = (struct locator){.session = store->session, .seq = pack_writer_seq(*pack), .entry = at.entry};
}

void store_chunk(struct store *store, struct span plain, struct tree_ref *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	*ret = (struct tree_ref){0};
	if (bytes_all_zero(plain.data, plain.len))
		return;
	assert_true(chunk_identify(store->keys, plain, &ret->id, &err));
	place(store, &store->chunks, PACK_CHUNKS, &ret->id, plain, &ret->at);
}

bool store_node(void *arg, uint8_t level, const struct chunk_id *id, struct span plain, struct locator *ret,
		struct err **errp)
{
	(void)level;
	(void)errp;
	struct store *store = arg;
	place(store, &store->nodes, PACK_META, id, plain, ret);
	store->n_nodes++;
	return true;
}

void store_flush(struct store *store)
{
	flush_one(store, PACK_CHUNKS, &store->chunks);
	flush_one(store, PACK_META, &store->nodes);
}

void store_stream(struct store *store, const void *plain, uint64_t size, uint8_t exponent, struct stream *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	*ret = (struct stream){
		.number = 1, .kind = STREAM_DISK, .name = "vda", .shape = {.size = size, .exponent = exponent}};
	AUTO(tree_writer_freep)
	struct tree_writer *tree = tree_writer_new(store->keys, &ret->shape, NULL, NULL, NULL, store_node, store, &err);
	assert_non_null(tree);
	for (uint64_t i = 0; i < stream_chunks(&ret->shape); i++) {
		struct tree_ref ref;
		const uint8_t *chunk = (const uint8_t *)plain + (i << exponent);
		store_chunk(store, SPAN(chunk, stream_chunk_len(&ret->shape, i)), &ref);
		assert_true(tree_writer_put(tree, i, &ref, &err));
	}
	assert_true(tree_writer_finish(tree, &ret->top, &err));
	assert_true(stream_root(store->keys, &ret->shape, &ret->top.id, &ret->root, &err));
	store_flush(store);
}
