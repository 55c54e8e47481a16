/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/profile.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/crypto.h"

static const struct setting {
	const char *name;
	size_t offset; /* into struct s3_profile */
} settings[] = {
	{"aws_access_key_id", offsetof(struct s3_profile, access_key)},
	{"aws_secret_access_key", offsetof(struct s3_profile, secret)},
	{"aws_session_token", offsetof(struct s3_profile, token)},
	{"region", offsetof(struct s3_profile, region)},
	{"endpoint_url", offsetof(struct s3_profile, endpoint)},
	{"ca_bundle", offsetof(struct s3_profile, ca_bundle)},
};

static const char *const elsewhere[] = {"role_arn", "credential_process", "sso_session", "sso_start_url",
					"web_identity_token_file"};

static void wipe(char *text)
{
	if (text)
		crypto_wipe(text, strlen(text));
	free(text);
}

void s3_profile_release(struct s3_profile *profile)
{
	wipe(profile->secret);
	wipe(profile->token);
	free(profile->access_key);
	free(profile->region);
	free(profile->endpoint);
	free(profile->ca_bundle);
	free(profile->elsewhere);
	*profile = (struct s3_profile){0};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span trimmed(struct span text)
{
	const char *at = text.data;
	while (text.len > 0 && is_blank(at[0])) {
		at++;
		text.len--;
	}
	while (text.len > 0 && is_blank(at[text.len - 1]))
		text.len--;
	return SPAN(at, text.len);
}

static bool is_text(struct span span, const char *text)
{
	return span.len == strlen(text) && (span.len == 0 || memcmp(span.data, text, span.len) == 0);
}

static bool begins_with(struct span span, const char *text)
{
	return span.len >= strlen(text) && memcmp(span.data, text, strlen(text)) == 0;
}

/* The line is "[name]", or "[profile name]" in the configuration. */
static bool is_section_of(struct span line, enum s3_profile_file file, const char *name)
{
	const char *text = line.data;
	if (text[line.len - 1] != ']')
		return false;
	struct span section = trimmed(SPAN(text + 1, line.len - 2));
	if (file == S3_PROFILE_CREDENTIALS || (strcmp(name, "default") == 0 && is_text(section, name)))
		return is_text(section, name);
	if (!begins_with(section, "profile") || section.len < 8 || !is_blank(((const char *)section.data)[7]))
		return false;
	return is_text(trimmed(SPAN((const char *)section.data + 7, section.len - 7)), name);
}

static bool keep(char **field, struct span value, struct err **errp)
{
	if (*field || value.len == 0)
		return true;
	if (memchr(value.data, '\0', value.len))
		return err_set(errp, ERR_USAGE, "there is a NUL in it");
	*field = strndup(value.data, value.len);
	return *field || err_set_no_memory(errp);
}

static bool take_setting(struct span line, struct s3_profile *profile, struct err **errp)
{
	const char *text = line.data, *equals = memchr(text, '=', line.len);
	if (!equals)
		return err_set(errp, ERR_USAGE, "a setting is NAME = VALUE");
	struct span name = trimmed(SPAN(text, (size_t)(equals - text)));
	struct span value = trimmed(SPAN(equals + 1, line.len - (size_t)(equals + 1 - text)));
	for (size_t i = 0; i < ARRAY_LENGTH(settings); i++)
		if (is_text(name, settings[i].name))
			return keep((char **)((char *)profile + settings[i].offset), value, errp);
	for (size_t i = 0; i < ARRAY_LENGTH(elsewhere); i++)
		if (is_text(name, elsewhere[i]))
			return keep(&profile->elsewhere, name, errp);
	return true;
}

/* The next line without its end; false behind the last one. */
static bool next_line(struct span *rest, struct span *ret)
{
	if (rest->len == 0)
		return false;
	const char *text = rest->data, *end = memchr(text, '\n', rest->len);
	size_t len = end ? (size_t)(end - text) : rest->len;
	*ret = SPAN(text, len);
	*rest = SPAN(text + len, rest->len - len);
	if (end)
		*rest = SPAN(end + 1, rest->len - 1);
	return true;
}

/* Indented lines belong to a setting above that is none of ours. */
static bool is_passed_over(struct span line)
{
	const char *text = line.data;
	return line.len == 0 || is_blank(text[0]) || text[0] == '#' || text[0] == ';';
}

bool s3_profile_parse(struct span text, enum s3_profile_file file, const char *name, struct s3_profile *profile,
		      bool *ret_found, struct err **errp)
{
	bool inside = false, found = false;
	unsigned number = 0;
	for (struct span line; next_line(&text, &line);) {
		number++;
		if (is_passed_over(line))
			continue;
		line = trimmed(line);
		if (*(const char *)line.data == '[') {
			inside = is_section_of(line, file, name);
			found = found || inside;
		} else if (inside && !take_setting(line, profile, errp)) {
			return err_prefix(errp, "line %u", number);
		}
	}
	*ret_found = found;
	return true;
}
