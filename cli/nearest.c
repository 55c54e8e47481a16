/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/nearest.h"

#include <stdint.h>
#include <string.h>

enum { WORD_MAX = 63 };

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;
	return ab < c ? ab : c;
}

/* Levenshtein's distance, with one row of the table; words that are too long are far from everything. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], a_len = strlen(a), b_len = strlen(b);
	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t above = row[j];
			row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
}

void nearest_init(struct nearest *nearest, const char *wanted)
{
	/* One wrong letter in a short word, and every third in a long one. */
	*nearest = (struct nearest){.wanted = wanted, .distance = strlen(wanted) / 3 + 2};
}

void nearest_offer(struct nearest *nearest, const char *word)
{
	size_t d = distance(nearest->wanted, word);
	if (d >= nearest->distance)
		return;
	nearest->distance = d;
	nearest->best = word;
}
