/* SPDX-License-Identifier: Apache-2.0 */
/* How alike two names are, to offer the nearest one for a name that is not there. */
#pragma once

#include <stddef.h>

/* How many letters to add, take away or change (Levenshtein), over at most this many letters of each. */
#define EDIT_DISTANCE_LETTERS 128

size_t edit_distance(const char *a, const char *b);
