/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Lead bytes with what they allow in the second byte; every further byte is 80 to BF. (Unicode, table 3-7) */
static const struct {
	uint8_t lead_min, lead_max, second_min, second_max, len;
} forms[] = {
	{0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool is_continuation(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

size_t utf8_character(struct span span)
{
	const uint8_t *at = span.data;
	for (size_t i = 0; span.len > 0 && i < ARRAY_LENGTH(forms); i++) {
		size_t len = forms[i].len;
		if (at[0] < forms[i].lead_min || at[0] > forms[i].lead_max)
			continue;
		if (len > span.len)
			return 0;
		if (len > 1 && (at[1] < forms[i].second_min || at[1] > forms[i].second_max))
			return 0;
		for (size_t j = 2; j < len; j++)
			if (!is_continuation(at[j]))
				return 0;
		return len;
	}
	return 0;
}

bool utf8_is_control(struct span character)
{
	const uint8_t *at = character.data;
	return (character.len == 1 && (at[0] < 0x20 || at[0] == 0x7f)) ||
	       (character.len == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

/* U+061C, U+200E and F, U+202A to E, U+2066 to 9. */
bool utf8_turns_direction(struct span character)
{
	const uint8_t *at = character.data;
	if (character.len == 2)
		return at[0] == 0xd8 && at[1] == 0x9c;
	if (character.len != 3 || at[0] != 0xe2)
		return false;
	return (at[1] == 0x80 && (at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xaa && at[2] <= 0xae))) ||
	       (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9);
}

static bool is_printable(struct span character)
{
	return !utf8_is_control(character) && !utf8_turns_direction(character);
}

static bool is_not_nul(struct span character)
{
	return ((const uint8_t *)character.data)[0] != '\0';
}

static bool all_are(struct span span, bool (*is)(struct span character))
{
	const uint8_t *at = span.data;
	for (size_t left = span.len, len; left > 0; at += len, left -= len) {
		len = utf8_character(SPAN(at, left));
		if (len == 0 || !is(SPAN(at, len)))
			return false;
	}
	return true;
}

bool utf8_is_text(struct span span)
{
	return all_are(span, is_not_nul);
}

bool utf8_is_printable(struct span span)
{
	return all_are(span, is_printable);
}

char *utf8_repair(const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t left = strlen(text);
	struct bytes repaired;
	bytes_init(&repaired, SIZE_MAX);
	while (left > 0) {
		size_t len = utf8_character(SPAN(text, left));
		if (len > 0)
			bytes_put(&repaired, text, len);
		else
			bytes_put(&repaired, replacement, sizeof(replacement) - 1);
		text += len > 0 ? len : 1;
		left -= len > 0 ? len : 1;
	}
	bytes_u8(&repaired, '\0');
	if (!bytes_ok(&repaired))
		bytes_release(&repaired);
	return (char *)repaired.data;
}
