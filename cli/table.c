/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "cli/words.h"

enum { GAP = 2 };

void table_init(struct table *table, const char *const *heads, size_t n_columns)
{
	*table = (struct table){.heads = heads, .n_columns = n_columns};
}

void table_release(struct table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct table){0};
}

void table_cell(struct table *table, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text;
	int outcome = vasprintf(&text, format, args);
	va_end(args);
	char **cells = outcome < 0 ? NULL : reallocarray(table->cells, table->n_cells + 1, sizeof(*cells));
	if (!cells) {
		if (outcome >= 0)
			free(text);
		table->failed = true;
		return;
	}
	cells[table->n_cells++] = words_make_printable(text);
	table->cells = cells;
}

/* Characters, not bytes; good enough for names that are not wider. */
static size_t text_width(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static bool is_right(const struct table *table, size_t column)
{
	return table->heads[column][0] == '>';
}

static const char *head(const struct table *table, size_t column)
{
	return table->heads[column] + is_right(table, column);
}

static size_t column_width(const struct table *table, size_t column)
{
	size_t width = text_width(head(table, column));
	for (size_t i = column; i < table->n_cells; i += table->n_columns) {
		size_t w = text_width(table->cells[i]);
		width = w > width ? w : width;
	}
	return width;
}

static void print_cell(const struct table *table, size_t column, const char *text)
{
	int blanks = (int)(column_width(table, column) - text_width(text));
	bool last = column + 1 == table->n_columns;
	if (is_right(table, column))
		printf("%*s%s", blanks, "", text);
	else
		printf("%s%*s", text, last ? 0 : blanks, "");
	printf("%*s", last ? 0 : GAP, "");
	if (last)
		putchar('\n');
}

bool table_print(const struct table *table, struct err **errp)
{
	if (table->failed)
		return err_set_no_memory(errp);
	if (table->n_cells == 0)
		return true;
	assert(table->n_columns > 0);
	for (size_t column = 0; column < table->n_columns; column++)
		print_cell(table, column, head(table, column));
	for (size_t i = 0; i < table->n_cells; i++)
		print_cell(table, i % table->n_columns, table->cells[i]);
	return true;
}
