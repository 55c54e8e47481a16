/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/receipt_report.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/table.h"
#include "cli/words.h"
#include "restore/receipt_html.h"

enum { ID_DIGITS_MIN = 6 };

/* ---- list ---- */

/* Damage is told of receipts as it is of points. */
static struct point_list damage_of(const struct receipt_list *list)
{
	return (struct point_list){.damaged = list->damaged, .n_damaged = list->n_damaged};
}

static void report_damaged_receipts(struct context *context, const struct receipt_list *list)
{
	const struct point_list damage = damage_of(list);
	report_damaged(context, &damage);
}

static struct json *list_to_json(const struct repository *repository, const struct receipt_list *list,
				 const char *workload)
{
	struct json *json = json_new_object(), *array = json_new_array();
	const struct point_list damage = damage_of(list);
	for (size_t i = 0; i < list->n; i++) {
		const struct receipt_entry *entry = &list->entries[i];
		const struct receipt_view view = {&entry->receipt, repository, entry->name};
		if (!workload || strcmp(workload, entry->receipt.workload) == 0)
			json_append(array, receipt_summary_to_json(&view));
	}
	json_set(json, "receipts", array);
	json_set(json, "damaged", damaged_to_json(&damage));
	return json;
}

static void add_row(struct table *table, const struct repository *repository, const struct receipt_entry *entry)
{
	const struct receipt *receipt = &entry->receipt;
	const struct receipt_view view = {receipt, repository, entry->name};
	char id[RECEIPT_ID_TEXT_SIZE], time[CLOCK_TEXT_SIZE], duration[WORDS_SIZE];
	bool alive = receipt->sign != RECEIPT_NOTHING;
	bool counts = receipt_standing(repository, receipt) == RECEIPT_OF_READER;
	table_cell(table, "%.*s", POINT_ID_SHORT, receipt_id_text(receipt, id));
	table_cell(table, "%s", receipt->workload);
	table_cell(table, "%.*s", POINT_ID_SHORT, point_id_text(receipt->point, id));
	table_cell(table, "%s", clock_format(receipt->cut_ns, time));
	table_cell(table, "%s", receipt_verdict_text(receipt->verdict));
	table_cell(table, "%s", alive ? words_duration((double)receipt->ready_ms / 1000, duration) : "-");
	table_cell(table, "%s", clock_format(receipt->ended_ns, time));
	table_cell(table, "%s%s%s%s", receipt->signer_name, counts ? "" : " (",
		   counts ? "" : receipt_standing_word(&view), counts ? "" : ")");
}

static bool print_list(const struct repository *repository, const struct receipt_list *list, const char *workload,
		       struct err **errp)
{
	static const char *const heads[] = {"RECEIPT", "WORKLOAD", "POINT",    "TIME",
					    "VERDICT", ">READY",   "VERIFIED", "BY"};
	AUTO(table_release) struct table table;
	table_init(&table, heads, ARRAY_LENGTH(heads));
	for (size_t i = 0; i < list->n; i++)
		if (!workload || strcmp(workload, list->entries[i].receipt.workload) == 0)
			add_row(&table, repository, &list->entries[i]);
	if (table.n_cells == 0)
		printf("There are no receipts%s; 'salvor verify' makes them.\n", workload ? " of it" : "");
	return table_print(&table, errp);
}

/* The name of a workload that has points. */
static bool is_workload(const struct repository *repository, const char *name, bool *ret, struct err **errp)
{
	AUTO(point_list_release) struct point_list points = {0};
	if (!point_list_load(repository, name, &points, errp))
		return false;
	*ret = points.n > 0;
	return true;
}

static bool list(struct context *context, struct err **errp)
{
	const struct text_list *operands = &context->options.operands;
	const char *of = operands->n > 1 ? operands->items[1] : NULL, *workload = NULL;
	AUTO(receipt_list_release) struct receipt_list receipts = {0};
	AUTO(point_release) struct point point = {0};
	bool all = of == NULL;
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_READ, errp);
	if (!repository || (of && !is_workload(repository, of, &all, errp)))
		return false;
	if (of && all)
		workload = of;
	if (!all && !point_find(repository, of, &point, errp))
		return false;
	if (!receipt_list_load(repository, all ? NULL : &point.session, &receipts, errp))
		return false;
	report_damaged_receipts(context, &receipts);
	return context->options.json ? report_json(context, list_to_json(repository, &receipts, workload), errp)
				     : print_list(repository, &receipts, workload, errp);
}

/* ---- show ---- */

struct shown {
	struct receipt receipt;
	struct bytes file;
	char object[OBJECT_NAME_SIZE]; /* "" for a file */
	struct repository *repository; /* NULL where none is needed and none is configured */
};

static void shown_release(struct shown *shown)
{
	receipt_release(&shown->receipt);
	bytes_release(&shown->file);
	repository_freep(&shown->repository);
}

static bool is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool read_file(const char *path, struct shown *shown, struct err **errp)
{
	AUTO(bytes_release) struct bytes bytes = {0};
	if (!file_read_all(path, RECEIPT_HTML_MAX, &bytes, errp))
		return false;
	bool page = receipt_html_is_page(bytes_span(&bytes));
	bool ok = page ? receipt_html_read(bytes_span(&bytes), &shown->receipt, &shown->file, errp)
		       : receipt_parse(bytes_span(&bytes), &shown->receipt, errp);
	if (!ok) {
		err_about(errp, "%s", path);
		return err_prefix(errp, "%s", path);
	}
	if (!page) {
		shown->file = bytes;
		bytes = (struct bytes){0};
	}
	return true;
}

static bool has_repository(const struct context *context)
{
	AUTO(err_freep) struct err *none = NULL;
	return context_repository_url(context, &none) != NULL;
}

/* Its point, where it is there, says the same. */
static bool check_against_point(const struct shown *shown, struct err **errp)
{
	AUTO(point_release) struct point point = {0};
	char id[RECEIPT_ID_TEXT_SIZE];
	if (receipt_standing(shown->repository, &shown->receipt) == RECEIPT_OF_OTHER_REPOSITORY)
		return true;
	if (point_load(shown->repository, &shown->receipt.session, &point, errp))
		return receipt_check_point(&shown->receipt, &point, errp) ||
		       err_prefix(errp, "receipt %.*s", POINT_ID_SHORT, receipt_id_text(&shown->receipt, id));
	if (err_code(*errp) != ERR_NOT_FOUND)
		return false;
	err_clear(errp);
	log_info("the point of this receipt is not in the repository any more");
	return true;
}

static bool looks_like_id(const char *text)
{
	size_t len = strlen(text);
	return len >= ID_DIGITS_MIN && len < RECEIPT_ID_TEXT_SIZE && strspn(text, "0123456789abcdef") == len;
}

/* Leaves object empty when no receipt's id begins like this. */
static bool find_by_id(struct shown *shown, const char *text, struct err **errp)
{
	AUTO(receipt_list_release) struct receipt_list list = {0};
	char id[RECEIPT_ID_TEXT_SIZE];
	if (!looks_like_id(text))
		return true;
	if (!receipt_list_load(shown->repository, NULL, &list, errp))
		return false;
	for (size_t i = 0; i < list.n; i++) {
		if (strncmp(receipt_id_text(&list.entries[i].receipt, id), text, strlen(text)) != 0)
			continue;
		if (shown->object[0])
			return err_set(errp, ERR_USAGE, "several receipts begin with '%s': say more digits", text);
		memcpy(shown->object, list.entries[i].name, OBJECT_NAME_SIZE);
	}
	return true;
}

static bool find_newest_of_point(struct context *context, struct shown *shown, const char *text, struct err **errp)
{
	AUTO(point_release) struct point point = {0};
	AUTO(receipt_list_release) struct receipt_list list = {0};
	char id[POINT_ID_TEXT_SIZE];
	if (!point_find(shown->repository, text, &point, errp) ||
	    !receipt_list_load(shown->repository, &point.session, &list, errp))
		return false;
	report_damaged_receipts(context, &list);
	if (list.n == 0)
		return err_set(errp, list.n_damaged ? ERR_CORRUPT : ERR_NOT_FOUND,
			       "point %.*s of '%s' has no receipt%s; 'salvor verify' makes one", POINT_ID_SHORT,
			       point_id_text(point.id, id), point.workload, list.n_damaged ? " that can be read" : "");
	memcpy(shown->object, list.entries[0].name, OBJECT_NAME_SIZE);
	if (list.n > 1)
		log_info("this is the newest of %zu receipts; 'salvor receipt list %.*s' lists them", list.n,
			 POINT_ID_SHORT, point_id_text(point.id, id));
	return true;
}

static bool find_in_repository(struct context *context, const char *text, struct shown *shown, struct err **errp)
{
	shown->repository = context_open_repository(context, CONTEXT_READ, errp);
	if (!shown->repository || !repository_check_readable(shown->repository, errp))
		return false;
	if (strncmp(text, "v/", 2) == 0)
		snprintf(shown->object, sizeof(shown->object), "%s", text);
	else if (!find_by_id(shown, text, errp))
		return false;
	if (!shown->object[0] && !find_newest_of_point(context, shown, text, errp))
		return false;
	return receipt_load(shown->repository, shown->object, &shown->receipt, &shown->file, errp);
}

static bool find(struct context *context, const char *text, struct shown *shown, struct err **errp)
{
	bool file = is_file(text), repository = has_repository(context);
	if (!file && !repository)
		return err_set(errp, ERR_USAGE, "there is no file '%s', and no repository is named: say --repo URL",
			       text);
	if (!file)
		return find_in_repository(context, text, shown, errp);
	if (!read_file(text, shown, errp))
		return false;
	if (!repository)
		return true;
	shown->repository = context_open_repository(context, CONTEXT_READ, errp);
	return shown->repository != NULL;
}

static bool write_page(const struct shown *shown, const char *path, struct err **errp)
{
	AUTO(bytes_release) struct bytes page = {0};
	return receipt_html_make(&shown->receipt, bytes_span(&shown->file), &page, errp) &&
	       receipt_write_file(path, bytes_span(&page), errp);
}

static bool write_files(const struct options *options, const struct shown *shown, struct err **errp)
{
	return (!options->html || write_page(shown, options->html, errp)) &&
	       (!options->out || receipt_write_file(options->out, bytes_span(&shown->file), errp));
}

static bool report(struct context *context, const struct shown *shown, struct err **errp)
{
	const struct options *options = &context->options;
	const struct receipt_view view = {&shown->receipt, shown->repository, shown->object};
	receipt_warn(context, &view);
	if (options->json) {
		struct json *json = receipt_to_json(&view, errp);
		if (!json)
			return *errp ? false : err_set_no_memory(errp);
		json_set(json, "html", json_new_text(options->html));
		json_set(json, "file", json_new_text(options->out));
		return report_json(context, json, errp);
	}
	if (!receipt_print(&view, errp))
		return false;
	if (options->html)
		log_info("the page is in %s", options->html);
	if (options->out)
		log_info("the receipt is in %s", options->out);
	return true;
}

static bool show(struct context *context, struct err **errp)
{
	const struct options *options = &context->options;
	AUTO(shown_release) struct shown shown = {0};
	if (options->operands.n != 2)
		return err_set(errp, ERR_USAGE, "'receipt show' needs a receipt, a point, or a file");
	return find(context, options->operands.items[1], &shown, errp) &&
	       (!shown.repository || check_against_point(&shown, errp)) && write_files(options, &shown, errp) &&
	       report(context, &shown, errp);
}

bool run_receipt(struct context *context, struct err **errp)
{
	const struct options *options = &context->options;
	const char *what = options->operands.items[0];
	if (strcmp(what, "show") == 0)
		return show(context, errp);
	if (strcmp(what, "list") != 0)
		return err_set(errp, ERR_USAGE, "'receipt %s' is neither 'receipt list' nor 'receipt show'", what);
	if (options->html || options->out)
		return err_set(errp, ERR_USAGE, "'receipt list' takes neither --html nor --out");
	return list(context, errp);
}
