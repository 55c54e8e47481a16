/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of a foreign file: stored strings, their repair, and times. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_stored(struct span input)
{
	struct cursor cursor;
	cursor_init(&cursor, input);
	char text[4096];
	cursor_text(&cursor, text, sizeof(text));
	assert(cursor_ok(&cursor) || *text == '\0');
	assert(utf8_is_text(SPAN(text, strlen(text))));
}

static void check_repaired(const char *text)
{
	AUTO(freep) char *repaired = utf8_repair(text);
	assert(utf8_is_text(SPAN(repaired, strlen(repaired))));
	/* What was text already stays as it was. */
	assert(!utf8_is_text(SPAN(text, strlen(text))) || strcmp(text, repaired) == 0);
}

/* A time that is shown names a second that it lies in. */
static void check_time(const char *text)
{
	char shown[CLOCK_TEXT_SIZE];
	uint64_t ns, again;
	if (!clock_parse(text, &ns))
		return;
	assert(clock_parse(clock_format(ns, shown), &again));
	assert(again / 1000000000 == ns / 1000000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(freep) char *text = strndup((const char *)data, size);
	check_stored(SPAN(data, size));
	check_repaired(text);
	check_time(text);
	return 0;
}
