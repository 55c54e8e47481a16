/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/utf8.h"

enum { HOST_MAX = 255, BUCKET_MAX = 63, PREFIX_MAX = 512, REGION_MAX = 63 };

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* What stands before the bucket, and what it is for curl; NULL: there is no host in it. */
static const struct scheme {
	const char *written, *endpoint;
} schemes[] = {{"s3://", NULL}, {"s3+https://", "https://"}, {"s3+http://", "http://"}};

static const struct scheme *scheme_of(const char *url)
{
	for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++)
		if (strncasecmp(url, schemes[i].written, strlen(schemes[i].written)) == 0)
			return &schemes[i];
	return NULL;
}

bool s3_url_is_one(const char *url)
{
	return strncasecmp(url, "s3:", 3) == 0 || strncasecmp(url, "s3+", 3) == 0;
}

void s3_url_release(struct s3_url *url)
{
	free(url->endpoint);
	free(url->bucket);
	free(url->prefix);
	free(url->region);
	*url = (struct s3_url){0};
}

/* A part of the text, of which only `letters` are allowed, as a new string. */
static bool take(const char *text, size_t len, const char *letters, char **ret, struct err **errp)
{
	char *copy = strndup(text, len);
	if (!copy)
		return err_set_no_memory(errp);
	*ret = copy;
	if (strspn(copy, letters) == len)
		return true;
	return err_set(errp, ERR_USAGE, "'%s' has a letter that may not be in it", copy);
}

/* Length of ":443" at the start of text; 0 for none or for what is no port. */
static size_t port_length(const char *text, size_t len)
{
	if (len < 2 || text[0] != ':')
		return 0;
	size_t digits = strspn(text + 1, "0123456789");
	if (digits == 0 || digits > 5 || digits + 1 != len)
		return 0;
	unsigned long port = strtoul(text + 1, NULL, 10);
	return port >= 1 && port <= 65535 ? len : 0;
}

static bool has_credentials(struct err **errp)
{
	return err_set(errp, ERR_USAGE,
		       "there are credentials in it, where others see them: give them in AWS_ACCESS_KEY_ID and "
		       "AWS_SECRET_ACCESS_KEY");
}

/* Length of "KEY:SECRET@" behind a scheme; 0 for none. A secret may have slashes, and then what begins it is no port.
 */
static size_t credentials_length(const char *at)
{
	const size_t len = strcspn(at, "/?");
	const char *end = memrchr(at, '@', len), *colon = at[0] == '[' ? NULL : memchr(at, ':', len);
	if (!end && colon && port_length(colon, len - (size_t)(colon - at)) == 0)
		end = strrchr(at, '@');
	return end ? (size_t)(end + 1 - at) : 0;
}

char *s3_url_shown(const char *url)
{
	const char *scheme = strstr(url, "://");
	const size_t start = scheme ? (size_t)(scheme + 3 - url) : 0;
	return file_format("%.*s%s", (int)start, url, url + start + credentials_length(url + start));
}

/* host[:port], where the host may be an address in brackets. */
static bool check_authority(const char *text, size_t len, struct err **errp)
{
	if (memchr(text, '@', len))
		return has_credentials(errp);
	size_t host = len > 0 && text[0] == '[' ? strspn(text + 1, "0123456789abcdefABCDEF:.") + 1
						: strspn(text, LETTERS_AND_DIGITS "-._");
	if (host > len)
		host = len;
	if (host > 0 && text[0] == '[')
		host = host < len && text[host] == ']' ? host + 1 : 0;
	if (host == 0 || host > HOST_MAX)
		return err_set(errp, ERR_USAGE, "there is no host's name in it");
	if (host < len && port_length(text + host, len - host) == 0)
		return err_set(errp, ERR_USAGE, "what stands behind the host's name is no port");
	return true;
}

bool s3_url_check_endpoint(const char *endpoint, struct err **errp)
{
	size_t scheme = strncmp(endpoint, "https://", 8) == 0 ? 8 : strncmp(endpoint, "http://", 7) == 0 ? 7 : 0;
	size_t len = strlen(endpoint);
	if (scheme == 0)
		return err_set(errp, ERR_USAGE, "it begins with neither https:// nor http://");
	return check_authority(endpoint + scheme, len - scheme, errp);
}

static bool parse_endpoint(const struct scheme *scheme, const char **at, struct s3_url *url, struct err **errp)
{
	size_t len = strcspn(*at, "/?");
	if (!check_authority(*at, len, errp))
		return false;
	size_t start = strlen(scheme->endpoint);
	url->endpoint = calloc(1, start + len + 1);
	if (!url->endpoint)
		return err_set_no_memory(errp);
	memcpy(url->endpoint, scheme->endpoint, start);
	for (size_t i = 0; i < len; i++)
		url->endpoint[start + i] = (char)tolower((unsigned char)(*at)[i]);
	*at += len;
	*at += strspn(*at, "/");
	return true;
}

static bool parse_bucket(const char **at, struct s3_url *url, struct err **errp)
{
	size_t len = strcspn(*at, "/?");
	if (len == 0)
		return err_set(errp, ERR_USAGE, "there is no bucket in it");
	if (len < 3 || len > BUCKET_MAX || strspn(*at, "abcdefghijklmnopqrstuvwxyz0123456789-.") != len ||
	    !isalnum((unsigned char)(*at)[0]))
		return err_set(errp, ERR_USAGE,
			       "'%.*s' cannot be the name of a bucket: those have 3 to %d lower-case letters, digits, "
			       "'-' and '.'",
			       (int)len, *at, BUCKET_MAX);
	url->bucket = strndup(*at, len);
	if (!url->bucket)
		return err_set_no_memory(errp);
	*at += len;
	return true;
}

static bool part_is_allowed(const char *part, size_t len)
{
	return len > 0 && !(len == 1 && part[0] == '.') && !(len == 2 && part[0] == '.' && part[1] == '.');
}

/* What a path would swallow, what a terminal would act upon, and what would look encoded are not to be in it. */
static bool check_prefix(const char *prefix, struct err **errp)
{
	size_t len = strlen(prefix);
	if (len > PREFIX_MAX)
		return err_set(errp, ERR_USAGE, "the prefix is longer than %d bytes", PREFIX_MAX);
	for (const char *part = prefix; len > 0; part++) {
		size_t part_len = strcspn(part, "/");
		if (!part_is_allowed(part, part_len))
			return err_set(errp, ERR_USAGE, "a part of the prefix '%s' is empty, '.' or '..'", prefix);
		part += part_len;
		if (!*part)
			break;
	}
	for (struct span rest = SPAN(prefix, len); rest.len > 0;) {
		size_t letter = utf8_character(rest);
		if (letter == 0 || utf8_is_control(SPAN(rest.data, letter)) ||
		    utf8_turns_direction(SPAN(rest.data, letter)) || strchr("%#\\\"", *(const char *)rest.data))
			return err_set(errp, ERR_USAGE,
				       "the prefix has a letter that may not be in it (%% # \\ \" among them)");
		rest = SPAN((const char *)rest.data + letter, rest.len - letter);
	}
	return true;
}

static bool parse_prefix(const char **at, struct s3_url *url, struct err **errp)
{
	const char *start = *at + (**at == '/');
	size_t len = strcspn(start, "?");
	*at = start + len;
	if (len > 0 && start[len - 1] == '/')
		len--;
	url->prefix = strndup(start, len);
	return url->prefix ? check_prefix(url->prefix, errp) : err_set_no_memory(errp);
}

static bool word_is(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

static bool parse_style(const char *value, size_t len, struct s3_url *url, struct err **errp)
{
	if (word_is(value, len, "path"))
		url->style = S3_STYLE_PATH;
	else if (word_is(value, len, "host"))
		url->style = S3_STYLE_HOST;
	else
		return err_set(errp, ERR_USAGE, "style is 'path' or 'host', and not '%.*s'", (int)len, value);
	return true;
}

static bool parse_region(const char *value, size_t len, struct s3_url *url, struct err **errp)
{
	if (len == 0 || len > REGION_MAX || url->region)
		return err_set(errp, ERR_USAGE, "region names one region, as eu-central-1");
	return take(value, len, LETTERS_AND_DIGITS "-_", &url->region, errp) || err_prefix(errp, "region");
}

static bool parse_setting(const char *setting, size_t len, struct s3_url *url, struct err **errp)
{
	const char *equals = memchr(setting, '=', len);
	size_t name = equals ? (size_t)(equals - setting) : len;
	if (equals && word_is(setting, name, "region"))
		return parse_region(equals + 1, len - name - 1, url, errp);
	if (equals && word_is(setting, name, "style"))
		return parse_style(equals + 1, len - name - 1, url, errp);
	return err_set(errp, ERR_USAGE,
		       "behind the '?' may stand region=NAME and style=path or style=host, and not '%.*s'", (int)len,
		       setting);
}

static bool parse_settings(const char *at, struct s3_url *url, struct err **errp)
{
	while (*at == '?' || *at == '&') {
		size_t len = strcspn(++at, "&");
		if (!parse_setting(at, len, url, errp))
			return false;
		at += len;
	}
	return true;
}

static bool parse(const char *text, struct s3_url *url, struct err **errp)
{
	const struct scheme *scheme = scheme_of(text);
	if (!scheme)
		return err_set(errp, ERR_USAGE, "it begins with none of s3://, s3+https:// and s3+http://");
	const char *at = text + strlen(scheme->written);
	if (credentials_length(at) > 0)
		return has_credentials(errp);
	return (!scheme->endpoint || parse_endpoint(scheme, &at, url, errp)) && parse_bucket(&at, url, errp) &&
	       parse_prefix(&at, url, errp) && parse_settings(at, url, errp);
}

bool s3_url_parse(const char *url, struct s3_url *ret, struct err **errp)
{
	struct s3_url parsed = {0};
	if (!parse(url, &parsed, errp)) {
		s3_url_release(&parsed);
		return false;
	}
	*ret = parsed;
	return true;
}
