/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/known.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/pool.h"
#include "cli/receipt_report.h"
#include "cli/words.h"

#define FEW_POINTS 8 /* not worth a thread */

void known_release(struct known *known)
{
	for (size_t i = 0; known->receipts && i < known->n; i++) {
		if (known->receipts[i])
			receipt_release(known->receipts[i]);
		free(known->receipts[i]);
	}
	free(known->receipts);
	findings_release(&known->findings);
	*known = (struct known){0};
}

/* ---- receipts ---- */

struct reading {
	const struct repository *repository;
	const struct point_list *list;
	struct known *known;
	const struct session_id *sessions; /* that have receipts, ascending */
	size_t n_sessions;
	atomic_size_t next; /* point to be looked at */
};

static int compare_sessions(const void *a, const void *b)
{
	return session_id_compare(a, b);
}

static bool read_receipt(const struct reading *reading, size_t i, struct err **errp)
{
	const struct point *point = &reading->list->points[i];
	AUTO(receipt_release) struct receipt receipt = {0};
	bool found;

	if (!bsearch(&point->session, reading->sessions, reading->n_sessions, sizeof(*reading->sessions),
		     compare_sessions))
		return true;
	if (!receipt_find_newest(reading->repository, point, &receipt, &found, errp))
		return false;
	struct receipt *kept = found ? malloc(sizeof(*kept)) : NULL;
	if (!kept)
		return !found || err_set_no_memory(errp);
	*kept = receipt;
	receipt = (struct receipt){0};
	reading->known->receipts[i] = kept;
	return true;
}

static bool read_some(void *arg, struct err **errp)
{
	struct reading *reading = arg;

	for (size_t i; (i = atomic_fetch_add(&reading->next, 1)) < reading->list->n;)
		if (!read_receipt(reading, i, errp))
			return false;
	return true;
}

static void stop(void *arg)
{
	struct reading *reading = arg;

	atomic_store(&reading->next, reading->list->n);
}

static bool read_receipts(struct reading *reading, struct err **errp)
{
	if (reading->n_sessions == 0)
		return true;
	if (reading->list->n < FEW_POINTS)
		return read_some(reading, errp);
	struct pool *pool = pool_start("receipts", pool_processors(), read_some, stop, reading, errp);
	return pool && pool_join(pool, errp);
}

static bool load_receipts(const struct repository *repository, const struct point_list *list, struct known *known,
			  struct err **errp)
{
	struct reading reading = {.repository = repository, .list = list, .known = known};
	struct session_id *sessions = NULL;

	known->n = list->n;
	known->receipts = calloc(list->n + 1, sizeof(struct receipt *));
	if (!known->receipts)
		return err_set_no_memory(errp);
	known->verifications = repository_may(repository, ROLE_READ);
	if (!known->verifications)
		return true;
	if (!receipt_sessions(repository, &sessions, &reading.n_sessions, errp))
		return false;
	AUTO(freep) struct session_id *owned = sessions;
	reading.sessions = owned;
	return read_receipts(&reading, errp);
}

bool known_load(const struct repository *repository, const struct point_list *list, struct known *ret,
		struct err **errp)
{
	return findings_load(repository, &ret->findings, errp) && load_receipts(repository, list, ret, errp);
}

/* ---- what it says ---- */

const char *known_scrub_text(const struct findings_verdict *verdict)
{
	static const char *const texts[] = {
		[POINT_WHOLE] = "whole", [POINT_MAY_BE_HURT] = "may be hurt", [POINT_HURT] = "hurt"};

	return verdict->scrubbed ? texts[verdict->judgement] : "-";
}

const char *known_verified_text(const struct known *known, size_t i)
{
	if (!known->verifications)
		return "?";
	return known->receipts[i] ? receipt_verdict_text(known->receipts[i]->verdict) : "never";
}

bool known_hurt(const struct known *known, const struct point *point)
{
	struct findings_verdict verdict;

	findings_judge(&known->findings, &point->session, &verdict);
	return verdict.judgement != POINT_WHOLE;
}

bool known_passed(const struct known *known, size_t i)
{
	return known->receipts[i] && known->receipts[i]->verdict == RECEIPT_PASSED;
}

bool known_failed(const struct known *known, size_t i)
{
	return known->receipts[i] && known->receipts[i]->verdict == RECEIPT_FAILED;
}

static void append_object(void *arg, const struct finding *finding, enum scrub_level level, uint64_t found_ns)
{
	char time[CLOCK_TEXT_SIZE];
	struct json *json = json_new_object();

	json_set(json, "object", json_new_text(finding->object));
	json_set(json, "reason", json_new_text(finding->reason));
	json_set(json, "level", json_new_text(scrub_level_text(level)));
	json_set(json, "time", json_new_text(clock_format(found_ns, time)));
	json_append(arg, json);
}

struct json *known_scrub_to_json(const struct findings *findings, const struct point *point)
{
	static const char *const words[] = {
		[POINT_WHOLE] = "whole", [POINT_MAY_BE_HURT] = "may-be-hurt", [POINT_HURT] = "hurt"};
	struct findings_verdict verdict;
	char time[CLOCK_TEXT_SIZE];

	findings_judge(findings, &point->session, &verdict);
	if (!verdict.scrubbed)
		return json_new_null();
	struct json *json = json_new_object(), *streams = json_new_array(), *damaged = json_new_array();
	json_set(json, "verdict", json_new_text(words[verdict.judgement]));
	json_set(json, "level", json_new_text(scrub_level_text(verdict.level)));
	json_set(json, "time", json_new_text(clock_format(verdict.when_ns, time)));
	for (size_t i = 0; i < point->n_streams; i++)
		if (verdict.streams[i / 8] & 1u << i % 8)
			json_append(streams, json_new_text(point->streams[i].name));
	json_set(json, "streams", streams);
	findings_each_object(findings, &point->session, append_object, damaged);
	json_set(json, "damaged", damaged);
	return json;
}

void known_warn_of_damage(const struct repository *repository, const struct point *point)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(findings_release) struct findings findings = {0};
	struct findings_verdict verdict;
	char time[CLOCK_TEXT_SIZE];

	if (!findings_load(repository, &findings, &err))
		return;
	findings_judge(&findings, &point->session, &verdict);
	if (verdict.judgement == POINT_WHOLE || !verdict.scrubbed)
		return;
	AUTO(freep) char *workload = strdup(point->workload);
	log_warning("this point is %s, as a scrub of %s found: what is damaged and nowhere else cannot be read; "
		    "'salvor points %s' shows which others are whole",
		    known_scrub_text(&verdict), clock_format(verdict.when_ns, time),
		    workload ? words_make_printable(workload) : "");
}
