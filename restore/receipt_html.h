/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A receipt as one HTML page that a person can hand on: text, picture and console log in one file that loads nothing
 * and runs nothing. It carries the receipt file, so that it can be checked again. See docs/format.md, Receipts.
 */
#pragma once

#include "storage/receipt.h"

/* Larger than any page of a receipt: the log may grow sixfold by escaping, the file and the picture are in base64. */
#define RECEIPT_HTML_MAX (32u << 20)

/* `file` is the receipt file that the receipt was read from, with its evidence. Depends on nothing else. */
NODISCARD bool receipt_html_make(const struct receipt *receipt, struct span file, struct bytes *ret, struct err **errp);
/* The bytes begin as a page does; what else they are receipt_html_read() says. */
bool receipt_html_is_page(struct span bytes);
/*
 * The receipt that a page carries, checked, and the page is what receipt_html_make() makes of it. ERR_CORRUPT for any
 * byte that was changed. The caller releases both.
 */
NODISCARD bool receipt_html_read(struct span page, struct receipt *ret, struct bytes *ret_file, struct err **errp);
