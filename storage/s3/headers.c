/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/headers.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/compiler.h"

enum { VALUE_SIZE = 512 };

/* Digits only; moves behind them. */
static bool take_number(const char **at, uint64_t *ret)
{
	const size_t len = strspn(*at, "0123456789");
	if (len == 0 || len > 19)
		return false;
	*ret = strtoull(*at, NULL, 10);
	*at += len;
	return true;
}

static bool take_text(const char **at, const char *text)
{
	if (strncmp(*at, text, strlen(text)) != 0)
		return false;
	*at += strlen(text);
	return true;
}

/* RFC 9110, 14.4: "bytes 0-9/100" or "bytes * /100" without the blank. */
static void on_content_range(struct s3_headers *headers, const char *value)
{
	struct s3_headers found = {0};
	if (!take_text(&value, "bytes "))
		return;
	if (!take_text(&value, "*")) {
		if (!take_number(&value, &found.first) || !take_text(&value, "-") || !take_number(&value, &found.last))
			return;
		found.has_range = true;
	}
	found.has_size = take_text(&value, "/") && take_number(&value, &found.size);
	if (!found.has_size || *value || (found.has_range && (found.first > found.last || found.last >= found.size)))
		return;
	headers->has_range = found.has_range;
	headers->has_size = found.has_size;
	headers->first = found.first;
	headers->last = found.last;
	headers->size = found.size;
}

static void on_version(struct s3_headers *headers, const char *value)
{
	headers->versioned = true;
	if (strlen(value) < sizeof(headers->version) && strcmp(value, "null") != 0)
		memcpy(headers->version, value, strlen(value) + 1);
}

static void on_delete_marker(struct s3_headers *headers, const char *value)
{
	headers->delete_marker = strcasecmp(value, "true") == 0;
}

/* It goes into the name of a host. */
static void on_region(struct s3_headers *headers, const char *value)
{
	const size_t len = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-");
	if (len > 0 && len < sizeof(headers->region) && !value[len])
		memcpy(headers->region, value, len + 1);
}

static bool month_of(const char **at, int *ret)
{
	static const char months[] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";
	for (int i = 0; i < 12; i++)
		if (strncmp(*at, months + 4 * i, 4) == 0) {
			*ret = i;
			*at += 4;
			return true;
		}
	return false;
}

static bool take_part(const char **at, uint64_t max, const char *behind, int *ret)
{
	uint64_t number;
	if (!take_number(at, &number) || number > max || !take_text(at, behind))
		return false;
	*ret = (int)number;
	return true;
}

/* RFC 9110, 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale. */
static void on_date(struct s3_headers *headers, const char *value)
{
	struct tm tm = {0};
	int year;
	const char *comma = strchr(value, ',');
	if (!comma)
		return;
	value = comma + 1;
	if (!take_text(&value, " ") || !take_part(&value, 31, " ", &tm.tm_mday) || !month_of(&value, &tm.tm_mon) ||
	    !take_part(&value, 9999, " ", &year) || year < 1970 || !take_part(&value, 23, ":", &tm.tm_hour) ||
	    !take_part(&value, 59, ":", &tm.tm_min) || !take_part(&value, 60, " GMT", &tm.tm_sec) || year > 2500)
		return;
	tm.tm_year = year - 1900;
	headers->date_ns = (uint64_t)timegm(&tm) * 1000000000;
}

static void on_retry_after(struct s3_headers *headers, const char *value)
{
	uint64_t seconds;
	if (take_number(&value, &seconds) && !*value)
		headers->retry_after_s = seconds > 60 ? 60 : (uint32_t)seconds;
}

static void on_content_type(struct s3_headers *headers, const char *value)
{
	headers->html = strncasecmp(value, "text/html", 9) == 0;
}

static const struct known {
	const char *name;
	void (*take)(struct s3_headers *headers, const char *value);
} known[] = {
	{"content-range", on_content_range},
	{"x-amz-version-id", on_version},
	{"x-amz-delete-marker", on_delete_marker},
	{"x-amz-bucket-region", on_region},
	{"date", on_date},
	{"retry-after", on_retry_after},
	{"content-type", on_content_type},
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without the blanks around it; false when it does not fit, or has a NUL in it. */
static bool copy_value(const char *from, size_t len, char ret[VALUE_SIZE])
{
	while (len > 0 && is_blank(from[0])) {
		from++;
		len--;
	}
	while (len > 0 && is_blank(from[len - 1]))
		len--;
	if (len >= VALUE_SIZE || memchr(from, '\0', len))
		return false;
	memcpy(ret, from, len);
	ret[len] = '\0';
	return true;
}

void s3_headers_line(struct s3_headers *headers, struct span line)
{
	const char *text = line.data;
	char value[VALUE_SIZE];
	if (line.len >= 5 && memcmp(text, "HTTP/", 5) == 0) {
		*headers = (struct s3_headers){0};
		return;
	}
	const char *colon = line.len > 0 ? memchr(text, ':', line.len) : NULL;
	if (!colon || !copy_value(colon + 1, line.len - (size_t)(colon + 1 - text), value))
		return;
	for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
		if (strlen(known[i].name) == (size_t)(colon - text) &&
		    strncasecmp(known[i].name, text, (size_t)(colon - text)) == 0)
			known[i].take(headers, value);
}
