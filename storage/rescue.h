/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where else content lies whose pack is damaged: a backup that came after stored it again under the same id. Asks this
 * machine's index, which is made where there is none; only when it is needed, for reading as such needs no index.
 * Thread-safe.
 */
#pragma once

#include "storage/ids.h"
#include "storage/pack_set.h"
#include "storage/repository.h"

struct rescue;

/* The repository must outlive it. */
NODISCARD struct rescue *rescue_new(const struct repository *repository, struct err **errp);
void rescue_free(struct rescue *rescue);
DEFINE_AUTO_FREE(struct rescue, rescue_free);
/*
 * Where else the content of this id lies than at *at, whose pack is added to those that were tried for it. *at becomes
 * that place; false: none is known.
 */
bool rescue_find(struct rescue *rescue, enum pack_class cls, const struct chunk_id *id, struct pack_set *tried,
		 struct locator *at);
/* What was found was read, and is what it must be. */
void rescue_note_read(struct rescue *rescue);
uint64_t rescue_count(struct rescue *rescue);
