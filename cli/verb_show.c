/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "cli/known.h"
#include "cli/receipt_report.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/table.h"
#include "cli/words.h"

static const char *fallback(const struct point *point)
{
	return point->fallback_reason[0] ? point->fallback_reason : NULL;
}

static const char *parent(const struct point *point, char text[POINT_ID_TEXT_SIZE])
{
	return bytes_all_zero(point->parent, sizeof(point->parent)) ? NULL : point_id_text(point->parent, text);
}

/* Whoever holds a key with the role write may make points of any workload, so it is said whose this one is. */
static const char *writer(const struct repository *repository, const struct point *point)
{
	const struct keyring_member *member = keyring_find(repository_keyring(repository), point->session.writer);
	return member ? member->name : NULL;
}

static struct json *stream_to_json(const struct stream *stream)
{
	char root[2 * ID_SIZE + 1];
	struct json *json = json_new_object();
	json_set(json, "name", json_new_text(stream->name));
	json_set(json, "kind", json_new_text(stream_kind_text(stream->kind)));
	json_set(json, "size", json_new_number(stream->shape.size));
	json_set(json, "root", json_new_text(hex_encode(stream->root.b, ID_SIZE, root)));
	return json;
}

/* receipt is NULL where nobody verified it, or where this key cannot know. */
static struct json *to_json(const struct repository *repository, const struct point *point,
			    const struct receipt *receipt, const struct findings *findings)
{
	char id[POINT_ID_TEXT_SIZE];
	struct json *json = point_to_json(point), *streams = json_new_array();
	json_set(json, "writer", json_new_text(writer(repository, point)));
	json_set(json, "mode", json_new_text(point->full ? "full" : "incremental"));
	json_set(json, "fallback_reason", json_new_text(fallback(point)));
	json_set(json, "parent", json_new_text(parent(point, id)));
	for (size_t i = 0; i < point->n_streams; i++)
		json_append(streams, stream_to_json(&point->streams[i]));
	json_set(json, "streams", streams);
	json_set(json, "scrubbed", known_scrub_to_json(findings, point));
	json_set(json, "verified", receipt ? receipt_verified_to_json(receipt) : json_new_null());
	return json;
}

static bool print_streams(const struct point *point, struct err **errp)
{
	static const char *const heads[] = {"STREAM", "KIND", ">SIZE", "ROOT"};
	AUTO(table_release) struct table table;
	table_init(&table, heads, ARRAY_LENGTH(heads));
	for (size_t i = 0; i < point->n_streams; i++) {
		const struct stream *stream = &point->streams[i];
		char size[PROGRESS_SIZE_TEXT], root[2 * ID_SIZE + 1];
		table_cell(&table, "%s", stream->name);
		table_cell(&table, "%s", stream_kind_text(stream->kind));
		table_cell(&table, "%s", progress_size_text(stream->shape.size, size));
		table_cell(&table, "%.16s", hex_encode(stream->root.b, ID_SIZE, root));
	}
	return table_print(&table, errp);
}

static const char *printable_name(const char *name, char text[KEYRING_NAME_MAX + 1])
{
	snprintf(text, KEYRING_NAME_MAX + 1, "%s", name);
	return words_make_printable(text);
}

static void print_verified(const struct repository *repository, const struct receipt *receipt)
{
	char time[CLOCK_TEXT_SIZE], name[KEYRING_NAME_MAX + 1], reason[RECEIPT_REASON_MAX + 1];
	if (receipt) {
		memcpy(reason, receipt->reason, sizeof(reason));
		printf("Verified     %s, on %s by %s: %s\n", receipt_verdict_text(receipt->verdict),
		       clock_format(receipt->ended_ns, time), printable_name(receipt->signer_name, name),
		       words_make_printable(reason));
	} else if (repository_may(repository, ROLE_READ))
		printf("Verified     never\n");
}

static void print_object(void *arg, const struct finding *finding, enum scrub_level level, uint64_t found_ns)
{
	char time[CLOCK_TEXT_SIZE], reason[FINDING_REASON_MAX + 1];
	(void)arg;
	memcpy(reason, finding->reason, sizeof(reason));
	printf("             %s: %s (%s, %s)\n", finding->object, words_make_printable(reason), scrub_level_text(level),
	       clock_format(found_ns, time));
}

static void print_hurt_streams(const struct point *point, const struct findings_verdict *verdict)
{
	const char *before = ": ";
	for (size_t i = 0; i < point->n_streams; i++) {
		char name[STREAM_NAME_MAX + 1];
		if (!(verdict->streams[i / 8] & 1u << i % 8))
			continue;
		memcpy(name, point->streams[i].name, sizeof(name));
		printf("%s%s", before, words_make_printable(name));
		before = ", ";
	}
}

/* As the scrubs from here found it. */
static void print_scrubbed(const struct point *point, const struct findings *findings)
{
	struct findings_verdict verdict;
	char time[CLOCK_TEXT_SIZE];
	findings_judge(findings, &point->session, &verdict);
	if (!verdict.scrubbed) {
		printf("Scrubbed     never from here\n");
		return;
	}
	printf("Scrubbed     %s, by %s, on %s", known_scrub_text(&verdict), scrub_level_text(verdict.level),
	       clock_format(verdict.when_ns, time));
	print_hurt_streams(point, &verdict);
	putchar('\n');
	findings_each_object(findings, &point->session, print_object, NULL);
}

static bool print(const struct repository *repository, struct point *point, const struct receipt *receipt,
		  const struct findings *findings, struct err **errp)
{
	char id[POINT_ID_TEXT_SIZE], time[CLOCK_TEXT_SIZE], name[KEYRING_NAME_MAX + 1];
	const char *by = writer(repository, point);
	printf("Point        %s\n", point_id_text(point->id, id));
	printf("Workload     %s\n", words_make_printable(point->workload));
	printf("Time         %s\n", clock_format(point->cut_ns, time));
	printf("Made by      %s\n", by ? printable_name(by, name) : "unknown");
	printf("Engine       %s\n", words_make_printable(point->engine));
	printf("Consistency  %s\n", consistency_text(point->consistency));
	printf("Read         %s%s%s%s\n", point->full ? "in full" : "only what changed", fallback(point) ? " (" : "",
	       words_make_printable(point->fallback_reason), fallback(point) ? ")" : "");
	if (parent(point, id))
		printf("Parent       %s\n", id);
	print_scrubbed(point, findings);
	print_verified(repository, receipt);
	putchar('\n');
	return print_streams(point, errp);
}

bool run_show(struct context *context, struct err **errp)
{
	AUTO(point_release) struct point point = {0};
	AUTO(receipt_release) struct receipt receipt = {0};
	AUTO(findings_release) struct findings findings = {0};
	bool verified = false;
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_READ, errp);
	if (!repository || !point_find(repository, context->options.operands.items[0], &point, errp))
		return false;
	report_missed(context, &point);
	if (!receipt_find_newest(repository, &point, &receipt, &verified, errp) ||
	    !findings_load(repository, &findings, errp))
		return false;
	const struct receipt *of = verified ? &receipt : NULL;
	return context->options.json ? report_json(context, to_json(repository, &point, of, &findings), errp)
				     : print(repository, &point, of, &findings, errp);
}
