/* SPDX-License-Identifier: Apache-2.0 */
/* The outer layout of c/<session>, for commit_*.c only. */
#pragma once

#include "storage/commit.h"
#include "storage/sealed.h"

#define COMMIT_MAGIC "SLVRCMT1"
#define COMMIT_HEAD_SIZE 48
#define COMMIT_LABEL "salvor commit"
#define STATEMENT_LABEL "salvor statement 1"
#define STATEMENT_VERSION 1

/* Of the commit of a session; borrows salt. */
struct sealed_name commit_sealed_name(const struct session_id *session, uint8_t salt[SESSION_SIZE]);
