/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts on standard output. */
#pragma once

#include "cli/context.h"
#include "storage/receipt.h"

/* A receipt, and what is known of it apart from what it says. */
struct receipt_view {
	const struct receipt *receipt;
	const struct repository *repository; /* NULL: none was opened, and its signer may be anybody */
	const char *object;		     /* its name in the repository; "" or NULL where it is a file */
};

/* "member", "revoked", "no-reader", "stranger", "other-repository", "unknown". */
const char *receipt_standing_word(const struct receipt_view *view);
/* What belongs into a list. */
struct json *receipt_summary_to_json(const struct receipt_view *view);
/* Everything, but not the evidence itself. NULL with errp set. */
struct json *receipt_to_json(const struct receipt_view *view, struct err **errp);
NODISCARD bool receipt_print(const struct receipt_view *view, struct err **errp);
/* Warns where the signer does not count, and sets the exit status. */
void receipt_warn(struct context *context, const struct receipt_view *view);

/*
 * The newest receipt of a point that counts: of a member who may read, and saying of the point what it says itself.
 * *ret_found is false where there is none, and for a key that may not read. Thread-safe.
 */
NODISCARD bool receipt_find_newest(const struct repository *repository, const struct point *point, struct receipt *ret,
				   bool *ret_found, struct err **errp);
/* {receipt, verdict, reason, verified, seconds_to_ready, by}; null without one. */
struct json *receipt_verified_to_json(const struct receipt *receipt);
