/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/nearest.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/table.h"

static struct json *to_json(const struct point_list *list)
{
	struct json *points = json_new_array();
	for (size_t i = 0; i < list->n; i++)
		json_append(points, point_to_json(&list->points[i]));
	struct json *json = json_new_object();
	json_set(json, "points", points);
	json_set(json, "damaged", damaged_to_json(list));
	json_set(json, "vanished", vanished_to_json(list));
	return json;
}

static void add_row(struct table *table, const struct point *point)
{
	char id[POINT_ID_TEXT_SIZE], time[CLOCK_TEXT_SIZE], size[PROGRESS_SIZE_TEXT];
	table_cell(table, "%.*s", POINT_ID_SHORT, point_id_text(point->id, id));
	table_cell(table, "%s", point->workload);
	table_cell(table, "%s", clock_format(point->cut_ns, time));
	table_cell(table, "%s", consistency_text(point->consistency));
	table_cell(table, "%s", point->full ? "full" : "incremental");
	table_cell(table, "%s", progress_size_text(point_bytes(point), size));
}

static bool print(const struct point_list *list, struct err **errp)
{
	static const char *const heads[] = {"POINT", "WORKLOAD", "TIME", "CONSISTENCY", "READ", ">SIZE"};
	AUTO(table_release) struct table table;
	table_init(&table, heads, ARRAY_LENGTH(heads));
	for (size_t i = 0; i < list->n; i++)
		add_row(&table, &list->points[i]);
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
	report_damaged(context, &list);
	return context->options.json ? report_json(context, to_json(&list), errp) : print(&list, errp);
}
