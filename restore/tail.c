/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/tail.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void tail_add(struct tail *tail, const void *data, size_t len)
{
	if (!tail->ring)
		tail->ring = malloc(TAIL_MAX);
	tail->failed = tail->failed || !tail->ring;
	const uint8_t *from = data;
	while (!tail->failed && len > 0) {
		size_t at = tail->total % TAIL_MAX, part = TAIL_MAX - at < len ? TAIL_MAX - at : len;
		memcpy(tail->ring + at, from, part);
		from += part;
		len -= part;
		tail->total += part;
	}
}

bool tail_copy(const struct tail *tail, struct bytes *ret, struct err **errp)
{
	bool wrapped = tail->total > TAIL_MAX;
	size_t at = wrapped ? tail->total % TAIL_MAX : (size_t)tail->total;
	bytes_init(ret, TAIL_MAX);
	if (wrapped)
		bytes_put(ret, tail->ring + at, TAIL_MAX - at);
	if (tail->ring)
		bytes_put(ret, tail->ring, at);
	if (bytes_ok(ret) && !tail->failed)
		return true;
	bytes_release(ret);
	return err_set_no_memory(errp);
}

void tail_release(struct tail *tail)
{
	free(tail->ring);
	*tail = (struct tail){0};
}
