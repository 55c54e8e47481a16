/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading chunks and nodes by locator. Footers and data keys of packs are kept in a bounded cache (least recently
 * used goes first). Thread-safe. Every byte that comes out was authenticated and has the id that was asked for.
 */
#pragma once

#include "storage/chunk.h"
#include "storage/pack.h"
#include "storage/tree.h"

struct pack_reader;
struct rescue;

struct chunk_ref {
	struct chunk_id id;
	struct locator at;
	uint32_t plain_len;	 /* what the stream's shape demands */
	void *plain;		 /* room for plain_len bytes; NULL: it is only fetched, for a cache */
	struct tree_place place; /* in the point that is read; where a rescue looks for it in others */
};

/* cache_bytes bounds the footers, as 64 MiB. The repository must outlive it. */
NODISCARD struct pack_reader *pack_reader_new(const struct repository *repository, size_t cache_bytes,
					      struct err **errp);
void pack_reader_free(struct pack_reader *reader);
DEFINE_AUTO_FREE(struct pack_reader, pack_reader_free);

/* Requests at once that pay; 0 where the repository is near by. */
unsigned pack_reader_in_flight(const struct pack_reader *reader);

/* From now on, what is damaged where it lies is read from where else it lies, if it is said where it stands; before
 * others use the reader. Borrowed. */
void pack_reader_set_rescue(struct pack_reader *reader, struct rescue *rescue);

/*
 * Fills all n chunks. Neighbours in a pack (gaps up to 64 KiB) are fetched in one range of at most 4 MiB. ERR_CORRUPT
 * names pack and entry; a missing pack is damage, too; ERR_DENIED without role read.
 */
NODISCARD bool pack_reader_chunks(struct pack_reader *reader, struct chunk_ref *refs, size_t n, struct err **errp);
/* The footer of their pack, which is the same for all n, has these chunks at their places. Their contents are not read.
 */
NODISCARD bool pack_reader_has(struct pack_reader *reader, const struct chunk_ref *refs, size_t n, struct err **errp);
/* One node: parsed, and checked against its id. */
NODISCARD bool pack_reader_node(struct pack_reader *reader, const struct chunk_id *id, const struct locator *at,
				struct tree_node *ret, struct err **errp);
/* The same of the node that stands at this place of the point that is read. */
NODISCARD bool pack_reader_node_of(struct pack_reader *reader, const struct tree_place *place,
				   const struct chunk_id *id, const struct locator *at, struct tree_node *ret,
				   struct err **errp);
