/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/err.h"
#include "cli/json_stream.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/table.h"
#include "cli/words.h"
#include "storage/tree_diff.h"

#define FOOTERS_KEPT ((size_t)64 << 20)

/* One stream of either point, or of both. */
struct change {
	const struct stream *from, *to; /* NULL where the point has none of that name */
	uint64_t bytes, ranges;
};

struct comparison {
	struct context *context;
	struct pack_reader *packs;
	struct point from, to;
	struct change *changes;
	size_t n;
	struct change *current;
	struct json_stream stream; /* of ranges, which are not kept */
};

static void comparison_release(struct comparison *comparison)
{
	free(comparison->changes);
	pack_reader_free(comparison->packs);
	point_release(&comparison->from);
	point_release(&comparison->to);
}

static const struct stream *either(const struct change *change)
{
	return change->to ? change->to : change->from;
}

/* Whether ids of this stream in one point can be compared with those in the other. */
static bool same_keys(const struct comparison *comparison, const struct change *change)
{
	const struct point *from = &comparison->from, *to = &comparison->to;
	bool same_workload = memcmp(from->workload_id, to->workload_id, WORKLOAD_ID_SIZE) == 0;
	return from->r == to->r && (same_workload || either(change)->kind != STREAM_RAM);
}

static bool is_comparable(const struct comparison *comparison, const struct change *change)
{
	return !change->from || !change->to ||
	       (same_keys(comparison, change) && change->from->shape.exponent == change->to->shape.exponent);
}

/* ---- as JSON --------------------------------------------------------------------------------------------------------
 */

static const char *change_text(const struct change *change)
{
	if (!change->from)
		return "added";
	if (!change->to)
		return "removed";
	if (change->from->shape.size != change->to->shape.size)
		return "resized";
	return change->bytes > 0 ? "changed" : "same";
}

static struct json *size_to_json(const struct stream *stream)
{
	return stream ? json_new_number(stream->shape.size) : json_new_null();
}

/* What is known of a stream before it is compared, and what is known after. */
static struct json *shape_to_json(const struct comparison *comparison, const struct change *change)
{
	struct json *json = json_new_object();
	json_set(json, "name", json_new_text(either(change)->name));
	json_set(json, "from_size", size_to_json(change->from));
	json_set(json, "to_size", size_to_json(change->to));
	json_set(json, "comparable", json_new_bool(is_comparable(comparison, change)));
	return json;
}

static void add_outcome(struct json *json, const struct change *change)
{
	json_set(json, "change", json_new_text(change_text(change)));
	json_set(json, "bytes_differing", json_new_number(change->bytes));
}

static struct json *outcome_to_json(const struct change *change)
{
	struct json *json = json_new_object();
	add_outcome(json, change);
	return json;
}

static struct json *points_to_json(const struct comparison *comparison)
{
	char id[POINT_ID_TEXT_SIZE];
	struct json *json = json_new_object();
	json_set(json, "from", json_new_text(point_id_text(comparison->from.id, id)));
	json_set(json, "to", json_new_text(point_id_text(comparison->to.id, id)));
	return json;
}

static struct json *to_json(const struct comparison *comparison)
{
	struct json *json = points_to_json(comparison), *streams = json_new_array();
	for (size_t i = 0; i < comparison->n; i++) {
		struct json *stream = shape_to_json(comparison, &comparison->changes[i]);
		add_outcome(stream, &comparison->changes[i]);
		json_append(streams, stream);
	}
	json_set(json, "streams", streams);
	return json;
}

/* ---- comparing ------------------------------------------------------------------------------------------------------
 */

static bool streams_json(const struct comparison *comparison)
{
	return comparison->context->options.ranges && comparison->context->options.json;
}

static void write_range(struct comparison *comparison, uint64_t offset, uint64_t len)
{
	struct json *range = json_new_object();
	json_set(range, "offset", json_new_number(offset));
	json_set(range, "length", json_new_number(len));
	json_stream_item(&comparison->stream, range);
}

static void print_range(const struct change *change, uint64_t offset, uint64_t len)
{
	char name[STREAM_NAME_MAX + 1];
	memcpy(name, either(change)->name, sizeof(name));
	printf("%s %" PRIu64 " %" PRIu64 "\n", words_make_printable(name), offset, len);
}

/* Whoever reads no further, as head does, wants no more of it. */
static bool note_range(void *arg, uint64_t offset, uint64_t len, struct err **errp)
{
	struct comparison *comparison = arg;
	struct change *change = comparison->current;
	change->bytes += len;
	change->ranges++;
	if (streams_json(comparison))
		write_range(comparison, offset, len);
	else if (comparison->context->options.ranges)
		print_range(change, offset, len);
	return json_stream_check(&comparison->stream, errp);
}

/* A stream that is not there is one of zeros. */
static struct tree_reader *open_tree(struct pack_reader *packs, const struct stream *stream,
				     const struct stream *instead, struct err **errp)
{
	static const struct tree_ref hole;
	return tree_reader_new(packs, stream ? &stream->shape : &instead->shape, stream ? &stream->top : &hole, errp);
}

static bool compare_trees(struct comparison *comparison, struct change *change, struct err **errp)
{
	struct pack_reader *packs = comparison->packs;
	AUTO(tree_reader_freep) struct tree_reader *from = open_tree(packs, change->from, change->to, errp);
	if (!from)
		return false;
	AUTO(tree_reader_freep) struct tree_reader *to = open_tree(packs, change->to, change->from, errp);
	if (!to)
		return false;
	const struct tree_diff_options options = {.same_keys = same_keys(comparison, change),
						  .cancel = &comparison->context->cancel};
	comparison->current = change;
	return tree_diff(from, to, &options, note_range, comparison, errp);
}

static bool compare_stream(struct comparison *comparison, struct change *change, struct err **errp)
{
	if (streams_json(comparison))
		json_stream_open(&comparison->stream, shape_to_json(comparison, change), "ranges");
	if (!compare_trees(comparison, change, errp))
		return err_code(*errp) != ERR_CANCELLED && err_prefix(errp, "stream '%s'", either(change)->name);
	if (streams_json(comparison))
		json_stream_close(&comparison->stream, outcome_to_json(change));
	return true;
}

/* The streams of the second point in their order, then those that only the first has. */
static bool pair_streams(struct comparison *comparison, struct err **errp)
{
	const struct point *from = &comparison->from, *to = &comparison->to;
	comparison->changes = calloc(from->n_streams + to->n_streams, sizeof(comparison->changes[0]));
	if (!comparison->changes)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < to->n_streams; i++)
		comparison->changes[comparison->n++] =
			(struct change){.from = point_stream(from, to->streams[i].name), .to = &to->streams[i]};
	for (size_t i = 0; i < from->n_streams; i++)
		if (!point_stream(to, from->streams[i].name))
			comparison->changes[comparison->n++] = (struct change){.from = &from->streams[i]};
	return true;
}

static bool find_points(struct comparison *comparison, const struct repository *repository, struct err **errp)
{
	const char **operands = comparison->context->options.operands.items;
	return point_find(repository, operands[0], &comparison->from, errp) &&
	       point_find(repository, operands[1], &comparison->to, errp) && pair_streams(comparison, errp);
}

static bool compare_all(struct comparison *comparison, const struct repository *repository, struct err **errp)
{
	comparison->packs = pack_reader_new(repository, FOOTERS_KEPT, errp);
	if (!comparison->packs)
		return false;
	for (size_t i = 0; i < comparison->n; i++)
		if (!compare_stream(comparison, &comparison->changes[i], errp))
			return false;
	report_missed(comparison->context, &comparison->from);
	report_missed(comparison->context, &comparison->to);
	report_point(&comparison->from);
	report_point(&comparison->to);
	return true;
}

/* What was found before a failure is written by then: the object ends with the failure. */
static bool write_ranges(struct comparison *comparison, const struct repository *repository, struct err **errp)
{
	struct json *end = NULL;
	comparison->context->json_written = true;
	json_stream_open(&comparison->stream, points_to_json(comparison), "streams");
	bool ok = compare_all(comparison, repository, errp) && json_stream_check(&comparison->stream, errp);
	if (!ok) {
		end = json_new_object();
		json_set(end, "error", error_to_json(*errp));
	}
	while (comparison->stream.depth > 1)
		json_stream_close(&comparison->stream, NULL);
	json_stream_close(&comparison->stream, end);
	return ok;
}

/* ---- saying ---------------------------------------------------------------------------------------------------------
 */

static const char *size_text(const struct stream *stream, char text[PROGRESS_SIZE_TEXT])
{
	return stream ? progress_size_text(stream->shape.size, text) : "-";
}

static void add_row(struct table *table, const struct change *change)
{
	char text[PROGRESS_SIZE_TEXT], name[STREAM_NAME_MAX + 1];
	memcpy(name, either(change)->name, sizeof(name));
	table_cell(table, "%s", words_make_printable(name));
	table_cell(table, "%s", change_text(change));
	table_cell(table, "%s", size_text(change->from, text));
	table_cell(table, "%s", size_text(change->to, text));
	table_cell(table, "%s", progress_size_text(change->bytes, text));
	table_cell(table, "%" PRIu64, change->ranges);
}

static void print_totals(const struct comparison *comparison)
{
	char size[PROGRESS_SIZE_TEXT];
	uint64_t bytes = 0, ranges = 0;
	size_t changed = 0, incomparable = 0;
	for (size_t i = 0; i < comparison->n; i++) {
		const struct change *change = &comparison->changes[i];
		bytes += change->bytes;
		ranges += change->ranges;
		changed += strcmp(change_text(change), "same") != 0;
		incomparable += !is_comparable(comparison, change);
	}
	printf("%zu of %zu streams differ, in %" PRIu64 " ranges of %s\n", changed, comparison->n, ranges,
	       progress_size_text(bytes, size));
	if (incomparable > 0)
		printf("%zu streams were stored in another way in either point: all their data counts as differing\n",
		       incomparable);
}

static bool print(const struct comparison *comparison, struct err **errp)
{
	static const char *const heads[] = {"STREAM", "CHANGE", ">FROM", ">TO", ">DIFFERS", ">RANGES"};
	AUTO(table_release) struct table table;
	table_init(&table, heads, ARRAY_LENGTH(heads));
	for (size_t i = 0; i < comparison->n; i++)
		add_row(&table, &comparison->changes[i]);
	if (!table_print(&table, errp))
		return false;
	print_totals(comparison);
	return true;
}

bool run_diff(struct context *context, struct err **errp)
{
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_READ, errp);
	AUTO(comparison_release) struct comparison comparison = {.context = context};
	if (!repository || !find_points(&comparison, repository, errp))
		return false;
	if (streams_json(&comparison))
		return write_ranges(&comparison, repository, errp);
	if (!compare_all(&comparison, repository, errp))
		return false;
	if (context->options.json)
		return report_json(context, to_json(&comparison), errp);
	return context->options.ranges || print(&comparison, errp);
}
