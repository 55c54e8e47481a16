/* SPDX-License-Identifier: Apache-2.0 */
/* Key files are kept for years, on paper and in safes, and typed in on bad days: errors say what is wrong with the
 * file. */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "storage/identity.h"

#define FAMILY "SALVOR-KEY-"
#define VERSION_1 FAMILY "1 "

enum {
	FILE_MAX = 65536,
	MATERIAL_DIGITS = 2 * MATERIAL_SIZE,
	CHECK_SIZE = 4,
	CHECK_DIGITS = 2 * CHECK_SIZE,
	KEY_DIGITS = MATERIAL_DIGITS + 1 + CHECK_DIGITS,
};

static bool checksum(const uint8_t material[MATERIAL_SIZE], uint8_t ret[HASH_SIZE], struct err **errp)
{
	const struct span part = SPAN(material, MATERIAL_SIZE);
	return crypto_sha256(&part, 1, ret, errp);
}

/* "<material> <check>", all behind the version. */
static bool parse_key(struct span digits, uint8_t ret[MATERIAL_SIZE], struct err **errp)
{
	char text[KEY_DIGITS + 1];
	uint8_t material[MATERIAL_SIZE], check[CHECK_SIZE], hash[HASH_SIZE];
	if (digits.len != KEY_DIGITS)
		return err_set(errp, ERR_CORRUPT, "the key has %zu characters where it must have %d", digits.len,
			       KEY_DIGITS);
	memcpy(text, digits.data, KEY_DIGITS);
	text[KEY_DIGITS] = '\0';
	bool well_formed = text[MATERIAL_DIGITS] == ' ' && hex_decode(text + MATERIAL_DIGITS + 1, check, CHECK_SIZE);
	text[MATERIAL_DIGITS] = '\0';
	well_formed = well_formed && hex_decode(text, material, MATERIAL_SIZE);
	crypto_wipe(text, sizeof(text));
	if (!well_formed)
		return err_set(errp, ERR_CORRUPT, "the key has a character that is not a lower-case hexadecimal digit");
	bool hashed = checksum(material, hash, errp);
	bool right = hashed && memcmp(hash, check, CHECK_SIZE) == 0;
	if (right)
		memcpy(ret, material, MATERIAL_SIZE);
	crypto_wipe(material, sizeof(material));
	return right || (hashed && err_set(errp, ERR_CORRUPT, "the key does not match its checksum: a digit is wrong"));
}

static bool begins_with(struct span line, struct span start)
{
	return line.len >= start.len && memcmp(line.data, start.data, start.len) == 0;
}

static bool parse_line(struct span line, uint8_t ret[MATERIAL_SIZE], struct err **errp)
{
	const struct span version = SPAN_TEXT(VERSION_1);
	if (!begins_with(line, SPAN_TEXT(FAMILY)))
		return err_set(errp, ERR_USAGE, "this is not a key file");
	if (!begins_with(line, version))
		return err_set(errp, ERR_UNSUPPORTED,
			       "the key is of a version that this program does not know (it knows 1)");
	return parse_key(SPAN((const uint8_t *)line.data + version.len, line.len - version.len), ret, errp);
}

/* Takes one line off the text, without its end; a CR before the LF belongs to the end. */
static struct span next_line(struct span *text)
{
	const uint8_t *start = text->data, *end = memchr(start, '\n', text->len);
	size_t len = end ? (size_t)(end - start) : text->len;
	size_t taken = end ? len + 1 : len;
	*text = SPAN(start + taken, text->len - taken);
	return SPAN(start, len > 0 && start[len - 1] == '\r' ? len - 1 : len);
}

bool key_file_parse(struct span text, uint8_t ret_material[MATERIAL_SIZE], struct err **errp)
{
	struct span key = SPAN_NONE;
	while (text.len > 0) {
		struct span line = next_line(&text);
		if (line.len == 0 || *(const uint8_t *)line.data == '#')
			continue;
		if (key.data)
			return err_set(errp, begins_with(key, SPAN_TEXT(FAMILY)) ? ERR_CORRUPT : ERR_USAGE,
				       "a key file has one line only that is no comment");
		key = line;
	}
	if (!key.data)
		return err_set(errp, ERR_USAGE, "there is no key in it");
	return parse_line(key, ret_material, errp);
}

/* Some other file was named; nothing is damaged. */
static bool explain_size(const char *path, struct err **errp)
{
	err_clear(errp);
	return err_set(errp, ERR_USAGE, "'%s' is not a key file: it is too large for one", path);
}

bool key_file_read(const char *path, uint8_t ret_material[MATERIAL_SIZE], struct err **errp)
{
	AUTO(bytes_release) struct bytes text = {0};
	if (!file_read_all(path, FILE_MAX, &text, errp))
		return err_code(*errp) == ERR_CORRUPT ? explain_size(path, errp) : err_prefix(errp, "key file");
	bool parsed = key_file_parse(bytes_span(&text), ret_material, errp);
	if (text.len > 0)
		crypto_wipe(text.data, text.len);
	if (parsed)
		return true;
	err_about(errp, "%s", path);
	return err_prefix(errp, "key file '%s'", path);
}

/* "# " before each line of the comment, and the key line. */
static bool format(const char *comment, const uint8_t material[MATERIAL_SIZE], struct bytes *ret, struct err **errp)
{
	uint8_t hash[HASH_SIZE];
	char digits[MATERIAL_DIGITS + 1], check[CHECK_DIGITS + 1];
	if (!checksum(material, hash, errp))
		return false;
	for (const char *line = comment; *line;) {
		size_t len = strcspn(line, "\n");
		bytes_put(ret, "# ", 2);
		bytes_put(ret, line, len);
		bytes_put(ret, "\n", 1);
		line += len + (line[len] == '\n');
	}
	bytes_put(ret, VERSION_1, sizeof(VERSION_1) - 1);
	bytes_put(ret, hex_encode(material, MATERIAL_SIZE, digits), MATERIAL_DIGITS);
	bytes_put(ret, " ", 1);
	bytes_put(ret, hex_encode(hash, CHECK_SIZE, check), CHECK_DIGITS);
	bytes_put(ret, "\n", 1);
	crypto_wipe(digits, sizeof(digits));
	return bytes_ok(ret) || err_set_no_memory(errp);
}

bool key_file_write(const char *path, const char *comment, const uint8_t material[MATERIAL_SIZE], struct err **errp)
{
	AUTO(freep) char *for_folder = strdup(path);
	AUTO(freep) char *for_name = strdup(path);
	if (!for_folder || !for_name)
		return err_set_no_memory(errp);
	const char *folder = dirname(for_folder);
	AUTO(bytes_release) struct bytes text;
	bytes_init(&text, FILE_MAX);
	bytes_extend(&text, FILE_MAX); /* all the room at once: growing would leave copies of the key behind */
	bytes_clear(&text);
	bool done = format(comment, material, &text, errp) &&
		    file_create_once(folder, basename(for_name), folder, bytes_span(&text), 0600, errp);
	if (text.len > 0)
		crypto_wipe(text.data, text.len);
	return done || err_prefix(errp, "key file");
}
