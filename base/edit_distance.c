/* SPDX-License-Identifier: Apache-2.0 */
#include "base/edit_distance.h"

#include <string.h>

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;
	return ab < c ? ab : c;
}

/* With one row of the table. */
size_t edit_distance(const char *a, const char *b)
{
	size_t row[EDIT_DISTANCE_LETTERS + 1], a_length = strnlen(a, EDIT_DISTANCE_LETTERS),
					       b_length = strnlen(b, EDIT_DISTANCE_LETTERS);
	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t above = row[j];
			row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_length];
}
