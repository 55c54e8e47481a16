/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/tree.h"

#include <string.h>

#include "base/err.h"
#include "tests/unit.h"

static const struct metadata_keys keys = {.r = 1, .id = {6, 7}};

static struct tree_node example(uint16_t n, unsigned packs)
{
	struct tree_node node = {.level = 2, .n = n};
	for (uint16_t i = 0; i < n; i++) {
		if (i % 7 == 3 && i + 1 < n)
			continue; /* a hole */
		memset(node.children[i].id.b, i + 1, ID_SIZE);
		node.children[i].at = (struct locator){
			.session = {.writer = {9}, .number = i % packs}, .seq = 1 + i % packs, .entry = i};
	}
	return node;
}

static void nodes_come_back(void **state)
{
	(void)state;
	for (uint16_t n = 1; n <= TREE_FANOUT; n++)
		for (unsigned packs = 1; packs <= TREE_FANOUT; packs *= 2) {
			AUTO(err_freep) struct err *err = NULL;
			AUTO(bytes_release) struct bytes bytes = {0};
			struct tree_node node = example(n, packs), back;
			assert_true(tree_node_encode(&node, &bytes, &err));
			assert_in_range(bytes.len, 1, TREE_NODE_MAX);
			assert_true(tree_node_parse(bytes_span(&bytes), &back, &err));
			for (uint16_t i = 0; i < n; i++)
				assert_memory_equal(&node.children[i].id, &back.children[i].id, ID_SIZE);
			AUTO(bytes_release) struct bytes again = {0};
			assert_true(tree_node_encode(&back, &again, &err));
			assert_int_equal(again.len, bytes.len);
			assert_memory_equal(again.data, bytes.data, bytes.len);
		}
}

static void expect_invalid(struct span plain)
{
	AUTO(err_freep) struct err *err = NULL;
	struct tree_node node;
	assert_false(tree_node_parse(plain, &node, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
}

static void lengths_must_be_exact(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes bytes = {0};
	struct tree_node node = example(20, 3);
	assert_true(tree_node_encode(&node, &bytes, &err));
	for (size_t len = 0; len < bytes.len; len++)
		expect_invalid(SPAN(bytes.data, len));
	bytes_u8(&bytes, 0);
	expect_invalid(bytes_span(&bytes));
}

/* What a node says must be said in one way only. */
static void only_one_spelling_is_taken(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes bytes = {0};
	struct tree_node node = example(6, 2);
	assert_true(tree_node_encode(&node, &bytes, &err));
	const size_t packs_at = 3 + 6 * ID_SIZE, places_at = packs_at + 1 + 2 * 20;
	const struct {
		size_t at;
		uint8_t value;
	} faults[] = {
		{0, TREE_DEPTH_MAX},	    /* level */
		{1, 0},			    /* no children */
		{1, TREE_FANOUT + 1},	    /* too many */
		{packs_at, 0},		    /* no packs */
		{packs_at, 3},		    /* more than are there */
		{places_at, 1},		    /* the second pack before the first */
		{places_at, 2},		    /* a pack that is not there */
		{places_at, 255},	    /* a hole with an id */
		{places_at + 3 * 3, 0},	    /* a hole with a place */
		{places_at + 3 * 3 + 1, 0}, /* a hole with an entry */
	};
	for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
		uint8_t was = bytes.data[faults[i].at];
		bytes.data[faults[i].at] = faults[i].value;
		expect_invalid(bytes_span(&bytes));
		bytes.data[faults[i].at] = was;
	}
	memset(bytes.data + 3 + 5 * ID_SIZE, 0, ID_SIZE); /* the last child is a hole */
	expect_invalid(bytes_span(&bytes));
}

static void one_pack_twice_is_refused(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes bytes = {0};
	struct tree_node node = example(3, 2);
	assert_true(tree_node_encode(&node, &bytes, &err));
	uint8_t *packs = bytes.data + 3 + 3 * ID_SIZE + 1;
	memcpy(packs + 20, packs, 20);
	expect_invalid(bytes_span(&bytes));
}

static void ids_do_not_depend_on_places(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	struct tree_node a = example(50, 2), b = example(50, 9);
	struct chunk_id id_a, id_b;
	assert_true(tree_node_id(&keys, &a, &id_a, &err) && tree_node_id(&keys, &b, &id_b, &err));
	assert_memory_equal(id_a.b, id_b.b, ID_SIZE);
	b.level++;
	assert_true(tree_node_id(&keys, &b, &id_b, &err));
	assert_memory_not_equal(id_a.b, id_b.b, ID_SIZE);
}

static void shapes(void **state)
{
	(void)state;
	const struct {
		uint64_t size, chunks;
		uint8_t exponent, depth;
	} cases[] = {
		{0, 0, 16, 1},
		{1, 1, 16, 1},
		{65536, 1, 16, 1},
		{65537, 2, 16, 1},
		{128u << 16, 128, 16, 1},
		{(128u << 16) + 1, 129, 16, 2},
		{UINT64_C(16384) << 16, 16384, 16, 2},
		{(UINT64_C(16384) << 16) + 1, 16385, 16, 3},
		{UINT64_C(10) << 40, UINT64_C(10) << 24, 16, 4},
		{UINT64_MAX, UINT64_C(1) << 52, 12, 8},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		const struct stream_shape shape = {.size = cases[i].size, .exponent = cases[i].exponent};
		assert_int_equal(stream_chunks(&shape), cases[i].chunks);
		assert_int_equal(stream_depth(&shape), cases[i].depth);
	}
	const struct stream_shape odd = {.size = 65537, .exponent = 16};
	assert_int_equal(stream_chunk_len(&odd, 0), 65536);
	assert_int_equal(stream_chunk_len(&odd, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_come_back),
		cmocka_unit_test(lengths_must_be_exact),
		cmocka_unit_test(only_one_spelling_is_taken),
		cmocka_unit_test(one_pack_twice_is_refused),
		cmocka_unit_test(ids_do_not_depend_on_places),
		cmocka_unit_test(shapes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
