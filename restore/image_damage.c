/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/image_damage.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { RANGES_MAX = 4096 };

void image_damage_init(struct image_damage *damage)
{
	*damage = (struct image_damage){0};
	pthread_mutex_init(&damage->lock, NULL);
}

void image_damage_release(struct image_damage *damage)
{
	for (size_t i = 0; i < damage->n; i++) {
		free(damage->ranges[i].object);
		free(damage->ranges[i].reason);
	}
	free(damage->ranges);
	pthread_mutex_destroy(&damage->lock);
	*damage = (struct image_damage){0};
}

/* Takes the texts. */
static bool add(struct image_damage *damage, const struct damaged_range *range)
{
	struct damaged_range *ranges = damage->ranges;

	if ((damage->n & (damage->n - 1)) == 0)
		ranges = reallocarray(ranges, damage->n ? damage->n * 2 : 1, sizeof(*ranges));
	if (!ranges)
		return false;
	damage->ranges = ranges;
	ranges[damage->n++] = *range;
	return true;
}

static bool add_bounded(struct image_damage *damage, uint64_t offset, uint64_t len, const struct err *err)
{
	const char *object = err_object(err);

	damage->bytes += len;
	damage->more = damage->more || damage->n == RANGES_MAX;
	if (damage->more)
		return true;
	struct damaged_range range = {.offset = offset,
				      .len = len,
				      .object = object ? strdup(object) : NULL,
				      .reason = strdup(err_message(err))};
	if (range.reason && (range.object || !object) && add(damage, &range))
		return true;
	free(range.object);
	free(range.reason);
	return false;
}

/* A bad sector is damage as well; a key that may not read, and a repository that went away, are none. */
bool image_damage_take(struct image_damage *damage, uint64_t offset, uint64_t len, struct err **errp)
{
	enum err_code code = err_code(*errp);

	if (err_is_of_run(code) || code == ERR_DENIED || code == ERR_NO_SPACE)
		return false;
	pthread_mutex_lock(&damage->lock);
	bool added = add_bounded(damage, offset, len, *errp);
	pthread_mutex_unlock(&damage->lock);
	err_clear(errp);
	return added || err_set_no_memory(errp);
}

static int compare(const void *a, const void *b)
{
	const struct damaged_range *left = a, *right = b;

	return (left->offset > right->offset) - (left->offset < right->offset);
}

static bool continues(const struct damaged_range *range, const struct damaged_range *next)
{
	bool same = range->object && next->object && strcmp(range->object, next->object) == 0;

	return same && range->offset + range->len == next->offset;
}

void image_damage_sort(struct image_damage *damage)
{
	size_t kept = 0;

	if (damage->n == 0)
		return;
	qsort(damage->ranges, damage->n, sizeof(*damage->ranges), compare);
	for (size_t i = 1; i < damage->n; i++) {
		struct damaged_range *range = &damage->ranges[kept], *next = &damage->ranges[i];
		if (!continues(range, next)) {
			damage->ranges[++kept] = *next;
			continue;
		}
		range->len += next->len;
		free(next->object);
		free(next->reason);
	}
	damage->n = kept + 1;
}
