/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned columns on standard output. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct err;

struct table {
	size_t n_columns;
	const char *const *heads; /* one a column; one that begins with '>' is aligned to the right */
	char **cells;		  /* row by row */
	size_t n_cells;
	bool failed; /* for lack of memory */
};

/* heads are borrowed until the end. */
void table_init(struct table *table, const char *const *heads, size_t n_columns);
/* The next cell, as by printf. */
void table_cell(struct table *table, const char *format, ...) PRINTF_LIKE(2, 3);
/* Prints nothing when there is no row. */
NODISCARD bool table_print(const struct table *table, struct err **errp);
void table_release(struct table *table);
