/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text_list.h"

#include <stdlib.h>

#include "base/err.h"

bool text_list_append(struct text_list *list, const char *text, struct err **errp)
{
	const char **items = reallocarray(list->items, list->n + 1, sizeof(*items));
	if (!items)
		return err_set_no_memory(errp);
	items[list->n++] = text;
	list->items = items;
	return true;
}

bool text_list_own(struct text_list *list, char *text, struct err **errp)
{
	if (!text)
		return err_set_no_memory(errp);
	if (text_list_append(list, text, errp))
		return true;
	free(text);
	return false;
}

void text_list_release(struct text_list *list)
{
	free(list->items);
	*list = (struct text_list){0};
}

void text_list_release_owned(struct text_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free((char *)list->items[i]);
	text_list_release(list);
}
