/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in their order, whoever owns them. A list that is zero is empty. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct err;

struct text_list {
	const char **items;
	size_t n;
};

/* The text is borrowed. On failure, which is lack of memory, the list is unmodified. */
NODISCARD bool text_list_append(struct text_list *list, const char *text, struct err **errp);
/* Takes over the text, on failure too; NULL is lack of memory. For lists whose texts are all taken over. */
NODISCARD bool text_list_own(struct text_list *list, char *text, struct err **errp);
/* Leaves an empty list; the texts stay. */
void text_list_release(struct text_list *list);
/* The same, with the texts, which were all taken over. */
void text_list_release_owned(struct text_list *list);
