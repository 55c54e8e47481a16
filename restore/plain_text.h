/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a terminal would show, as plain lines: escape sequences and control characters fall away, whatever they mean. So
 * nothing that is left can steer the terminal of who reads it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "restore/escape_scan.h"

#define PLAIN_LINE_MAX 1024

/* A line that is whole, or how far it came; ended by NUL, and without any other control character. */
typedef void plain_line_function(void *arg, const char *line, bool whole);

struct plain_text {
	char line[PLAIN_LINE_MAX + 1];
	size_t len;
	struct escape_scan scan;
	bool returned; /* a carriage return: what comes writes over the line */
};

/* Calls for each line that ended, and for the last one that did not if it is not empty. A line that is too long is cut
 * into several. */
void plain_text_add(struct plain_text *text, const char *data, size_t len, plain_line_function *each, void *arg);
/* For a terminal of unknown habits: what is not ASCII becomes '?'. Returns line. */
char *plain_text_make_ascii(char *line);
