/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a journal, for journal*.c only. */
#pragma once

#include "storage/journal.h"

#define JOURNAL_MAGIC "SLVRJRNL"
#define JOURNAL_HEAD_SIZE 28 /* magic, version, session */
#define JOURNAL_CHECK_SIZE 8
#define JOURNAL_RECORD_SIZE (LIST_PACK_ENCODED_SIZE + JOURNAL_CHECK_SIZE)
#define JOURNAL_MAX_BYTES (1u << 30) /* 2^24 packs of one session */

/* The first bytes of the SHA-256 of session and record. */
bool journal_check(const struct session_id *session, struct span record, uint8_t ret[JOURNAL_CHECK_SIZE],
		   struct err **errp);
/* STATE/journal, made. Caller frees; NULL on failure. */
char *journal_folder(const struct repository *repository, struct err **errp);
