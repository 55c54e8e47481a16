/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <string.h>

#include "base/edit_distance.h"

enum { WORD_MAX = 63 };

void nearest_init(struct nearest *nearest, const char *wanted)
{
	/* One wrong letter in a short word, and every third in a long one. */
	*nearest = (struct nearest){.wanted = wanted, .distance = strlen(wanted) / 3 + 2};
}

void nearest_offer(struct nearest *nearest, const char *word)
{
	/* Words that are too long are far from everything. */
	if (strlen(nearest->wanted) > WORD_MAX || strlen(word) > WORD_MAX)
		return;
	size_t d = edit_distance(nearest->wanted, word);
	if (d >= nearest->distance)
		return;
	nearest->distance = d;
	nearest->best = word;
}
