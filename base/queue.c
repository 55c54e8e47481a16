/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring under one lock. Invariants: count <= capacity; items[(first + i) % capacity] for i < count are the items,
 * oldest first; once closed, count only falls.
 */
#include "base/queue.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t not_full, not_empty;
	size_t capacity, first, count;
	bool closed;
	void *items[];
};

struct queue *queue_new(size_t capacity, struct err **errp)
{
	assert(capacity > 0);
	size_t size;
	struct queue *queue = NULL;
	if (!__builtin_mul_overflow(capacity, sizeof(queue->items[0]), &size) &&
	    !__builtin_add_overflow(size, sizeof(*queue), &size))
		queue = calloc(1, size);
	if (!queue) {
		err_set_no_memory(errp);
		return NULL;
	}
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->not_full, NULL);
	pthread_cond_init(&queue->not_empty, NULL);
	queue->capacity = capacity;
	return queue;
}

void queue_free(struct queue *queue)
{
	if (!queue)
		return;
	pthread_cond_destroy(&queue->not_empty);
	pthread_cond_destroy(&queue->not_full);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

bool queue_put(struct queue *queue, void *item)
{
	pthread_mutex_lock(&queue->lock);
	while (!queue->closed && queue->count == queue->capacity)
		pthread_cond_wait(&queue->not_full, &queue->lock);
	bool open = !queue->closed;
	if (open) {
		queue->items[(queue->first + queue->count) % queue->capacity] = item;
		queue->count++;
		pthread_cond_signal(&queue->not_empty);
	}
	pthread_mutex_unlock(&queue->lock);
	return open;
}

void *queue_take(struct queue *queue)
{
	void *item = NULL;
	pthread_mutex_lock(&queue->lock);
	while (!queue->closed && queue->count == 0)
		pthread_cond_wait(&queue->not_empty, &queue->lock);
	if (queue->count > 0) {
		item = queue->items[queue->first];
		queue->first = (queue->first + 1) % queue->capacity;
		queue->count--;
		pthread_cond_signal(&queue->not_full);
	}
	pthread_mutex_unlock(&queue->lock);
	return item;
}

void queue_close(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->not_full);
	pthread_cond_broadcast(&queue->not_empty);
	pthread_mutex_unlock(&queue->lock);
}
