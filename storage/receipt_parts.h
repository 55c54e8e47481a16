/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of receipt*.c share. */
#pragma once

#include "storage/receipt.h"

#define RECEIPT_MAGIC "SLVRRCPT"
#define RECEIPT_LABEL "salvor receipt 1"
#define RECEIPT_STATEMENT_MAX (1u << 20)
#define RECEIPT_HEADS_MAX 4096

/* Encodes what is signed. ERR_FAILED when the parser would refuse it. */
NODISCARD bool receipt_statement_encode(const struct receipt *receipt, struct bytes *ret, struct err **errp);
/* From the beginning of a file to its signature, which is checked; the evidence begins where the cursor stands then. */
NODISCARD bool receipt_parse_first(struct cursor *cursor, struct receipt *ret, struct err **errp);
/* The evidence, checked against the statement; the cursor must end behind it. */
NODISCARD bool receipt_parse_evidence(struct cursor *cursor, struct receipt *receipt, struct err **errp);
/* A PNG begins like this. */
bool receipt_is_png(struct span bytes);
