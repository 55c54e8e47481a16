/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/node_marks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct marked { /* nodes of one pack */
	struct session_id session;
	uint32_t seq;
	uint32_t n_bytes; /* as many as the nodes seen so far need: an increment's pack has few */
	uint8_t *bits;
};

struct node_marks {
	struct marked *packs; /* ascending */
	size_t n, capacity;
};

struct node_marks *node_marks_new(struct err **errp)
{
	struct node_marks *marks = calloc(1, sizeof(*marks));

	if (!marks)
		err_set_no_memory(errp);
	return marks;
}

void node_marks_free(struct node_marks *marks)
{
	if (!marks)
		return;
	for (size_t i = 0; i < marks->n; i++)
		free(marks->packs[i].bits);
	free(marks->packs);
	free(marks);
}

static int compare(const struct marked *marked, const struct locator *at)
{
	int order = session_id_compare(&marked->session, &at->session);

	return order != 0 ? order : (marked->seq > at->seq) - (marked->seq < at->seq);
}

static struct marked *insert(struct node_marks *marks, size_t position, const struct locator *at, struct err **errp)
{
	if (marks->n == marks->capacity) {
		size_t capacity = marks->capacity ? marks->capacity * 2 : 64;
		struct marked *packs = reallocarray(marks->packs, capacity, sizeof(*packs));
		if (!packs) {
			err_set_no_memory(errp);
			return NULL;
		}
		marks->packs = packs;
		marks->capacity = capacity;
	}
	struct marked *place = &marks->packs[position];
	memmove(place + 1, place, (marks->n++ - position) * sizeof(*place));
	*place = (struct marked){.session = at->session, .seq = at->seq};
	return place;
}

/* Where the pack is, or belongs. */
static size_t place_of(const struct node_marks *marks, const struct locator *at)
{
	size_t low = 0, high = marks->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare(&marks->packs[middle], at) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct marked *find_or_insert(struct node_marks *marks, const struct locator *at, struct err **errp)
{
	size_t place = place_of(marks, at);
	bool found = place < marks->n && compare(&marks->packs[place], at) == 0;

	return found ? &marks->packs[place] : insert(marks, place, at, errp);
}

static bool make_bit(struct marked *marked, uint16_t entry, struct err **errp)
{
	uint32_t n_bytes = entry / 8u + 1;

	if (n_bytes <= marked->n_bytes)
		return true;
	n_bytes += n_bytes / 2;
	uint8_t *bits = realloc(marked->bits, n_bytes);
	if (!bits)
		return err_set_no_memory(errp);
	memset(bits + marked->n_bytes, 0, n_bytes - marked->n_bytes);
	marked->bits = bits;
	marked->n_bytes = n_bytes;
	return true;
}

bool node_marks_has(const struct node_marks *marks, const struct locator *at)
{
	size_t place = place_of(marks, at);

	if (place == marks->n || compare(&marks->packs[place], at) != 0)
		return false;
	const struct marked *marked = &marks->packs[place];
	return at->entry / 8u < marked->n_bytes && (marked->bits[at->entry / 8] & 1u << at->entry % 8) != 0;
}

bool node_marks_add(struct node_marks *marks, const struct locator *at, struct err **errp)
{
	struct marked *marked = find_or_insert(marks, at, errp);

	if (!marked || !make_bit(marked, at->entry, errp))
		return false;
	assert(marked->bits);
	marked->bits[at->entry / 8] |= (uint8_t)(1u << at->entry % 8);
	return true;
}
