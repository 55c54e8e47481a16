/* SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

#include <stdatomic.h>

#include "base/err.h"
#include "base/pool.h"
#include "tests/unit.h"

enum { ITEMS = 20000, PRODUCERS = 3, CONSUMERS = 3 };

struct line {
	struct queue *queue;
	atomic_uint next, left;
	atomic_uchar seen[ITEMS];
	unsigned char items[ITEMS];
};

static bool produce(void *arg, struct err **errp)
{
	struct line *line = arg;
	for (unsigned i; (i = atomic_fetch_add(&line->next, 1)) < ITEMS;)
		if (!queue_put(line->queue, &line->items[i]))
			return err_set(errp, ERR_FAILED, "closed too early");
	if (atomic_fetch_sub(&line->left, 1) == 1)
		queue_close(line->queue);
	return true;
}

static bool consume(void *arg, struct err **errp)
{
	(void)errp;
	struct line *line = arg;
	for (unsigned char *item; (item = queue_take(line->queue));)
		atomic_fetch_add(&line->seen[item - line->items], 1);
	return true;
}

static void every_item_arrives_once(void **state)
{
	(void)state;
	static struct line line;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(queue_freep) struct queue *queue = queue_new(7, &err);
	assert_non_null(queue);
	line.queue = queue;
	atomic_store(&line.left, PRODUCERS);
	struct pool *consumers = pool_start("consume", CONSUMERS, consume, NULL, &line, &err);
	struct pool *producers = pool_start("produce", PRODUCERS, produce, NULL, &line, &err);
	assert_true(pool_join(producers, &err));
	assert_true(pool_join(consumers, &err));
	for (size_t i = 0; i < ITEMS; i++)
		assert_int_equal(atomic_load(&line.seen[i]), 1);
}

static void order_is_kept_and_closing_drains(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(queue_freep) struct queue *queue = queue_new(3, &err);
	int items[4];
	for (int i = 0; i < 3; i++)
		assert_true(queue_put(queue, &items[i]));
	assert_ptr_equal(queue_take(queue), &items[0]);
	assert_true(queue_put(queue, &items[3])); /* around the end of the ring */
	queue_close(queue);
	queue_close(queue);
	assert_false(queue_put(queue, &items[0]));
	for (int i = 1; i < 4; i++)
		assert_ptr_equal(queue_take(queue), &items[i]);
	assert_null(queue_take(queue));
}

struct blocked {
	struct queue *full, *empty;
};

static bool put_into_full(void *arg, struct err **errp)
{
	struct blocked *blocked = arg;
	return !queue_put(blocked->full, blocked) || err_set(errp, ERR_FAILED, "an item went into a full queue");
}

static bool take_from_empty(void *arg, struct err **errp)
{
	struct blocked *blocked = arg;
	return !queue_take(blocked->empty) || err_set(errp, ERR_FAILED, "an item came out of an empty queue");
}

static void closing_wakes_who_waits(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(queue_freep) struct queue *full = queue_new(1, &err);
	AUTO(queue_freep) struct queue *empty = queue_new(1, &err);
	struct blocked blocked = {full, empty};
	assert_true(queue_put(full, &blocked));
	struct pool *putters = pool_start("put", 2, put_into_full, NULL, &blocked, &err);
	struct pool *takers = pool_start("take", 2, take_from_empty, NULL, &blocked, &err);
	queue_close(full);
	queue_close(empty);
	assert_true(pool_join(putters, &err));
	assert_true(pool_join(takers, &err));
}

static void an_absurd_capacity_is_lack_of_memory(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	assert_null(queue_new(SIZE_MAX / 4, &err));
	assert_int_equal(err_code(err), ERR_NO_MEMORY);
	queue_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_item_arrives_once),
		cmocka_unit_test(order_is_kept_and_closing_drains),
		cmocka_unit_test(closing_wakes_who_waits),
		cmocka_unit_test(an_absurd_capacity_is_lack_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
