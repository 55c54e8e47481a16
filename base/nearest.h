/* SPDX-License-Identifier: Apache-2.0 */
/* What a person may have meant by a word that does not exist. */
#pragma once

#include <stddef.h>

struct nearest {
	const char *wanted;
	const char *best; /* of the words offered so far; NULL when none is near */
	size_t distance;
};

void nearest_init(struct nearest *nearest, const char *wanted);
/* Borrowed until the end. */
void nearest_offer(struct nearest *nearest, const char *word);
