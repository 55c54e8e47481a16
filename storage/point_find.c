/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/edit_distance.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "storage/point.h"

#define PREFIX_MIN 6
#define NAMES_SHOWN 3
#define CANDIDATES_SHOWN 8
#define POINT_TEXT_SIZE (2 * POINT_ID_SIZE + 1)

struct nearest {
	const char *names[NAMES_SHOWN];
	size_t distances[NAMES_SHOWN];
	size_t n;
};

static void offer_name(struct nearest *nearest, const char *name, size_t distance)
{
	size_t at = nearest->n;

	for (size_t i = 0; i < nearest->n; i++)
		if (strcmp(nearest->names[i], name) == 0)
			return;
	while (at > 0 && nearest->distances[at - 1] > distance)
		at--;
	if (at == NAMES_SHOWN)
		return;
	if (nearest->n < NAMES_SHOWN)
		nearest->n++;
	for (size_t i = nearest->n - 1; i > at; i--) {
		nearest->names[i] = nearest->names[i - 1];
		nearest->distances[i] = nearest->distances[i - 1];
	}
	nearest->names[at] = name;
	nearest->distances[at] = distance;
}

/* Why what was asked for may be missing: a phrase, and the first object of it. */
static const char *trouble_note(const struct point_list *list)
{
	if (list->n_damaged > 0)
		return "; some objects could not be read, the first is ";
	return list->n_vanished > 0 ? "; something that was here has vanished, the first is " : "";
}

static const char *first_trouble(const struct point_list *list)
{
	if (list->n_damaged > 0)
		return list->damaged[0];
	return list->n_vanished > 0 ? list->vanished[0].text : "";
}

/* What cannot be read may be what was asked for: then it is not missing, but damaged. */
static enum err_code code_of_missing(const struct point_list *list)
{
	return list->n_damaged > 0 ? ERR_CORRUPT : ERR_NOT_FOUND;
}

static bool name_first_trouble(const struct point_list *list, struct err **errp)
{
	const char *object = first_trouble(list);

	return *object ? err_about(errp, "%.*s", (int)strcspn(object, ":"), object) : false;
}

static bool no_workload(const struct point_list *list, const char *name, struct err **errp)
{
	struct nearest nearest = {0};

	if (strlen(name) <= WORKLOAD_NAME_MAX)
		for (size_t i = 0; i < list->n; i++)
			offer_name(&nearest, list->points[i].workload, edit_distance(list->points[i].workload, name));
	err_set(errp, code_of_missing(list), "there is no point of '%s'%s%s%s%s%s%s%s%s", name,
		nearest.n > 0 ? "; nearest: " : "", nearest.n > 0 ? nearest.names[0] : "", nearest.n > 1 ? ", " : "",
		nearest.n > 1 ? nearest.names[1] : "", nearest.n > 2 ? ", " : "", nearest.n > 2 ? nearest.names[2] : "",
		trouble_note(list), first_trouble(list));
	return name_first_trouble(list, errp);
}

static struct point *newest_not_after(struct point_list *list, const char *name, uint64_t ns)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->points[i].workload, name) == 0 && list->points[i].cut_ns <= ns)
			return &list->points[i];
	return NULL;
}

/* Clocks of writers decide what is newest, so whoever chooses by time may want to know when the writer changes. */
static void note_writer_before(const struct point_list *list, struct point *point)
{
	for (const struct point *before = point + 1; before < list->points + list->n; before++) {
		if (strcmp(before->workload, point->workload) != 0)
			continue;
		memcpy(point->writer_before, before->session.writer, WRITER_SIZE);
		return;
	}
}

/* Of which workload a commit was that cannot be read nobody can say; only what its writer made before is older. */
static void note_missed(const struct session_id *session, struct point *point)
{
	bool before = memcmp(session->writer, point->session.writer, WRITER_SIZE) == 0 &&
		      session->number < point->session.number;

	if (!before && !point->missed[0])
		object_name_session('c', session, point->missed);
}

static void note_all_missed(const struct point_list *list, struct point *point)
{
	for (size_t i = 0; i < list->n_damaged; i++) {
		char name[OBJECT_NAME_SIZE] = "";
		struct session_id session;
		size_t len = strcspn(list->damaged[i], ":");
		if (len < sizeof(name))
			memcpy(name, list->damaged[i], len);
		if (object_name_parse_session('c', name, &session))
			note_missed(&session, point);
	}
	for (size_t i = 0; i < list->n_vanished; i++) {
		const struct vanished_point *vanished = &list->vanished[i];
		bool older = vanished->before_ns != 0 && vanished->before_ns <= point->cut_ns;
		if (vanished->session.number != 0 && !older)
			note_missed(&vanished->session, point);
	}
}

/* `name@selector`, the newest first. */
static struct point *select_by_time(struct point_list *list, const char *name, const char *selector, struct err **errp)
{
	uint64_t ns = UINT64_MAX;

	if (strcmp(selector, "latest") != 0 && !clock_parse(selector, &ns)) {
		err_set(errp, ERR_USAGE, "'%s' is neither 'latest' nor a time, as in %s@2026-11-22T07:00", selector,
			name);
		return NULL;
	}
	if (!newest_not_after(list, name, UINT64_MAX)) {
		no_workload(list, name, errp);
		return NULL;
	}
	struct point *point = newest_not_after(list, name, ns);
	if (point) {
		note_writer_before(list, point);
		note_all_missed(list, point);
	} else {
		err_set(errp, ERR_NOT_FOUND, "'%s' has no point at or before %s; 'salvor points' lists what it has",
			name, selector);
	}
	return point;
}

static bool is_prefix(const char *text)
{
	size_t len = strlen(text);

	return len >= PREFIX_MIN && len <= 2 * POINT_ID_SIZE && strspn(text, "0123456789abcdef") == len;
}

static bool matches(const struct point *point, const char *prefix, char text[POINT_TEXT_SIZE])
{
	return strncmp(hex_encode(point->id, POINT_ID_SIZE, text), prefix, strlen(prefix)) == 0;
}

static void name_candidates(const struct point_list *list, const char *prefix, struct err **errp)
{
	AUTO(bytes_release) struct bytes text;
	char id[POINT_TEXT_SIZE], time[CLOCK_TEXT_SIZE];
	size_t shown = 0;

	bytes_init(&text, 1u << 16);
	for (size_t i = 0; i < list->n && shown < CANDIDATES_SHOWN; i++) {
		const struct point *point = &list->points[i];
		if (!matches(point, prefix, id))
			continue;
		clock_format(point->cut_ns, time);
		AUTO(freep) char *one = file_format("%s%.16s (%s@%s)", shown++ ? ", " : "", id, point->workload, time);
		if (one)
			bytes_put(&text, one, strlen(one));
	}
	bytes_u8(&text, 0);
	err_set(errp, ERR_USAGE, "'%s' may be any of %s", prefix,
		bytes_ok(&text) ? (const char *)text.data : "several points");
}

static struct point *select_by_prefix(struct point_list *list, const char *prefix, struct err **errp)
{
	struct point *found = NULL;
	char text[POINT_TEXT_SIZE];

	for (size_t i = 0; i < list->n; i++) {
		if (!matches(&list->points[i], prefix, text))
			continue;
		if (found) {
			name_candidates(list, prefix, errp);
			return NULL;
		}
		found = &list->points[i];
	}
	if (!found) {
		err_set(errp, code_of_missing(list), "no point's id begins with '%s'; 'salvor points' lists them%s%s",
			prefix, trouble_note(list), first_trouble(list));
		name_first_trouble(list, errp);
	}
	return found;
}

static bool has_prefix(const struct point_list *list, const char *prefix)
{
	char text[POINT_TEXT_SIZE];

	for (size_t i = 0; i < list->n; i++)
		if (matches(&list->points[i], prefix, text))
			return true;
	return false;
}

static struct point *refuse_ambiguous(const char *text, struct err **errp)
{
	err_set(errp, ERR_USAGE, "'%s' is a workload, and begins the id of a point: say %s@latest, or more of the id",
		text, text);
	return NULL;
}

/* Without an @, a name or an id; which of them it is must not depend on what some writer calls its workload. */
static struct point *select_without_time(struct point_list *list, const char *text, struct err **errp)
{
	bool named = newest_not_after(list, text, UINT64_MAX);

	if (!is_prefix(text) || (named && !has_prefix(list, text)))
		return select_by_time(list, text, "latest", errp);
	return named ? refuse_ambiguous(text, errp) : select_by_prefix(list, text, errp);
}

/* Where the whole text is a workload's name, it splits only if it means a point of another workload, too. */
static bool splits(struct point_list *list, const char *text, const char *name, const char *selector)
{
	uint64_t ignored;
	bool is_time = strcmp(selector, "latest") == 0 || clock_parse(selector, &ignored);

	return !newest_not_after(list, text, UINT64_MAX) || (is_time && newest_not_after(list, name, UINT64_MAX));
}

/* A name may have an @ in it. */
static struct point *select_point(struct point_list *list, const char *text, struct err **errp)
{
	const char *at = strrchr(text, '@');

	if (!at)
		return select_without_time(list, text, errp);
	AUTO(freep) char *name = strndup(text, (size_t)(at - text));
	if (!name) {
		err_set_no_memory(errp);
		return NULL;
	}
	if (splits(list, text, name, at + 1))
		return select_by_time(list, name, at + 1, errp);
	return select_by_time(list, text, "latest", errp);
}

bool point_find(const struct repository *repository, const char *text, struct point *ret, struct err **errp)
{
	AUTO(point_list_release) struct point_list list = {0};

	if (!point_list_load(repository, NULL, &list, errp))
		return false;
	struct point *point = select_point(&list, text, errp);
	if (!point)
		return false;
	*ret = *point;
	*point = (struct point){0};
	return true;
}
