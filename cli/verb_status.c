/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "cli/receipt_report.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/table.h"
#include "cli/words.h"
#include "storage/heads.h"

/* A workload, in the order of newest points. */
struct summary {
	const struct point *newest;
	const struct point *verified; /* the newest one that passed; NULL: none, or this key cannot know */
	uint64_t n;
};

struct summaries {
	struct summary *items;
	size_t n;
};

static void summaries_release(struct summaries *summaries)
{
	free(summaries->items);
}

static struct summary *find_summary(const struct summaries *summaries, const struct point *point)
{
	for (size_t i = 0; i < summaries->n; i++)
		if (strcmp(summaries->items[i].newest->workload, point->workload) == 0)
			return &summaries->items[i];
	return NULL;
}

/* The list is newest first, so that the first point of a workload is its newest. */
static bool summarise(const struct point_list *list, struct summaries *ret, struct err **errp)
{
	ret->items = calloc(list->n + 1, sizeof(*ret->items));
	if (!ret->items)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < list->n; i++) {
		struct summary *summary = find_summary(ret, &list->points[i]);
		if (!summary) {
			summary = &ret->items[ret->n++];
			summary->newest = &list->points[i];
		}
		summary->n++;
	}
	return true;
}

/* One that passed, where it has receipts at all. */
static bool is_verified(const struct repository *repository, const struct point *point, bool *ret, struct err **errp)
{
	AUTO(receipt_release) struct receipt receipt = {0};
	return receipt_find_newest(repository, point, true, &receipt, ret, errp);
}

static int compare_sessions(const void *a, const void *b)
{
	return session_id_compare(a, b);
}

/* Reads only receipts of points that might be the newest. */
static bool find_verified(const struct repository *repository, const struct point_list *list,
			  struct summaries *summaries, struct err **errp)
{
	struct session_id *found = NULL;
	size_t n;
	if (!repository_may(repository, ROLE_READ))
		return true;
	if (!receipt_sessions(repository, &found, &n, errp))
		return false;
	AUTO(freep) struct session_id *sessions = found;
	for (size_t i = 0; i < list->n; i++) {
		const struct point *point = &list->points[i];
		struct summary *summary = find_summary(summaries, point);
		bool verified = false;
		if (summary->verified || !bsearch(&point->session, sessions, n, sizeof(*sessions), compare_sessions))
			continue;
		if (!is_verified(repository, point, &verified, errp))
			return false;
		if (verified)
			summary->verified = point;
	}
	return true;
}

static double age(const struct point *point)
{
	uint64_t now = clock_now_ns();
	return now > point->cut_ns ? (double)(now - point->cut_ns) / 1e9 : 0;
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

/* How old the newest point is that is known to boot. */
static const char *verified_text(const struct summary *summary, bool known, char text[WORDS_SIZE])
{
	if (!known)
		return "?";
	return summary->verified ? words_duration(age(summary->verified), text) : "none";
}

static bool print_workloads(const struct summaries *summaries, bool verified_known, struct err **errp)
{
	static const char *const names[] = {"WORKLOAD",	   "NEWEST POINT", "TIME",	   ">AGE",
					    "CONSISTENCY", ">POINTS",	   ">VERIFIED AGE"};
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
		table_cell(&table, "%s", verified_text(&summaries->items[i], verified_known, text));
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

static bool report(struct context *context, const struct repository *repository, const struct point_list *list,
		   const struct summaries *summaries, const struct heads *heads, struct err **errp)
{
	if (!context->options.json)
		return print_workloads(summaries, repository_may(repository, ROLE_READ), errp) &&
		       print_heads(repository, heads, errp);
	struct json *json = json_new_object();
	json_set(json, "repository", json_new_text(repository_url(repository)));
	json_set(json, "workloads", workloads_to_json(summaries));
	json_set(json, "heads", heads_to_json(repository, heads));
	json_set(json, "damaged", damaged_to_json(list));
	json_set(json, "vanished", vanished_to_json(list));
	return report_json(context, json, errp);
}

/* Before the points are listed, which writes the memory anew. */
static bool check_memory(struct context *context, const struct repository *repository, struct err **errp)
{
	AUTO(heads_release) struct heads heads = {0};
	bool damaged = false;
	const char *state = repository_state_path(repository);
	if (!heads_load(state, &heads, &damaged, errp))
		return false;
	if (damaged)
		report_attention(context,
				 "what this machine remembers of the repository, in %s, is damaged and counts as empty",
				 state);
	return true;
}

bool run_status(struct context *context, struct err **errp)
{
	AUTO(point_list_release) struct point_list list = {0};
	AUTO(summaries_release) struct summaries summaries = {0};
	AUTO(heads_release) struct heads heads = {0};
	bool damaged = false; /* told already */
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_READ, errp);
	if (!repository || !check_memory(context, repository, errp) ||
	    !point_list_load(repository, NULL, &list, errp) || !summarise(&list, &summaries, errp) ||
	    !find_verified(repository, &list, &summaries, errp) ||
	    !heads_load(repository_state_path(repository), &heads, &damaged, errp))
		return false;
	report_damaged(context, &list);
	return report(context, repository, &list, &summaries, &heads, errp);
}
