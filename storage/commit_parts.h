/* SPDX-License-Identifier: Apache-2.0 */
/* The outer layout of c/<session>, for commit_*.c only. */
#pragma once

#include "storage/commit.h"

#define COMMIT_MAGIC "SLVRCMT1"
#define COMMIT_HEAD_SIZE 48
#define COMMIT_LABEL "salvor commit"
#define STATEMENT_LABEL "salvor statement 1"
#define STATEMENT_VERSION 1

/* Key of the commit of a session. */
bool commit_key(const struct metadata_keys *keys, const struct session_id *session, uint8_t ret[KEY_SIZE],
		struct err **errp);
