/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/words.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

/* How many times 1024 a unit stands for; -1 when it is none. */
static int unit_power(const char *unit)
{
	static const char letters[] = "KMGT";
	if (unit[0] == '\0' || strcmp(unit, "B") == 0)
		return 0;
	const char *letter = strchr(letters, toupper((unsigned char)unit[0]));
	if (!letter || (unit[1] != '\0' && strcmp(unit + 1, "iB") != 0))
		return -1;
	return (int)(letter - letters) + 1;
}

bool words_parse_size(const char *option, const char *text, uint64_t *ret, struct err **errp)
{
	char *unit = NULL;
	errno = 0;
	unsigned long long number = isdigit((unsigned char)text[0]) ? strtoull(text, &unit, 10) : 0;
	int power = unit ? unit_power(unit) : -1;
	if (power < 0 || errno != 0 || number == 0)
		return err_set(errp, ERR_USAGE, "--%s '%s' is not a size, as 512M or 20G", option, text);
	uint64_t factor = UINT64_C(1) << (10 * power), size;
	if (__builtin_mul_overflow((uint64_t)number, factor, &size))
		return err_set(errp, ERR_USAGE, "--%s '%s' is more than any disk holds", option, text);
	*ret = size;
	return true;
}

bool words_parse_number(const char *option, const char *text, unsigned min, unsigned max, unsigned *ret,
			struct err **errp)
{
	char *end = NULL;
	errno = 0;
	unsigned long number = isdigit((unsigned char)text[0]) ? strtoul(text, &end, 10) : 0;
	if (!end || *end != '\0' || errno != 0 || number < min || number > max)
		return err_set(errp, ERR_USAGE, "--%s '%s' is not a number from %u to %u", option, text, min, max);
	*ret = (unsigned)number;
	return true;
}

static char *two_parts(uint64_t big, const char *big_unit, uint64_t small, const char *small_unit,
		       char text[WORDS_SIZE])
{
	if (small == 0)
		snprintf(text, WORDS_SIZE, "%llu %s", (unsigned long long)big, big_unit);
	else
		snprintf(text, WORDS_SIZE, "%llu %s %llu %s", (unsigned long long)big, big_unit,
			 (unsigned long long)small, small_unit);
	return text;
}

char *words_duration(double seconds, char text[WORDS_SIZE])
{
	if (seconds < 9.95) {
		snprintf(text, WORDS_SIZE, "%.1f s", seconds);
		return text;
	}
	uint64_t s = (uint64_t)(seconds + 0.5);
	if (s < 60)
		return two_parts(s, "s", 0, "", text);
	if (s < 3600)
		return two_parts(s / 60, "min", s % 60, "s", text);
	if (s < 86400)
		return two_parts(s / 3600, "h", s % 3600 / 60, "min", text);
	return two_parts(s / 86400, s < 2 * 86400 ? "day" : "days", s % 86400 / 3600, "h", text);
}

static size_t name_length(const char *text)
{
	size_t n = 0;
	while (isalnum((unsigned char)text[n]) || text[n] == '-' || text[n] == '_')
		n++;
	return text[n] == '=' ? n : 0;
}

bool words_split_disk(const char *text, char **ret_name, const char **ret_path, struct err **errp)
{
	size_t len = name_length(text);
	const char *path = len ? text + len + 1 : text;
	if (path[0] == '\0')
		return err_set(errp, ERR_USAGE, "--disk '%s' names no path", text);
	char *name = len ? strndup(text, len) : NULL;
	if (len && !name)
		return err_set_no_memory(errp);
	*ret_name = name;
	*ret_path = path;
	return true;
}

char *words_make_printable(char *text)
{
	for (size_t at = 0, left = strlen(text), step; left > 0; at += step, left -= step) {
		size_t len = utf8_character(SPAN(text + at, left));
		struct span character = SPAN(text + at, len);
		if (utf8_is_control(character) || utf8_turns_direction(character))
			memset(text + at, '?', len);
		step = len > 0 ? len : 1;
	}
	return text;
}
