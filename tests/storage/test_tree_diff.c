/* SPDX-License-Identifier: Apache-2.0 */
/* What trees say differs, against a comparison chunk by chunk. */
#include "storage/tree_diff.h"

#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/storage/store.h"
#include "tests/unit.h"

enum { EXPONENT = 12, CHUNK = 1 << EXPONENT };
#define FAN UINT64_C(128)

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)seed * below) >> 32);
}

/* ---- trees of made-up chunks ----------------------------------------------------------------------------------------
 */

/* A tag a chunk; that of a hole is 0. */
struct tree {
	struct stream_shape shape;
	struct tree_ref top;
	uint32_t *tags;
	uint64_t n;
	struct tree_reader *reader;
};

static void new_tags(struct tree *tree, uint64_t n, const struct tree *like)
{
	*tree = (struct tree){.n = n, .shape = {.size = n << EXPONENT, .exponent = EXPONENT}};
	tree->tags = calloc(n + 1, sizeof(tree->tags[0]));
	assert_non_null(tree->tags);
	for (uint64_t i = 0; like && i < n && i < like->n; i++)
		tree->tags[i] = like->tags[i];
}

/* Runs of data and of holes over some of what is there. */
static void scribble(struct tree *tree)
{
	for (uint64_t at = 0; at < tree->n;) {
		uint64_t left = tree->n - at, run = 1 + draw((uint32_t)(draw(3) == 0 ? left : left < 40 ? left : 40));
		uint32_t what = draw(6);
		for (uint64_t i = 0; i < run && what < 3; i++)
			tree->tags[at + i] = what == 0 ? 0 : 1 + draw(1000);
		at += run;
	}
}

static void put_tag(struct tree_writer *writer, uint64_t index, uint32_t tag)
{
	AUTO(err_freep) struct err *err = NULL;
	struct tree_ref ref = {.at = {.session = {.number = 7}, .seq = 1000, .entry = (uint16_t)tag}};
	for (size_t i = 0; i < ID_SIZE; i += sizeof(tag))
		memcpy(ref.id.b + i, &tag, sizeof(tag));
	assert_true(tag == 0 || tree_writer_put(writer, index, &ref, &err));
}

static void open_tree(struct store *store, struct tree *tree)
{
	AUTO(err_freep) struct err *err = NULL;
	tree->reader = tree_reader_new(store->packs, &tree->shape, &tree->top, &err);
	assert_non_null(tree->reader);
}

static void build(struct store *store, struct tree *tree, tree_store_function *store_function)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(tree_writer_freep)
	struct tree_writer *writer =
		tree_writer_new(store->keys, &tree->shape, NULL, NULL, NULL, store_function, store, &err);
	assert_non_null(writer);
	for (uint64_t i = 0; i < tree->n; i++)
		put_tag(writer, i, tree->tags[i]);
	assert_true(tree_writer_finish(writer, &tree->top, &err));
	store_flush(store);
	open_tree(store, tree);
}

static void release(struct tree *tree)
{
	tree_reader_free(tree->reader);
	free(tree->tags);
}

/* ---- what is expected -----------------------------------------------------------------------------------------------
 */

/* Ranges in units of the smallest chunks; they have gaps between them, or they would be one. */
struct seen {
	const bool *differs;
	uint64_t next, size;
};

static bool expect_range(void *arg, uint64_t offset, uint64_t len, struct err **errp)
{
	(void)errp;
	struct seen *seen = arg;
	assert_true(offset % CHUNK == 0 && len > 0 && offset + len <= seen->size);
	assert_true(len % CHUNK == 0 || offset + len == seen->size);
	for (; seen->next < offset / CHUNK; seen->next++)
		assert_false(seen->differs[seen->next]);
	uint64_t end = (offset + len + CHUNK - 1) / CHUNK;
	for (; seen->next < end; seen->next++)
		assert_true(seen->differs[seen->next]);
	assert_true(offset + len == seen->size || !seen->differs[end]);
	return true;
}

static void expect(struct tree_reader *from, struct tree_reader *to, bool same_keys, const bool *differs, uint64_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	struct seen seen = {.differs = differs, .size = size};
	const struct tree_diff_options options = {.same_keys = same_keys};
	if (!tree_diff(from, to, &options, expect_range, &seen, &err))
		fail_msg("%s", err_message(err));
	for (; seen.next < (size + CHUNK - 1) / CHUNK; seen.next++)
		assert_false(differs[seen.next]);
}

static uint32_t tag_at(const struct tree *tree, uint64_t i)
{
	return i < tree->n ? tree->tags[i] : 0;
}

static void expect_differences(const struct tree *a, const struct tree *b)
{
	uint64_t n = a->n > b->n ? a->n : b->n;
	AUTO(freep) bool *differs = calloc(n + 1, sizeof(differs[0]));
	AUTO(freep) bool *data = calloc(n + 1, sizeof(data[0]));
	assert_true(differs && data);
	for (uint64_t i = 0; i < n; i++) {
		differs[i] = tag_at(a, i) != tag_at(b, i);
		data[i] = tag_at(a, i) != 0 || tag_at(b, i) != 0;
	}
	expect(a->reader, b->reader, true, differs, n << EXPONENT);
	expect(b->reader, a->reader, true, differs, n << EXPONENT);
	expect(a->reader, b->reader, false, data, n << EXPONENT);
}

/* ---- the tests ------------------------------------------------------------------------------------------------------
 */

static const uint64_t sizes[] = {0,	  1,	       2,	 FAN - 1,      FAN,
				 FAN + 1, 3 * FAN + 5, FAN *FAN, FAN *FAN + 1, 2 * FAN *FAN + 77};

static void any_two_trees(void **state)
{
	struct store *store = *state;
	for (seed = 1; seed < 120;) {
		uint32_t first = seed;
		struct tree a, b;
		new_tags(&a, sizes[draw(ARRAY_LENGTH(sizes))], NULL);
		scribble(&a);
		new_tags(&b, draw(2) ? a.n : sizes[draw(ARRAY_LENGTH(sizes))], draw(4) ? &a : NULL);
		scribble(&b);
		build(store, &a, store_node);
		build(store, &b, store_node);
		expect_differences(&a, &b);
		expect_differences(&a, &a);
		release(&a);
		release(&b);
		seed = first + 1;
	}
}

static bool store_node_alone(void *arg, uint8_t level, const struct chunk_id *id, struct span plain,
			     struct locator *ret, struct err **errp)
{
	bool ok = store_node(arg, level, id, plain, ret, errp);
	store_flush(arg);
	return ok;
}

static bool is_on_path(const struct tree *tree, uint64_t chunk, uint32_t seq)
{
	AUTO(err_freep) struct err *err = NULL;
	for (uint8_t level = 0; level < stream_depth(&tree->shape); level++) {
		struct tree_ref node;
		assert_true(tree_subtree(tree->reader, level, chunk, &node, &err));
		if (node.at.seq == seq)
			return true;
	}
	return false;
}

/* Only nodes above the one chunk that differs are there, all others are gone. */
static void what_is_the_same_is_not_read(void **state)
{
	struct store *store = *state;
	const uint64_t changed = 77 * FAN + 7;
	struct tree a, b;
	new_tags(&a, 100 * FAN + 5, NULL);
	for (uint64_t i = 0; i < a.n; i++)
		a.tags[i] = (uint32_t)i + 1;
	new_tags(&b, a.n, &a);
	b.tags[changed] = 0;
	uint32_t oldest = store->seq + 1;
	build(store, &a, store_node_alone);
	build(store, &b, store_node_alone);
	for (uint32_t seq = oldest; seq <= store->seq; seq++) {
		char name[OBJECT_NAME_SIZE], path[sizeof("repository/") + OBJECT_NAME_SIZE];
		object_name_pack(PACK_META, &store->session, seq, name);
		snprintf(path, sizeof(path), "repository/%s", name);
		if (!is_on_path(&a, changed, seq) && !is_on_path(&b, changed, seq))
			assert_int_equal(unlink(path), 0);
	}
	AUTO(freep) bool *differs = calloc(a.n + 1, sizeof(differs[0]));
	assert_non_null(differs);
	expect(b.reader, b.reader, true, differs, b.n << EXPONENT);
	differs[changed] = true;
	expect(a.reader, b.reader, true, differs, a.n << EXPONENT);
	release(&a);
	release(&b);
}

enum { LARGE = 16, SIZE = 90 * CHUNK + 100 };

static struct tree_reader *open_stream(struct store *store, const uint8_t *plain, uint64_t size, uint8_t exponent)
{
	AUTO(err_freep) struct err *err = NULL;
	struct stream stream;
	store_stream(store, plain, size, exponent, &stream);
	struct tree_reader *reader = tree_reader_new(store->packs, &stream.shape, &stream.top, &err);
	assert_non_null(reader);
	return reader;
}

static void chunks_of_other_sizes(void **state)
{
	AUTO(freep) uint8_t *plain = calloc(1, SIZE);
	assert_non_null(plain);
	plain[3 * CHUNK] = plain[40 * CHUNK + 9] = plain[SIZE - 1] = 1;
	bool differs[SIZE / CHUNK + 2] = {[3] = true, [90] = true};
	for (size_t i = 0; i < ARRAY_LENGTH(differs) - 1; i++) /* the large chunks that have data */
		differs[i] |= i < 16 || (i >= 32 && i < 48) || (i >= 80 && i <= 90);
	AUTO(tree_reader_freep) struct tree_reader *small = open_stream(*state, plain, SIZE, EXPONENT);
	AUTO(tree_reader_freep) struct tree_reader *large = open_stream(*state, plain, SIZE, LARGE);
	expect(small, large, true, differs, SIZE);
	expect(large, small, true, differs, SIZE);
}

/* A last chunk that is short is another chunk than the same bytes with zeros behind them. */
static void a_longer_last_chunk_differs(void **state)
{
	uint8_t plain[3 * CHUNK] = {[CHUNK] = 1, [2 * CHUNK] = 1};
	const bool differs[] = {false, false, true, false};
	AUTO(tree_reader_freep) struct tree_reader *shorter = open_stream(*state, plain, 2 * CHUNK + 10, EXPONENT);
	AUTO(tree_reader_freep) struct tree_reader *longer = open_stream(*state, plain, 3 * CHUNK, EXPONENT);
	expect(shorter, longer, true, differs, 3 * CHUNK);
}

static bool refuse(void *arg, uint64_t offset, uint64_t len, struct err **errp)
{
	(void)offset, (void)len;
	++*(int *)arg;
	return err_set(errp, ERR_CANCELLED, "enough");
}

static void a_refusal_ends_it(void **state)
{
	uint8_t plain[10 * CHUNK] = {[0] = 1, [5 * CHUNK] = 1}, zeros[10 * CHUNK] = {0};
	AUTO(tree_reader_freep) struct tree_reader *from = open_stream(*state, plain, sizeof(plain), EXPONENT);
	AUTO(tree_reader_freep) struct tree_reader *to = open_stream(*state, zeros, sizeof(zeros), EXPONENT);
	for (int same_keys = 0; same_keys < 2; same_keys++) {
		AUTO(err_freep) struct err *err = NULL;
		int calls = 0;
		const struct tree_diff_options options = {.same_keys = same_keys};
		assert_false(tree_diff(from, to, &options, refuse, &calls, &err));
		assert_int_equal(err_code(err), ERR_CANCELLED);
		assert_int_equal(calls, 1);
	}
}

/* While nothing is given, as nothing differs yet, or all is one range. */
static void a_cancel_is_heard(void **state)
{
	uint8_t plain[10 * CHUNK] = {[9 * CHUNK] = 1}, zeros[10 * CHUNK] = {0};
	struct cancel cancel = {true};
	AUTO(tree_reader_freep) struct tree_reader *from = open_stream(*state, plain, sizeof(plain), EXPONENT);
	AUTO(tree_reader_freep) struct tree_reader *to = open_stream(*state, zeros, sizeof(zeros), EXPONENT);
	for (int same_keys = 0; same_keys < 2; same_keys++) {
		AUTO(err_freep) struct err *err = NULL;
		int calls = 0;
		const struct tree_diff_options options = {.same_keys = same_keys, .cancel = &cancel};
		assert_false(tree_diff(from, to, &options, refuse, &calls, &err));
		assert_int_equal(err_code(err), ERR_CANCELLED);
		assert_int_equal(calls, 0);
	}
}

/* Ids that cannot be compared are looked at piece by piece: what goes on from one into the next is one range. */
static void ranges_over_windows(void **state)
{
	const uint64_t window = (UINT64_C(4) << 30) / CHUNK;
	struct tree a, b;
	new_tags(&a, 2 * window + 9, NULL);
	new_tags(&b, window + 3, NULL);
	a.tags[window - 1] = a.tags[2 * window - 1] = a.tags[2 * window + 8] = 1;
	b.tags[5] = b.tags[window] = b.tags[window + 2] = 1;
	build(*state, &a, store_node);
	build(*state, &b, store_node);
	expect_differences(&a, &b);
	release(&a);
	release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_two_trees),	 cmocka_unit_test(what_is_the_same_is_not_read),
		cmocka_unit_test(chunks_of_other_sizes), cmocka_unit_test(a_longer_last_chunk_differs),
		cmocka_unit_test(a_refusal_ends_it),	 cmocka_unit_test(a_cancel_is_heard),
		cmocka_unit_test(ranges_over_windows),
	};
	return cmocka_run_group_tests(tests, store_setup, store_teardown);
}
