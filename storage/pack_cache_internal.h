/* SPDX-License-Identifier: Apache-2.0 */
/* Open packs: footers and the data keys that were opened, in a bounded cache. Thread-safe. */
#pragma once

#include "storage/pack.h"

struct pack_cache;
struct open_pack;

NODISCARD struct pack_cache *pack_cache_new(const struct repository *repository, size_t max_bytes, struct err **errp);
/* Nobody may hold a pack any more. */
void pack_cache_free(struct pack_cache *cache);
DEFINE_AUTO_FREE(struct pack_cache, pack_cache_free);

/* The pack, fetched when it is not there (once, however many ask). It stays until it is put back. */
NODISCARD struct open_pack *pack_cache_get(struct pack_cache *cache, enum pack_class cls,
					   const struct session_id *session, uint32_t seq, struct err **errp);
void pack_cache_put(struct pack_cache *cache, struct open_pack *pack);
const struct pack_footer *open_pack_footer(const struct open_pack *pack);
/* The data key behind a keyslot. The caller wipes it. */
NODISCARD bool pack_cache_dek(struct pack_cache *cache, struct open_pack *pack, uint8_t keyslot,
			      uint8_t ret_dek[KEY_SIZE], struct err **errp);
