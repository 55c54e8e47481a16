/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "cli/known.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/table.h"
#include "cli/words.h"
#include "storage/heads.h"

/* Clocks of two machines that are both right differ by less. */
#define CLOCKS_DIFFER_NS (60 * UINT64_C(1000000000))

/* A workload, in the order of newest points. */
struct summary {
	const struct point *newest;
	const struct point *verified;	/* the newest one that passed and is not known to be hurt; NULL: none */
	const struct point *unhurt;	/* the newest one that is not known to be hurt; likewise */
	const struct point *tried;	/* the newest one that was verified, whatever came of it; likewise */
	const struct receipt *of_tried; /* what came of it */
	uint64_t n, hurt, may_be_hurt, failed;
};

struct summaries {
	struct summary *items;
	size_t n;
	struct known known;
};

static void summaries_release(struct summaries *summaries)
{
	free(summaries->items);
	known_release(&summaries->known);
}

static struct summary *find_summary(const struct summaries *summaries, const struct point *point)
{
	for (size_t i = 0; i < summaries->n; i++)
		if (strcmp(summaries->items[i].newest->workload, point->workload) == 0)
			return &summaries->items[i];
	return NULL;
}

static void set_once(const struct point **place, const struct point *point)
{
	if (!*place)
		*place = point;
}

/* Points come newest first. */
static void add_point(struct summary *summary, const struct known *known, const struct point *point, size_t i)
{
	struct findings_verdict verdict;
	findings_judge(&known->findings, &point->session, &verdict);
	bool unhurt = verdict.judgement == POINT_WHOLE;
	set_once(&summary->newest, point);
	if (unhurt)
		set_once(&summary->unhurt, point);
	if (unhurt && known_passed(known, i))
		set_once(&summary->verified, point);
	if (!summary->tried && known->receipts[i]) {
		summary->tried = point;
		summary->of_tried = known->receipts[i];
	}
	summary->n++;
	summary->hurt += verdict.judgement == POINT_HURT;
	summary->may_be_hurt += verdict.judgement == POINT_MAY_BE_HURT;
	summary->failed += known_failed(known, i);
}

static bool summarise(const struct repository *repository, const struct point_list *list, struct summaries *ret,
		      struct err **errp)
{
	ret->items = calloc(list->n + 1, sizeof(*ret->items));
	if (!ret->items)
		return err_set_no_memory(errp);
	if (!known_load(repository, list, &ret->known, errp))
		return false;
	for (size_t i = 0; i < list->n; i++) {
		struct summary *summary = find_summary(ret, &list->points[i]);
		add_point(summary ? summary : &ret->items[ret->n++], &ret->known, &list->points[i], i);
	}
	return true;
}

/* ---- what needs a person ---- */

static void tell_hurt(struct context *context, const struct summary *summary)
{
	AUTO(freep) char *unhurt = summary->unhurt ? point_name_text(summary->unhurt) : NULL;
	uint64_t all = summary->hurt + summary->may_be_hurt;
	if (all == 0)
		return;
	report_attention(
		context,
		"%s: points that %s hurt: %" PRIu64 " of %" PRIu64
		", as was found when they were scrubbed from here; %s%s; 'salvor show' and 'salvor scrub' tell "
		"more",
		summary->newest->workload, summary->hurt > 0 ? "are" : "may be", all, summary->n,
		unhurt ? "the newest that is not is " : "none is left that is not", unhurt ? unhurt : "");
}

static void tell_failed(struct context *context, const struct summary *summary)
{
	if (!summary->of_tried || summary->of_tried->verdict == RECEIPT_PASSED)
		return;
	AUTO(freep) char *name = point_name_text(summary->tried);
	AUTO(freep) char *passed = summary->verified ? point_name_text(summary->verified) : NULL;
	if (name)
		report_attention(context, "%s failed its verification: %s; %s%s", name, summary->of_tried->reason,
				 passed ? "the newest that passed is " : "no point of it that is whole has passed one",
				 passed ? passed : "");
}

/* It would look fresh for as long as the clock was ahead. */
static void tell_from_the_future(struct context *context, const struct point *newest)
{
	AUTO(freep) char *name = point_name_text(newest);
	if (name && newest->cut_ns > clock_now_ns() + CLOCKS_DIFFER_NS)
		report_attention(context,
				 "the newest point of %s is of the future, so its age says nothing: the clock of this "
				 "machine is wrong, or that of who made it was: %s",
				 newest->workload, name);
}

/* What scrubs from here found, and verifications from anywhere. */
static void tell(struct context *context, const struct summaries *summaries)
{
	uint64_t damaged = findings_damaged(&summaries->known.findings), hurt = 0;
	for (size_t i = 0; i < summaries->n; i++) {
		const struct summary *summary = &summaries->items[i];
		tell_hurt(context, summary);
		tell_failed(context, summary);
		tell_from_the_future(context, summary->newest);
		hurt += summary->hurt + summary->may_be_hurt;
	}
	if (damaged > 0 && hurt == 0)
		report_attention(context,
				 "scrubs from here found %" PRIu64
				 " damaged objects, which hurt no point that is listed; "
				 "'salvor scrub' names them",
				 damaged);
}

static double seconds_since(uint64_t ns)
{
	uint64_t now = clock_now_ns();
	return now > ns ? (double)(now - ns) / 1e9 : 0;
}

static double age(const struct point *point)
{
	return seconds_since(point->cut_ns);
}

static const char *writer_name(const struct repository *repository, const struct session_id *session)
{
	const struct keyring_member *member = keyring_find(repository_keyring(repository), session->writer);
	return member ? member->name : NULL;
}

static struct json *workloads_to_json(const struct summaries *summaries)
{
	struct json *array = json_new_array();
	for (size_t i = 0; i < summaries->n; i++) {
		const struct summary *summary = &summaries->items[i];
		struct json *json = json_new_object();
		json_set(json, "name", json_new_text(summary->newest->workload));
		json_set(json, "points", json_new_number(summary->n));
		json_set(json, "newest", point_to_json(summary->newest));
		json_set(json, "age_seconds", json_new_number((uint64_t)age(summary->newest)));
		json_set(json, "newest_verified",
			 summary->verified ? point_to_json(summary->verified) : json_new_null());
		json_set(json, "newest_not_hurt", summary->unhurt ? point_to_json(summary->unhurt) : json_new_null());
		json_set(json, "hurt", json_new_number(summary->hurt));
		json_set(json, "may_be_hurt", json_new_number(summary->may_be_hurt));
		json_set(json, "failed", json_new_number(summary->failed));
		json_append(array, json);
	}
	return array;
}

static struct json *heads_to_json(const struct repository *repository, const struct heads *heads)
{
	struct json *array = json_new_array();
	for (size_t i = 0; i < heads->n; i++) {
		const struct head *head = &heads->heads[i];
		char id[2 * WRITER_SIZE + 1], point[POINT_ID_TEXT_SIZE];
		struct json *json = json_new_object();
		json_set(json, "writer", json_new_text(hex_encode(head->session.writer, WRITER_SIZE, id)));
		json_set(json, "name", json_new_text(writer_name(repository, &head->session)));
		json_set(json, "session", json_new_number(head->session.number));
		json_set(json, "point", json_new_text(point_id_text(head->point, point)));
		json_append(array, json);
	}
	return array;
}

/* When each level's last pass from here ended; null where there was none. */
static struct json *scrubs_to_json(const struct findings *findings)
{
	struct json *json = json_new_object();
	for (enum scrub_level level = SCRUB_SIZES; level <= SCRUB_CONTENTS; level++) {
		char time[CLOCK_TEXT_SIZE];
		uint64_t ended = findings->ended_ns[level];
		json_set(json, scrub_level_text(level),
			 ended ? json_new_text(clock_format(ended, time)) : json_new_null());
	}
	return json;
}

/* Nobody can say before the first scrub. */
static const char *hurt_text(const struct summaries *summaries, const struct summary *summary, char text[WORDS_SIZE])
{
	if (!findings_any(&summaries->known.findings))
		return "?";
	snprintf(text, WORDS_SIZE, "%" PRIu64, summary->hurt + summary->may_be_hurt);
	return text;
}

/* How old the newest point is that is known to boot, and not known to be hurt. */
static const char *verified_text(const struct summary *summary, bool known, char text[WORDS_SIZE])
{
	if (!known)
		return "?";
	return summary->verified ? words_duration(age(summary->verified), text) : "none";
}

static bool print_workloads(const struct summaries *summaries, struct err **errp)
{
	static const char *const names[] = {"WORKLOAD",	   "NEWEST POINT", "TIME",  ">AGE",
					    "CONSISTENCY", ">POINTS",	   ">HURT", ">VERIFIED AGE"};
	AUTO(table_release) struct table table;
	table_init(&table, names, ARRAY_LENGTH(names));
	for (size_t i = 0; i < summaries->n; i++) {
		const struct point *point = summaries->items[i].newest;
		char id[POINT_ID_TEXT_SIZE], time[CLOCK_TEXT_SIZE], text[WORDS_SIZE];
		table_cell(&table, "%s", point->workload);
		table_cell(&table, "%.*s", POINT_ID_SHORT, point_id_text(point->id, id));
		table_cell(&table, "%s", clock_format(point->cut_ns, time));
		table_cell(&table, "%s", words_duration(age(point), text));
		table_cell(&table, "%s", consistency_text(point->consistency));
		table_cell(&table, "%" PRIu64, summaries->items[i].n);
		table_cell(&table, "%s", hurt_text(summaries, &summaries->items[i], text));
		table_cell(&table, "%s", verified_text(&summaries->items[i], summaries->known.verifications, text));
	}
	if (summaries->n == 0)
		printf("Nothing is protected yet; 'salvor backup' makes the first point.\n");
	return table_print(&table, errp);
}

static bool print_heads(const struct repository *repository, const struct heads *heads, struct err **errp)
{
	static const char *const names[] = {"HEAD OF", "ID", ">SESSION", "STATEMENT"};
	AUTO(table_release) struct table table;
	table_init(&table, names, ARRAY_LENGTH(names));
	for (size_t i = 0; i < heads->n; i++) {
		const struct head *head = &heads->heads[i];
		const char *name = writer_name(repository, &head->session);
		char id[2 * WRITER_SIZE + 1], point[POINT_ID_TEXT_SIZE];
		table_cell(&table, "%s", name ? name : "?");
		table_cell(&table, "%s", hex_encode(head->session.writer, WRITER_SIZE, id));
		table_cell(&table, "%" PRIu64, head->session.number);
		table_cell(&table, "%s", point_id_text(head->point, point));
	}
	if (heads->n > 0)
		putchar('\n');
	return table_print(&table, errp);
}

/* The levels whose last pass from here came to its end. */
static bool print_scrubs(const struct findings *findings, struct err **errp)
{
	static const char *const names[] = {"SCRUBBED BY", "TIME", ">AGE"};
	AUTO(table_release) struct table table;
	table_init(&table, names, ARRAY_LENGTH(names));
	for (enum scrub_level level = SCRUB_SIZES; level <= SCRUB_CONTENTS; level++) {
		char time[CLOCK_TEXT_SIZE], text[WORDS_SIZE];
		uint64_t ended = findings->ended_ns[level];
		if (ended == 0)
			continue;
		table_cell(&table, "%s", scrub_level_text(level));
		table_cell(&table, "%s", clock_format(ended, time));
		table_cell(&table, "%s", words_duration(seconds_since(ended), text));
	}
	if (findings_any(findings))
		putchar('\n');
	return table_print(&table, errp);
}

static bool report(struct context *context, const struct repository *repository, const struct point_list *list,
		   const struct summaries *summaries, const struct heads *heads, struct err **errp)
{
	if (!context->options.json)
		return print_workloads(summaries, errp) && print_scrubs(&summaries->known.findings, errp) &&
		       print_heads(repository, heads, errp);
	struct json *json = json_new_object();
	json_set(json, "repository", json_new_text(repository_url(repository)));
	json_set(json, "workloads", workloads_to_json(summaries));
	json_set(json, "scrubs", scrubs_to_json(&summaries->known.findings));
	json_set(json, "heads", heads_to_json(repository, heads));
	json_set(json, "damaged", damaged_to_json(list));
	json_set(json, "vanished", vanished_to_json(list));
	return report_json(context, json, errp);
}

static void tell_damaged_memory(struct context *context, const struct repository *repository)
{
	if (repository_memory_was_damaged(repository))
		report_attention(
			context,
			"what this machine remembered of the repository, in %s, was damaged, and is begun anew",
			repository_state_path(repository));
}

bool run_status(struct context *context, struct err **errp)
{
	AUTO(point_list_release) struct point_list list = {0};
	AUTO(summaries_release) struct summaries summaries = {0};
	AUTO(heads_release) struct heads heads = {0};
	bool damaged = false; /* told by the repository */
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_READ, errp);
	if (!repository || !point_list_load(repository, NULL, &list, errp) ||
	    !summarise(repository, &list, &summaries, errp) ||
	    !heads_load(repository_state_path(repository), &heads, &damaged, errp))
		return false;
	tell_damaged_memory(context, repository);
	report_damaged(context, &list);
	tell(context, &summaries);
	return report(context, repository, &list, &summaries, &heads, errp);
}
