/* SPDX-License-Identifier: Apache-2.0 */
/* What systems say when they will not get ready any more. */
#pragma once

#include <stdbool.h>

enum sight_place { SIGHT_FIRMWARE = 1, SIGHT_CONSOLE = 2, SIGHT_SCREEN = 4 };

struct sight {
	const char *text;   /* as it is said */
	unsigned places;    /* where it counts */
	bool prompt;	    /* something waits for an answer: what is said ends there */
	const char *what;   /* happened */
	const char *advice; /* what to do */
};

/* The first that is in the line; NULL where there is none. *ret_at is where in the line. */
const struct sight *sight_find(unsigned place, const char *line, bool whole, const char **ret_at);
