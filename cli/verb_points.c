/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/nearest.h"
#include "cli/known.h"
#include "cli/receipt_report.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/table.h"

static struct json *row_to_json(const struct point *point, const struct known *known, size_t i)
{
	struct json *json = point_to_json(point);
	json_set(json, "scrubbed", known_scrub_to_json(&known->findings, point));
	json_set(json, "verified", known->receipts[i] ? receipt_verified_to_json(known->receipts[i]) : json_new_null());
	return json;
}

static struct json *to_json(const struct point_list *list, const struct known *known)
{
	struct json *points = json_new_array();
	for (size_t i = 0; i < list->n; i++)
		json_append(points, row_to_json(&list->points[i], known, i));
	struct json *json = json_new_object();
	json_set(json, "points", points);
	json_set(json, "damaged", damaged_to_json(list));
	json_set(json, "vanished", vanished_to_json(list));
	return json;
}

static void add_row(struct table *table, const struct point *point, const struct known *known, size_t i)
{
	struct findings_verdict verdict;
	char id[POINT_ID_TEXT_SIZE], time[CLOCK_TEXT_SIZE], size[PROGRESS_SIZE_TEXT];
	table_cell(table, "%.*s", POINT_ID_SHORT, point_id_text(point->id, id));
	table_cell(table, "%s", point->workload);
	table_cell(table, "%s", clock_format(point->cut_ns, time));
	table_cell(table, "%s", consistency_text(point->consistency));
	table_cell(table, "%s", point->full ? "full" : "incremental");
	findings_judge(&known->findings, &point->session, &verdict);
	table_cell(table, "%s", known_scrub_text(&verdict));
	table_cell(table, "%s", known_verified_text(known, i));
	table_cell(table, "%s", progress_size_text(point_bytes(point), size));
}

static bool print(const struct point_list *list, const struct known *known, struct err **errp)
{
	static const char *const heads[] = {"POINT", "WORKLOAD", "TIME",     "CONSISTENCY",
					    "READ",  "SCRUBBED", "VERIFIED", ">SIZE"};
	AUTO(table_release) struct table table;
	table_init(&table, heads, ARRAY_LENGTH(heads));
	for (size_t i = 0; i < list->n; i++)
		add_row(&table, &list->points[i], known, i);
	if (list->n == 0)
		printf("There are no points yet; 'salvor backup' makes one.\n");
	return table_print(&table, errp);
}

static bool refuse_unknown(const struct repository *repository, const char *workload, struct err **errp)
{
	AUTO(point_list_release) struct point_list all = {0};
	if (!point_list_load(repository, NULL, &all, errp))
		return false;
	struct nearest nearest;
	nearest_init(&nearest, workload);
	for (size_t i = 0; i < all.n; i++)
		nearest_offer(&nearest, all.points[i].workload);
	if (nearest.best)
		return err_set(errp, ERR_NOT_FOUND, "there are no points of a workload '%s'; the nearest name is '%s'",
			       workload, nearest.best);
	return err_set(errp, ERR_NOT_FOUND, "there are no points of a workload '%s'; 'salvor points' lists all",
		       workload);
}

bool run_points(struct context *context, struct err **errp)
{
	const struct text_list *operands = &context->options.operands;
	const char *workload = operands->n ? operands->items[0] : NULL;
	AUTO(point_list_release) struct point_list list = {0};
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_READ, errp);
	if (!repository || !point_list_load(repository, workload, &list, errp))
		return false;
	if (workload && list.n == 0 && list.n_damaged == 0 && list.n_vanished == 0)
		return refuse_unknown(repository, workload, errp);
	AUTO(known_release) struct known known = {0};
	if (!known_load(repository, &list, &known, errp))
		return false;
	report_damaged(context, &list);
	return context->options.json ? report_json(context, to_json(&list, &known), errp) : print(&list, &known, errp);
}
