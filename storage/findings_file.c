/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file `scrub-findings`, replaced as a whole; integers little-endian:
 *
 *   "SLVRFIND" u16 version=1 u16 0   u64 ended_ns, for sizes, digests and contents
 *   for each of these: u64 found_ns  u64 damaged objects  u32 n, each: text object  text reason
 *                      u32 n, each: session16 u8 judgement (1 may be hurt, 2 hurt) streams[32] u8 n, each: u32 object
 *   u32 n, each: session16 u8 levels        sha256[32] of all before
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/checksum.h"
#include "storage/findings.h"
#include "storage/format_parts.h"

#define MAGIC "SLVRFIND"

enum {
	FILE_MAX = 64 << 20,
	ITEM_MIN = 2 + 2,
	POINT_MIN = SESSION_SIZE + 1 + POINT_STREAMS_MAX / 8 + 1,
	COVERED_SIZE = SESSION_SIZE + 1,
};

/* Room for a counted array, of which there are bytes enough; NULL with or without an error. */
static void *parse_count(struct cursor *cursor, size_t least, size_t size, uint32_t *ret_n, struct err **errp)
{
	uint32_t n = cursor_u32(cursor);
	void *items = cursor_ok(cursor) && n <= cursor->left / least ? calloc(n + (size_t)1, size) : NULL;

	if (items)
		*ret_n = n;
	else if (cursor_ok(cursor) && n <= cursor->left / least)
		err_set_no_memory(errp);
	else
		err_set(errp, ERR_CORRUPT, "findings of scrubs that are too short");
	return items;
}

static bool parse_items(struct cursor *cursor, struct findings_section *section, struct err **errp)
{
	uint32_t n;

	section->items = parse_count(cursor, ITEM_MIN, sizeof(*section->items), &n, errp);
	if (!section->items)
		return false;
	for (; section->n < n; section->n++) {
		format_text(cursor, section->items[section->n].object, 0, FINDING_OBJECT_MAX + 1);
		format_text(cursor, section->items[section->n].reason, 0, FINDING_REASON_MAX + 1);
	}
	return true;
}

static bool parse_point(struct cursor *cursor, const struct findings_section *section, struct findings_point *point)
{
	uint8_t judgement;

	format_session(cursor, &point->session);
	judgement = cursor_u8(cursor);
	cursor_copy(cursor, point->streams, sizeof(point->streams));
	point->n_objects = cursor_u8(cursor);
	if ((judgement != POINT_MAY_BE_HURT && judgement != POINT_HURT) || point->n_objects > FINDING_POINT_OBJECTS)
		return false;
	point->judgement = (enum judgement)judgement;
	for (size_t i = 0; i < point->n_objects; i++) {
		point->objects[i] = cursor_u32(cursor);
		if (point->objects[i] >= section->n)
			return false;
	}
	return cursor_ok(cursor);
}

static bool parse_points(struct cursor *cursor, struct findings_section *section, struct err **errp)
{
	uint32_t n;

	section->points = parse_count(cursor, POINT_MIN, sizeof(*section->points), &n, errp);
	if (!section->points)
		return false;
	for (; section->n_points < n; section->n_points++) {
		struct findings_point *point = &section->points[section->n_points];
		if (!parse_point(cursor, section, point) ||
		    (section->n_points > 0 && session_id_compare(&point[-1].session, &point->session) >= 0))
			return err_set(errp, ERR_CORRUPT, "findings of scrubs with a point that cannot be");
	}
	return true;
}

static bool parse_covered(struct cursor *cursor, struct findings *findings, struct err **errp)
{
	uint32_t n;

	findings->covered = parse_count(cursor, COVERED_SIZE, sizeof(*findings->covered), &n, errp);
	if (!findings->covered)
		return false;
	for (; findings->n_covered < n; findings->n_covered++) {
		struct findings_covered *covered = &findings->covered[findings->n_covered];
		format_session(cursor, &covered->session);
		covered->levels = cursor_u8(cursor);
		if (findings->n_covered > 0 && session_id_compare(&covered[-1].session, &covered->session) >= 0)
			return err_set(errp, ERR_CORRUPT, "findings of scrubs whose sessions do not ascend");
	}
	return true;
}

static bool parse_section(struct cursor *cursor, struct findings_section *section, struct err **errp)
{
	section->found_ns = cursor_u64(cursor);
	section->n_damaged = cursor_u64(cursor);
	return parse_items(cursor, section, errp) && parse_points(cursor, section, errp);
}

bool findings_parse(struct span body, struct findings *ret, struct err **errp)
{
	AUTO(findings_release) struct findings findings = {0};
	struct cursor cursor;

	cursor_init(&cursor, body);
	if (!format_begin(&cursor, MAGIC, "findings of scrubs", errp))
		return false;
	for (size_t i = 0; i < FINDINGS_LEVELS; i++)
		findings.ended_ns[i] = cursor_u64(&cursor);
	for (size_t i = 0; i < FINDINGS_LEVELS; i++)
		if (!parse_section(&cursor, &findings.sections[i], errp))
			return false;
	if (!parse_covered(&cursor, &findings, errp))
		return false;
	if (!cursor_done(&cursor))
		return err_set(errp, ERR_CORRUPT, "findings of scrubs that end too early, or too late");
	*ret = findings;
	findings = (struct findings){0};
	return true;
}

static void put_section(struct bytes *file, const struct findings_section *section)
{
	bytes_u64(file, section->found_ns);
	bytes_u64(file, section->n_damaged);
	bytes_u32(file, (uint32_t)section->n);
	for (size_t i = 0; i < section->n; i++) {
		bytes_text(file, section->items[i].object);
		bytes_text(file, section->items[i].reason);
	}
	bytes_u32(file, (uint32_t)section->n_points);
	for (size_t i = 0; i < section->n_points; i++) {
		const struct findings_point *point = &section->points[i];
		format_put_session(file, &point->session);
		bytes_u8(file, (uint8_t)point->judgement);
		bytes_put(file, point->streams, sizeof(point->streams));
		bytes_u8(file, point->n_objects);
		for (size_t k = 0; k < point->n_objects; k++)
			bytes_u32(file, point->objects[k]);
	}
}

static bool encode(const struct findings *findings, struct bytes *ret, struct err **errp)
{
	bytes_init(ret, FILE_MAX);
	format_put_begin(ret, MAGIC);
	for (size_t i = 0; i < FINDINGS_LEVELS; i++)
		bytes_u64(ret, findings->ended_ns[i]);
	for (size_t i = 0; i < FINDINGS_LEVELS; i++)
		put_section(ret, &findings->sections[i]);
	bytes_u32(ret, (uint32_t)findings->n_covered);
	for (size_t i = 0; i < findings->n_covered; i++) {
		format_put_session(ret, &findings->covered[i].session);
		bytes_u8(ret, findings->covered[i].levels);
	}
	return checksum_append(ret, errp);
}

/* NULL without an error where nothing is remembered. */
static char *path_of(const struct repository *repository, struct err **errp)
{
	const char *folder = repository_state_path(repository);
	char *path = folder ? file_join(folder, "scrub-findings") : NULL;

	if (folder && !path)
		err_set_no_memory(errp);
	return path;
}

static bool read_file(const char *path, struct findings *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes file = {0};
	struct span body;
	bool holds;

	if (!file_read_all(path, FILE_MAX, &file, errp) || !checksum_split(bytes_span(&file), &body, &holds, errp))
		return false;
	return holds ? findings_parse(body, ret, errp)
		     : err_set(errp, ERR_CORRUPT, "findings of scrubs with a wrong checksum");
}

bool findings_load(const struct repository *repository, struct findings *ret, struct err **errp)
{
	AUTO(freep) char *path = path_of(repository, errp);

	*ret = (struct findings){0};
	if (!path)
		return !*errp;
	if (read_file(path, ret, errp))
		return true;
	if (err_is_of_run(err_code(*errp)))
		return false;
	err_clear(errp);
	return true;
}

bool findings_save(const struct repository *repository, const struct findings *findings, struct err **errp)
{
	AUTO(bytes_release) struct bytes file = {0};
	AUTO(freep) char *path = path_of(repository, errp);

	if (!path)
		return !*errp;
	return encode(findings, &file, errp) && file_replace(path, bytes_span(&file), 0600, errp);
}
