/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/node_marks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/pack_map.h"

struct marked {		  /* nodes of one pack */
	uint32_t n_bytes; /* as many as the nodes seen so far need: an increment's pack has few */
	uint8_t *bits;
};

struct node_marks {
	struct pack_map packs; /* struct marked */
};

static void free_marked(void *value)
{
	struct marked *marked = value;

	free(marked->bits);
	free(marked);
}

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
	pack_map_release(&marks->packs, free_marked);
	free(marks);
}

static struct marked *find_or_add(struct node_marks *marks, const struct locator *at, struct err **errp)
{
	struct marked *marked = pack_map_find(&marks->packs, at);

	if (marked)
		return marked;
	marked = calloc(1, sizeof(*marked));
	if (!marked)
		err_set_no_memory(errp);
	else if (pack_map_add(&marks->packs, at, marked, errp))
		return marked;
	free(marked);
	return NULL;
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
	const struct marked *marked = pack_map_find(&marks->packs, at);

	return marked && at->entry / 8u < marked->n_bytes && (marked->bits[at->entry / 8] & 1u << at->entry % 8) != 0;
}

bool node_marks_add(struct node_marks *marks, const struct locator *at, struct err **errp)
{
	struct marked *marked = find_or_add(marks, at, errp);

	if (!marked || !make_bit(marked, at->entry, errp))
		return false;
	assert(marked->bits);
	marked->bits[at->entry / 8] |= (uint8_t)(1u << at->entry % 8);
	return true;
}
