/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees against a plain array: whatever the history, the tree must be the one that is built from scratch, and say what
 * the array says.
 */
#include "storage/tree_write.h"

#include <string.h>

#include "base/err.h"
#include "tests/storage/store.h"
#include "tests/unit.h"

#define EXPONENT 12
#define FAN UINT64_C(128)

/* A made-up chunk a tag; the tag of a hole is 0. */
static void make_ref(uint32_t tag, struct tree_ref *ret)
{
	*ret = (struct tree_ref){0};
	if (tag == 0)
		return;
	for (size_t i = 0; i < ID_SIZE; i += sizeof(tag))
		memcpy(ret->id.b + i, &tag, sizeof(tag));
	ret->at = (struct locator){.session = {.number = 7}, .seq = 1000 + tag % 5, .entry = (uint16_t)(tag % 60000)};
}

struct model {
	struct store *store;
	struct stream_shape shape;
	struct tree_ref top;
	uint32_t *tags;
	uint64_t n;
	uint32_t random;
	const bool *condemned; /* by seq */
};

static uint32_t draw(struct model *model, uint32_t below)
{
	model->random = model->random * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)model->random * below) >> 32);
}

static void resize(struct model *model, uint64_t n)
{
	uint32_t *tags = calloc(n + 1, sizeof(tags[0]));
	assert_non_null(tags);
	for (uint64_t i = 0; i < n && i < model->n; i++)
		tags[i] = model->tags[i];
	free(model->tags);
	model->tags = tags;
	model->n = n;
	model->shape = (struct stream_shape){.size = n << EXPONENT, .exponent = EXPONENT};
}

static bool discard_node(void *arg, uint8_t level, const struct chunk_id *id, struct span plain, struct locator *ret,
			 struct err **errp)
{
	(void)arg, (void)level, (void)id, (void)plain, (void)errp;
	*ret = (struct locator){.session = {.number = 1}, .seq = 1};
	return true;
}

static void top_from_scratch(const struct model *model, struct tree_ref *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(tree_writer_freep)
	struct tree_writer *tree =
		tree_writer_new(model->store->keys, &model->shape, NULL, NULL, NULL, discard_node, NULL, &err);
	assert_non_null(tree);
	for (uint64_t i = 0; i < model->n; i++) {
		struct tree_ref ref;
		make_ref(model->tags[i], &ref);
		if (model->tags[i] != 0)
			assert_true(tree_writer_put(tree, i, &ref, &err));
	}
	assert_true(tree_writer_finish(tree, ret, &err));
}

struct seen {
	const struct model *model;
	uint64_t next;
};

/* Every chunk that the array has comes, in order, and no other. */
static bool expect_chunk(void *arg, uint64_t index, const struct tree_ref *chunk, struct err **errp)
{
	(void)errp;
	struct seen *seen = arg;
	while (seen->next < index)
		assert_int_equal(seen->model->tags[seen->next++], 0);
	struct tree_ref wanted;
	make_ref(seen->model->tags[seen->next++], &wanted);
	assert_memory_equal(wanted.id.b, chunk->id.b, ID_SIZE);
	if (!seen->model->condemned)
		assert_int_equal(wanted.at.entry, chunk->at.entry);
	return true;
}

static void check(const struct model *model)
{
	AUTO(err_freep) struct err *err = NULL;
	struct tree_ref scratch;
	top_from_scratch(model, &scratch);
	assert_memory_equal(scratch.id.b, model->top.id.b, ID_SIZE);
	AUTO(tree_reader_freep)
	struct tree_reader *reader = tree_reader_new(model->store->packs, &model->shape, &model->top, &err);
	assert_non_null(reader);
	struct seen seen = {.model = model};
	if (!tree_each(reader, 0, model->n, expect_chunk, &seen, &err))
		fail_msg("%s", err_message(err));
	while (seen.next < model->n)
		assert_int_equal(model->tags[seen.next++], 0);
}

static void put(struct model *model, struct tree_writer *tree, uint64_t index, uint32_t tag)
{
	AUTO(err_freep) struct err *err = NULL;
	struct tree_ref ref;
	make_ref(tag, &ref);
	model->tags[index] = tag;
	if (!tree_writer_put(tree, index, &ref, &err))
		fail_msg("%s", err_message(err));
}

static void punch(struct model *model, struct tree_writer *tree, uint64_t first, uint64_t end)
{
	AUTO(err_freep) struct err *err = NULL;
	memset(model->tags + first, 0, (end - first) * sizeof(model->tags[0]));
	if (!tree_writer_punch(tree, first, end, &err))
		fail_msg("%s", err_message(err));
}

/* Puts, punches and leaves alone, from left to right. */
static void change(struct model *model, struct tree_writer *tree)
{
	for (uint64_t at = 0; at < model->n;) {
		uint64_t left = model->n - at;
		uint64_t run = 1 + draw(model, (uint32_t)(draw(model, 4) == 0 ? left : left < 40 ? left : 40));
		uint32_t what = draw(model, 8);
		if (what == 0)
			punch(model, tree, at, at + run);
		for (uint64_t i = 0; i < run && i < 300 && what < 4 && what > 0; i++)
			put(model, tree, at + i, draw(model, 5) == 0 ? 0 : 1 + draw(model, 1u << 30));
		at += run;
	}
}

/* A new version of the tree with n chunks. */
static void next_version(struct model *model, uint64_t n)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(tree_reader_freep)
	struct tree_reader *parent = tree_reader_new(model->store->packs, &model->shape, &model->top, &err);
	assert_non_null(parent);
	resize(model, n);
	AUTO(tree_writer_freep)
	struct tree_writer *tree =
		tree_writer_new(model->store->keys, &model->shape, parent, NULL, NULL, store_node, model->store, &err);
	assert_non_null(tree);
	change(model, tree);
	if (!tree_writer_finish(tree, &model->top, &err))
		fail_msg("%s", err_message(err));
	store_flush(model->store);
	check(model);
}

static const uint64_t sizes[] = {
	0, 1, 2, FAN - 1, FAN, FAN + 1, 3 * FAN + 5, FAN *FAN - 1, FAN *FAN, FAN *FAN + 1, 2 * FAN *FAN + 77};

static struct model new_model(void **state, uint32_t seed)
{
	struct model model = {.store = *state, .random = seed};
	resize(&model, 0);
	return model;
}

static void any_history_gives_the_tree_from_scratch(void **state)
{
	for (uint32_t seed = 1; seed <= 6; seed++) {
		struct model model = new_model(state, seed);
		for (int round = 0; round < 25; round++)
			next_version(&model, sizes[draw(&model, ARRAY_LENGTH(sizes))]);
		free(model.tags);
	}
}

static void three_levels_grow_and_shrink(void **state)
{
	static const uint64_t large[] = {
		FAN * FAN, FAN * FAN * FAN + 1, FAN * FAN * FAN, FAN * FAN * FAN - 1, FAN + 1, FAN * FAN * FAN + 1, 1};
	struct model model = new_model(state, 99);
	for (size_t i = 0; i < ARRAY_LENGTH(large); i++)
		next_version(&model, large[i]);
	free(model.tags);
}

static struct tree_writer *new_writer(struct store *store, const struct stream_shape *shape, struct tree_reader *parent)
{
	AUTO(err_freep) struct err *err = NULL;
	struct tree_writer *tree = tree_writer_new(store->keys, shape, parent, NULL, NULL, store_node, store, &err);
	assert_non_null(tree);
	return tree;
}

/* 2 TiB with a chunk at each end; then a punch of nearly all of it. */
static void a_huge_sparse_stream_costs_its_data(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct store *store = *state;
	const struct stream_shape shape = {.size = UINT64_C(2) << 40, .exponent = 16};
	uint64_t last = stream_chunks(&shape) - 1;
	size_t before = store->n_nodes;
	struct tree_ref a, b, top, found;
	make_ref(1, &a);
	make_ref(2, &b);
	AUTO(tree_writer_freep) struct tree_writer *tree = new_writer(store, &shape, NULL);
	assert_true(tree_writer_put(tree, 0, &a, &err) && tree_writer_put(tree, last, &b, &err) &&
		    tree_writer_finish(tree, &top, &err));
	store_flush(store);
	assert_int_equal(store->n_nodes - before, 2 * stream_depth(&shape) - 1);

	AUTO(tree_reader_freep) struct tree_reader *parent = tree_reader_new(store->packs, &shape, &top, &err);
	assert_non_null(parent);
	AUTO(tree_writer_freep) struct tree_writer *second = new_writer(store, &shape, parent);
	before = store->n_nodes;
	assert_true(tree_writer_punch(second, 1, last + 1, &err) && tree_writer_finish(second, &top, &err));
	store_flush(store);
	assert_in_range(store->n_nodes - before, 1, stream_depth(&shape));
	AUTO(tree_reader_freep) struct tree_reader *reader = tree_reader_new(store->packs, &shape, &top, &err);
	assert_non_null(reader);
	assert_true(tree_find(reader, last, &found, &err) && chunk_id_is_zero(&found.id));
	assert_true(tree_find(reader, 0, &found, &err) && chunk_id_equal(&found.id, &a.id));
}

static void an_unchanged_tree_stores_nothing(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct store *store = *state;
	struct model model = new_model(state, 5);
	next_version(&model, FAN * FAN + 1);
	AUTO(tree_reader_freep)
	struct tree_reader *parent = tree_reader_new(store->packs, &model.shape, &model.top, &err);
	assert_non_null(parent);
	size_t before = store->n_nodes;
	struct tree_ref top;
	AUTO(tree_writer_freep) struct tree_writer *tree = new_writer(store, &model.shape, parent);
	for (uint64_t i = 0; i < model.n; i++)
		put(&model, tree, i, model.tags[i]);
	assert_true(tree_writer_finish(tree, &top, &err));
	assert_int_equal(store->n_nodes, before);
	assert_memory_equal(&top, &model.top, sizeof(top));
	free(model.tags);
}

/* The made-up chunks and the real nodes lie in packs of different numbers. */
static bool is_condemned(void *arg, enum pack_class cls, const struct session_id *session, uint32_t seq)
{
	(void)cls, (void)session;
	const struct model *model = arg;
	return model->condemned[seq];
}

struct renewal {
	struct model *model;
	struct tree_writer *tree;
	uint64_t chunks;
};

/* Stores a condemned range again: the same chunks, in a pack that is not condemned. */
static bool renew(void *arg, uint64_t first, uint64_t end, struct err **errp)
{
	struct renewal *renewal = arg;
	for (uint64_t i = first; i < end; i++) {
		struct tree_ref ref;
		make_ref(renewal->model->tags[i], &ref);
		if (renewal->model->tags[i] != 0)
			ref.at.seq = 2000;
		if (!tree_writer_put(renewal->tree, i, &ref, errp))
			return false;
	}
	renewal->chunks += end - first;
	return true;
}

static bool refuse_range(void *arg, uint64_t first, uint64_t end, struct err **errp)
{
	(void)arg;
	return err_set(errp, ERR_FAILED, "%llu to %llu is still condemned", (unsigned long long)first,
		       (unsigned long long)end);
}

static void renew_condemned(struct model *model)
{
	AUTO(err_freep) struct err *err = NULL;
	struct store *store = model->store;
	AUTO(tree_reader_freep)
	struct tree_reader *parent = tree_reader_new(store->packs, &model->shape, &model->top, &err);
	assert_non_null(parent);
	AUTO(tree_writer_freep)
	struct tree_writer *tree =
		tree_writer_new(store->keys, &model->shape, parent, is_condemned, model, store_node, store, &err);
	assert_non_null(tree);
	struct renewal renewal = {.model = model, .tree = tree};
	if (!tree_condemned(parent, is_condemned, model, renew, &renewal, &err) ||
	    !tree_writer_finish(tree, &model->top, &err))
		fail_msg("%s", err_message(err));
	store_flush(store);
	AUTO(tree_reader_freep)
	struct tree_reader *reader = tree_reader_new(store->packs, &model->shape, &model->top, &err);
	assert_non_null(reader);
	if (!tree_condemned(reader, is_condemned, model, refuse_range, NULL, &err))
		fail_msg("%s", err_message(err));
}

static void nothing_condemned_is_inherited(void **state)
{
	struct store *store = *state;
	for (uint32_t seed = 1; seed <= 8; seed++) {
		bool condemned[4000] = {false};
		struct model model = new_model(state, seed);
		uint32_t oldest = store->seq;
		for (int round = 0; round < 4; round++)
			next_version(&model, FAN * FAN + 1 + draw(&model, 3000));
		for (uint32_t seq = oldest + 1; seq <= store->seq; seq++)
			condemned[seq] = draw(&model, 2);
		for (uint32_t seq = 1000; seq < 1005; seq++)
			condemned[seq] = draw(&model, 4) == 0;
		model.condemned = condemned;
		renew_condemned(&model);
		check(&model);
		free(model.tags);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_history_gives_the_tree_from_scratch),
		cmocka_unit_test(three_levels_grow_and_shrink),
		cmocka_unit_test(a_huge_sparse_stream_costs_its_data),
		cmocka_unit_test(an_unchanged_tree_stores_nothing),
		cmocka_unit_test(nothing_condemned_is_inherited),
	};
	return cmocka_run_group_tests(tests, store_setup, store_teardown);
}
