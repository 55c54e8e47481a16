/* SPDX-License-Identifier: Apache-2.0 */
/* The middle stage, where the processors are spent: is it zero, what is its id, is it known, how small does it get. */
#include "agent/pipeline_internal.h"
#include "base/err.h"

static bool work_chunk(struct session *session, struct item *item, struct err **errp)
{
	struct span plain = SPAN(item->plain, item->plain_len);
	size_t packed_len;

	if (bytes_all_zero(plain.data, plain.len)) {
		item->state = ITEM_ZERO;
		return true;
	}
	if (!chunk_identify(session_keys(session), plain, &item->ref.id, errp))
		return false;
	if (session_find(session, &item->ref.id, &item->ref.at)) {
		item->state = ITEM_KNOWN;
		return true;
	}
	if (!chunk_compress(plain, item->packed, &item->codec, &packed_len, errp))
		return false;
	item->stored = item->codec == CODEC_RAW ? plain : SPAN(item->packed, packed_len);
	return true;
}

static bool work_batch(struct session *session, struct batch *batch, struct err **errp)
{
	for (size_t i = 0; i < batch->n; i++)
		if (batch->items[i].state == ITEM_NEW && !work_chunk(session, &batch->items[i], errp))
			return false;
	return true;
}

bool pipeline_work_stage(void *arg, struct err **errp)
{
	struct pipeline *pipeline = arg;
	struct batch *batch;

	while ((batch = queue_take(pipeline->read))) {
		if (!work_batch(pipeline->job->session, batch, errp))
			return false;
		if (!queue_put(pipeline->worked, batch))
			return true;
	}
	if (atomic_fetch_sub(&pipeline->workers_left, 1) == 1)
		queue_close(pipeline->worked);
	return true;
}
