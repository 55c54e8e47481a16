/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host knows to be durable of a running session: one file a session in STATE/journal/, locked while the
 * session lives. A record is appended only after its pack is durable. A journal that nobody holds is of a dead
 * session; the next run takes it over: it publishes the l/ lists that are missing, and only then removes the journal.
 *
 *   created ─► locked ─► header ─► records … ─► removed (lists are durable)
 *      └─ killed before the header: nothing was stored, the file is removed
 */
#pragma once

#include "storage/list.h"

struct journal;

/* The parser of a journal file: a torn last record ends it. `ret` is a list with k = 0. ERR_CORRUPT for a bad header.
 */
NODISCARD bool journal_parse(struct span file, struct list *ret, struct err **errp);

NODISCARD struct journal *journal_create(const struct repository *repository, const struct session_id *session,
					 struct err **errp);
/* Durable. Calls must not overlap. */
NODISCARD bool journal_append(struct journal *journal, const struct list_pack *pack, struct err **errp);
/* The lists are durable: the file goes. Frees. */
NODISCARD bool journal_end(struct journal *journal, struct err **errp);
/* Leaves the file for the next run. */
void journal_free(struct journal *journal);
DEFINE_AUTO_FREE(struct journal, journal_free);

/* Publishes the lists of this identity's dead sessions. One whose lists are damaged is left as it is. */
NODISCARD bool journal_adopt(const struct repository *repository, struct err **errp);
