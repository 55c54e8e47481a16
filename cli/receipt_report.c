/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/receipt_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/words.h"
#include "restore/console_text.h"

#define LINES_SHOWN 12

static bool standing_is_known(const struct receipt_view *view)
{
	return view->repository != NULL;
}

const char *receipt_standing_word(const struct receipt_view *view)
{
	static const char *const words[] = {
		[RECEIPT_OF_READER] = "member",
		[RECEIPT_OF_REVOKED] = "revoked",
		[RECEIPT_OF_BLIND] = "no-reader",
		[RECEIPT_OF_STRANGER] = "stranger",
		[RECEIPT_OF_OTHER_REPOSITORY] = "other-repository",
	};
	return standing_is_known(view) ? words[receipt_standing(view->repository, view->receipt)] : "unknown";
}

void receipt_warn(struct context *context, const struct receipt_view *view)
{
	const char *name = view->receipt->signer_name;
	if (!standing_is_known(view))
		return;
	switch (receipt_standing(view->repository, view->receipt)) {
	case RECEIPT_OF_READER:
		return;
	case RECEIPT_OF_REVOKED:
		report_attention(context,
				 "the key of '%s', which signed the receipt, was revoked, and nobody can say whether "
				 "it signed before that",
				 name);
		return;
	case RECEIPT_OF_BLIND:
		report_attention(context,
				 "the key of '%s', which signed the receipt, may not read points: it cannot have "
				 "booted one",
				 name);
		return;
	case RECEIPT_OF_OTHER_REPOSITORY:
		report_attention(context, "the receipt is of another repository than the one that is open");
		return;
	case RECEIPT_OF_STRANGER:
		report_attention(context, "the receipt names this repository, and no member of it signed the receipt");
		context->status = EXIT_DAMAGE;
		return;
	}
}

/* ---- as JSON ---- */

static struct json *time_to_json(uint64_t ns)
{
	char text[CLOCK_TEXT_SIZE];
	return ns ? json_new_text(clock_format(ns, text)) : json_new_null();
}

static struct json *hex_to_json(const void *bytes, size_t len)
{
	char text[2 * HASH_SIZE + 1];
	return json_new_text(hex_encode(bytes, len, text));
}

static struct json *seconds_to_json(const struct receipt *receipt)
{
	return receipt->sign == RECEIPT_NOTHING ? json_new_null() : json_new_real((double)receipt->ready_ms / 1000);
}

struct json *receipt_summary_to_json(const struct receipt_view *view)
{
	const struct receipt *receipt = view->receipt;
	struct json *json = json_new_object();
	json_set(json, "receipt", hex_to_json(receipt->id, RECEIPT_ID_SIZE));
	json_set(json, "object", json_new_text(view->object && view->object[0] ? view->object : NULL));
	json_set(json, "point", hex_to_json(receipt->point, POINT_ID_SIZE));
	json_set(json, "workload", json_new_text(receipt->workload));
	json_set(json, "time", time_to_json(receipt->cut_ns));
	json_set(json, "verdict", json_new_text(receipt_verdict_text(receipt->verdict)));
	json_set(json, "seconds_to_ready", seconds_to_json(receipt));
	json_set(json, "verified", time_to_json(receipt->ended_ns));
	json_set(json, "signer", json_new_text(receipt->signer_name));
	json_set(json, "standing", json_new_text(receipt_standing_word(view)));
	return json;
}

static struct json *evidence_to_json(const struct receipt_evidence *evidence)
{
	struct json *json = json_new_object();
	json_set(json, "bytes", json_new_number(evidence->size));
	json_set(json, "sha256", hex_to_json(evidence->sha256, HASH_SIZE));
	return json;
}

static struct json *streams_to_json(const struct receipt *receipt)
{
	struct json *array = json_new_array();
	for (size_t i = 0; i < receipt->n_streams; i++) {
		const struct receipt_stream *stream = &receipt->streams[i];
		struct json *json = json_new_object();
		json_set(json, "name", json_new_text(stream->name));
		json_set(json, "kind", json_new_text(stream_kind_text(stream->kind)));
		json_set(json, "size", json_new_number(stream->size));
		json_set(json, "root", hex_to_json(stream->root, ID_SIZE));
		json_append(array, json);
	}
	return array;
}

static struct json *heads_to_json(const struct receipt *receipt)
{
	struct json *array = json_new_array();
	for (size_t i = 0; i < receipt->n_heads; i++) {
		const struct head *head = &receipt->heads[i];
		struct json *json = json_new_object();
		json_set(json, "writer", hex_to_json(head->session.writer, WRITER_SIZE));
		json_set(json, "session", json_new_number(head->session.number));
		json_set(json, "point", hex_to_json(head->point, POINT_ID_SIZE));
		json_append(array, json);
	}
	return array;
}

static void add_circumstances(const struct receipt *receipt, struct json *json)
{
	json_set(json, "sign", json_new_text(receipt_sign_text(receipt->sign)));
	json_set(json, "reason", json_new_text(receipt->reason));
	json_set(json, "expected", json_new_text(receipt->expected));
	json_set(json, "started", time_to_json(receipt->started_ns));
	json_set(json, "ready", time_to_json(receipt->ready_ns));
	json_set(json, "host", json_new_text(receipt->host));
	json_set(json, "software", json_new_text(receipt->salvor));
	json_set(json, "hypervisor", json_new_text(receipt->hypervisor));
	json_set(json, "accelerator", json_new_text(receipt->accelerator));
	json_set(json, "repository", hex_to_json(receipt->domain, DOMAIN_SIZE));
}

struct json *receipt_to_json(const struct receipt_view *view, struct err **errp)
{
	const struct receipt *receipt = view->receipt;
	uint8_t fingerprint[HASH_SIZE];
	if (!receipt_fingerprint(receipt, fingerprint, errp))
		return NULL;
	struct json *json = receipt_summary_to_json(view), *evidence = json_new_object();
	struct json *log = evidence_to_json(&receipt->log);
	add_circumstances(receipt, json);
	json_set(json, "fingerprint", hex_to_json(fingerprint, HASH_SIZE));
	json_set(json, "streams", streams_to_json(receipt));
	json_set(json, "heads", heads_to_json(receipt));
	json_set(log, "bytes_in_all", json_new_number(receipt->log_total));
	json_set(evidence, "log", log);
	json_set(evidence, "screen", evidence_to_json(&receipt->screen));
	json_set(json, "evidence", evidence);
	return json;
}

struct json *receipt_verified_to_json(const struct receipt *receipt)
{
	struct json *json = json_new_object();
	json_set(json, "receipt", hex_to_json(receipt->id, RECEIPT_ID_SIZE));
	json_set(json, "verdict", json_new_text(receipt_verdict_text(receipt->verdict)));
	json_set(json, "reason", json_new_text(receipt->reason));
	json_set(json, "verified", time_to_json(receipt->ended_ns));
	json_set(json, "seconds_to_ready", seconds_to_json(receipt));
	json_set(json, "by", json_new_text(receipt->signer_name));
	return json;
}

/* ---- as text ---- */

/* Printed by one thread; a text of the receipt has at most so many bytes. */
static void print_row(const char *name, const char *text)
{
	char copy[RECEIPT_REASON_MAX + 1];
	snprintf(copy, sizeof(copy), "%s", text);
	printf("%-12s %s\n", name, words_make_printable(copy));
}

static const char *standing_phrase(const struct receipt_view *view)
{
	static const char *const phrases[] = {
		[RECEIPT_OF_READER] = "a member of this repository who may read",
		[RECEIPT_OF_REVOKED] = "a member of this repository whose key was REVOKED",
		[RECEIPT_OF_BLIND] = "a member of this repository who may NOT read",
		[RECEIPT_OF_STRANGER] = "NOBODY in this repository",
		[RECEIPT_OF_OTHER_REPOSITORY] = "a key of ANOTHER repository",
	};
	return standing_is_known(view) ? phrases[receipt_standing(view->repository, view->receipt)]
				       : "as the receipt says itself";
}

static void print_signer(const struct receipt_view *view, const uint8_t fingerprint[HASH_SIZE])
{
	char text[2 * HASH_SIZE + 1];
	char name[KEYRING_NAME_MAX + 1];
	memcpy(name, view->receipt->signer_name, sizeof(name));
	printf("%-12s %s (%s)\n", "Signed by", words_make_printable(name), standing_phrase(view));
	print_row("Fingerprint", hex_encode(fingerprint, HASH_SIZE, text));
	if (!standing_is_known(view))
		printf("%-12s Whose key that is, only its repository knows: there 'salvor key list' has the ID %s.\n",
		       "", hex_encode(view->receipt->signer, WRITER_SIZE, text));
	print_row("Repository", hex_encode(view->receipt->domain, DOMAIN_SIZE, text));
}

static void print_outcome(const struct receipt *receipt)
{
	char time[CLOCK_TEXT_SIZE], duration[WORDS_SIZE], software[3 * (RECEIPT_WORD_MAX + 2)];
	print_row("Verdict", receipt_verdict_text(receipt->verdict));
	print_row("Reason", receipt->reason);
	if (receipt->sign != RECEIPT_NOTHING)
		printf("%-12s after %s (%s)\n", "Ready", words_duration((double)receipt->ready_ms / 1000, duration),
		       receipt_sign_text(receipt->sign));
	if (receipt->expected[0])
		print_row("Expected", receipt->expected);
	print_row("Verified", clock_format(receipt->ended_ns, time));
	print_row("Host", receipt->host);
	snprintf(software, sizeof(software), "%s, %s, %s", receipt->salvor, receipt->hypervisor, receipt->accelerator);
	print_row("Software", software);
}

static bool print_streams(const struct receipt *receipt, struct err **errp)
{
	static const char *const heads[] = {"STREAM", "KIND", ">SIZE", "ROOT"};
	AUTO(table_release) struct table table;
	table_init(&table, heads, ARRAY_LENGTH(heads));
	for (size_t i = 0; i < receipt->n_streams; i++) {
		const struct receipt_stream *stream = &receipt->streams[i];
		char size[PROGRESS_SIZE_TEXT], root[2 * ID_SIZE + 1];
		table_cell(&table, "%s", stream->name);
		table_cell(&table, "%s", stream_kind_text(stream->kind));
		table_cell(&table, "%s", progress_size_text(stream->size, size));
		table_cell(&table, "%.16s", hex_encode(stream->root, ID_SIZE, root));
	}
	putchar('\n');
	return table_print(&table, errp);
}

/* Where the last lines begin. */
static size_t tail_begin(const struct bytes *text)
{
	size_t at = text->len;
	for (int lines = 0; at > 0; at--)
		if (text->data[at - 1] == '\n' && at < text->len && ++lines == LINES_SHOWN)
			break;
	return at;
}

static bool print_log(const struct receipt *receipt, struct err **errp)
{
	AUTO(bytes_release) struct bytes text;
	bytes_init(&text, 3 * receipt->log.bytes.len + 1);
	console_text_append(bytes_span(&receipt->log.bytes), &text);
	if (!bytes_ok(&text))
		return err_set_no_memory(errp);
	if (text.len == 0)
		return true;
	printf("\nThe serial console's last lines:\n");
	for (size_t at = tail_begin(&text); at < text.len;) {
		const uint8_t *line = text.data + at, *end = memchr(line, '\n', text.len - at);
		size_t len = end ? (size_t)(end - line) : text.len - at;
		printf("    %.*s\n", (int)len, (const char *)line);
		at += len + 1;
	}
	return true;
}

bool receipt_print(const struct receipt_view *view, struct err **errp)
{
	const struct receipt *receipt = view->receipt;
	uint8_t fingerprint[HASH_SIZE];
	char id[2 * HASH_SIZE + 1], time[CLOCK_TEXT_SIZE], kept[PROGRESS_SIZE_TEXT], total[PROGRESS_SIZE_TEXT];
	if (!receipt_fingerprint(receipt, fingerprint, errp))
		return false;
	print_row("Receipt", receipt_id_text(receipt, id));
	print_row("Point", point_id_text(receipt->point, id));
	print_row("Workload", receipt->workload);
	print_row("Time", clock_format(receipt->cut_ns, time));
	print_outcome(receipt);
	printf("%-12s %s of %s that the machine said", "Evidence", progress_size_text(receipt->log.size, kept),
	       progress_size_text(receipt->log_total, total));
	if (receipt->screen.size > 0)
		printf(", and a picture of the screen of %s", progress_size_text(receipt->screen.size, kept));
	putchar('\n');
	print_signer(view, fingerprint);
	return print_streams(receipt, errp) && print_log(receipt, errp);
}

/* ---- whether a point was verified ---- */

static bool counts(const struct repository *repository, const struct point *point, const struct receipt *receipt)
{
	AUTO(err_freep) struct err *wrong = NULL;
	return receipt_standing(repository, receipt) == RECEIPT_OF_READER &&
	       receipt_check_point(receipt, point, &wrong);
}

bool receipt_find_newest(const struct repository *repository, const struct point *point, struct receipt *ret,
			 bool *ret_found, struct err **errp)
{
	AUTO(receipt_list_release) struct receipt_list list = {0};
	*ret_found = false;
	if (!repository_may(repository, ROLE_READ))
		return true;
	if (!receipt_list_load(repository, &point->session, &list, errp))
		return false;
	for (size_t i = 0; i < list.n && !*ret_found; i++) {
		struct receipt *receipt = &list.entries[i].receipt;
		if (!counts(repository, point, receipt))
			continue;
		*ret = *receipt;
		*receipt = (struct receipt){0};
		*ret_found = true;
	}
	return true;
}
