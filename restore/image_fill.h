/* SPDX-License-Identifier: Apache-2.0 */
/* Filling an image with a stream: one walker over the tree, and workers that fetch, open and write. */
#pragma once

#include "base/cancel.h"
#include "base/progress.h"
#include "restore/image_damage.h"
#include "restore/image_sink.h"
#include "storage/point.h"
#include "storage/tree_read.h"

struct image_fill {
	struct pack_reader *packs;
	const struct stream *stream;
	struct image_sink *sink;
	const struct cancel *cancel; /* may be NULL */
	struct progress *progress;   /* may be NULL; done grows by data, not by holes */
	struct image_damage *damage; /* what cannot be read; reads as zeros in the sink */
};

/* Damage is no failure: it is in fill->damage, sorted. */
NODISCARD bool image_fill(const struct image_fill *fill, struct err **errp);
/* Bytes of data in the stream, without its holes, and without what a damaged tree does not tell. Reads the tree;
 * cancel may be NULL. */
NODISCARD bool image_data_bytes(struct pack_reader *packs, const struct stream *stream, const struct cancel *cancel,
				uint64_t *ret, struct err **errp);
