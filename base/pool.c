/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/thread.h"

struct pool {
	pool_function *run;
	void (*on_failure)(void *arg);
	void *arg;
	pthread_mutex_t lock; /* of first_error */
	struct err *first_error;
	size_t started;
	pthread_t threads[];
};

/* Keeps the first error and tells once; later ones mostly are echoes of it. */
static void pool_fail(struct pool *pool, struct err *err)
{
	pthread_mutex_lock(&pool->lock);
	bool first = !pool->first_error;
	if (first)
		pool->first_error = err;
	pthread_mutex_unlock(&pool->lock);
	if (!first)
		err_free(err);
	else if (pool->on_failure)
		pool->on_failure(pool->arg);
}

static void *pool_thread(void *arg)
{
	struct pool *pool = arg;
	struct err *err = NULL;
	if (!pool->run(pool->arg, &err))
		pool_fail(pool, err);
	return NULL;
}

static struct pool *pool_new(size_t n, struct err **errp)
{
	size_t size;
	struct pool *pool = NULL;
	if (!__builtin_mul_overflow(n, sizeof(pool->threads[0]), &size) &&
	    !__builtin_add_overflow(size, sizeof(*pool), &size))
		pool = calloc(1, size);
	if (!pool) {
		err_set_no_memory(errp);
		return NULL;
	}
	pthread_mutex_init(&pool->lock, NULL);
	return pool;
}

struct pool *pool_start(const char *name, size_t n, pool_function *run, void (*on_failure)(void *arg), void *arg,
			struct err **errp)
{
	struct pool *pool = pool_new(n, errp);
	if (!pool)
		return NULL;
	pool->run = run;
	pool->on_failure = on_failure;
	pool->arg = arg;
	struct err *err = NULL;
	while (pool->started < n && thread_start(&pool->threads[pool->started], name, pool_thread, pool, &err))
		pool->started++;
	if (!err)
		return pool;
	pool_fail(pool, err); /* so that those already started end, too */
	bool failed = !pool_join(pool, errp);
	assert(failed);
	return NULL;
}

bool pool_join(struct pool *pool, struct err **errp)
{
	if (!pool)
		return true;
	for (size_t i = 0; i < pool->started; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_mutex_destroy(&pool->lock);
	struct err *err = pool->first_error;
	free(pool);
	return !err || err_move(errp, &err);
}

size_t pool_processors(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
	if (count < 1) /* more processors than the set has bits */
		count = (int)sysconf(_SC_NPROCESSORS_ONLN);
	return count < 1 ? 1 : (size_t)count;
}
