/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/list.h"

#include <string.h>

#include "base/err.h"
#include "tests/storage/runs.h"
#include "tests/unit.h"

static struct list make(struct runs *runs, struct list_pack packs[2])
{
	struct list list = {.session.number = 7, .k = 3, .packs = packs, .n = 2};

	memcpy(list.session.writer, repository_identity(runs->repository)->id8, WRITER_SIZE);
	packs[0] = (struct list_pack){.cls = PACK_CHUNKS, .seq = 1, .size = 1000, .sha256 = "first"};
	packs[1] = (struct list_pack){.cls = PACK_META, .seq = 2, .size = 2000, .sha256 = "second"};
	return list;
}

static void test_there_and_back(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(list_release) struct list again = {0};
	struct list_pack packs[2];
	struct list list = make(runs, packs);
	uint8_t hash[HASH_SIZE];
	size_t size;

	assert_true(list_publish(runs->repository, &list, hash, &size, &err));
	assert_true(list_load(runs->repository, &list.session, list.k, &again, &err));
	assert_int_equal(again.n, 2);
	assert_int_equal(again.packs[1].cls, PACK_META);
	assert_int_equal(again.packs[1].size, 2000);
	assert_memory_equal(again.hash, hash, sizeof(hash));
}

static void test_damage_is_found(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object = {0};
	struct list_pack packs[2];
	struct list list = make(runs, packs);
	struct backend *backend = repository_backend(runs->repository);
	uint8_t hash[HASH_SIZE];
	char name[OBJECT_NAME_SIZE];
	size_t size;

	assert_true(list_publish(runs->repository, &list, hash, &size, &err));
	object_name_list(&list.session, list.k, name);
	assert_true(backend_get(backend, name, 1 << 20, &object, &err));
	for (size_t i = 0; i < object.len; i += 3) {
		AUTO(list_release) struct list again = {0};
		object.data[i] ^= 1;
		assert_true(backend_put(backend, name, bytes_span(&object), &err));
		assert_false(list_load(runs->repository, &list.session, list.k, &again, &err));
		assert_string_equal(err_object(err), name);
		err_clear(&err);
		object.data[i] ^= 1;
	}
}

/* A list under another name is refused, though its signature is sound for its own. */
static void test_name_counts(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object = {0};
	AUTO(list_release) struct list again = {0};
	struct list_pack packs[2];
	struct list list = make(runs, packs);
	struct backend *backend = repository_backend(runs->repository);
	uint8_t hash[HASH_SIZE];
	char name[OBJECT_NAME_SIZE];
	size_t size;

	assert_true(list_publish(runs->repository, &list, hash, &size, &err));
	assert_true(backend_get(backend, object_name_list(&list.session, 3, name), 1 << 20, &object, &err));
	assert_true(backend_put(backend, object_name_list(&list.session, 4, name), bytes_span(&object), &err));
	assert_false(list_load(runs->repository, &list.session, 4, &again, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, runs_setup_memory, runs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_there_and_back), TEST(test_damage_is_found),
					   TEST(test_name_counts)};

	return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
