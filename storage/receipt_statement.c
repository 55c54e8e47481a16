/* SPDX-License-Identifier: Apache-2.0 */
/* What is signed of a receipt, see docs/format.md, Receipts. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "storage/format_parts.h"
#include "storage/receipt_parts.h"

#define STREAM_ENCODED_MIN (2 + 1 + 1 + 2 + 1 + 8 + ID_SIZE)

/* The texts that the maker fills in, in their order. */
static const struct {
	size_t offset, size, min;
} texts[] = {
	{offsetof(struct receipt, reason), sizeof(((struct receipt *)0)->reason), 1},
	{offsetof(struct receipt, expected), sizeof(((struct receipt *)0)->expected), 0},
	{offsetof(struct receipt, host), sizeof(((struct receipt *)0)->host), 0},
	{offsetof(struct receipt, salvor), sizeof(((struct receipt *)0)->salvor), 0},
	{offsetof(struct receipt, hypervisor), sizeof(((struct receipt *)0)->hypervisor), 0},
	{offsetof(struct receipt, accelerator), sizeof(((struct receipt *)0)->accelerator), 0},
};

static void encode_outcome(const struct receipt *receipt, struct bytes *out)
{
	bytes_u8(out, (uint8_t)receipt->verdict);
	bytes_u8(out, (uint8_t)receipt->sign);
	bytes_u16(out, 0);
	bytes_u64(out, receipt->started_ns);
	bytes_u64(out, receipt->ready_ns);
	bytes_u64(out, receipt->ended_ns);
	bytes_u64(out, receipt->ready_ms);
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
		bytes_text(out, (const char *)receipt + texts[i].offset);
}

static void encode_signer(const struct receipt *receipt, struct bytes *out)
{
	bytes_put(out, receipt->sign_public, PUBLIC_SIZE);
	bytes_put(out, receipt->seal_public, PUBLIC_SIZE);
	bytes_text(out, receipt->signer_name);
}

static void encode_heads(const struct receipt *receipt, struct bytes *out)
{
	bytes_u32(out, receipt->keyring_n);
	bytes_put(out, receipt->keyring_hash, HASH_SIZE);
	bytes_u64(out, receipt->checkpoint_x);
	bytes_put(out, receipt->checkpoint_hash, HASH_SIZE);
	bytes_u32(out, (uint32_t)receipt->n_heads);
	for (size_t i = 0; i < receipt->n_heads; i++) {
		format_put_session(out, &receipt->heads[i].session);
		bytes_put(out, receipt->heads[i].point, POINT_ID_SIZE);
	}
}

static void encode_streams(const struct receipt *receipt, struct bytes *out)
{
	bytes_u16(out, (uint16_t)receipt->n_streams);
	for (size_t i = 0; i < receipt->n_streams; i++) {
		const struct receipt_stream *stream = &receipt->streams[i];
		bytes_u16(out, stream->number);
		bytes_u8(out, (uint8_t)stream->kind);
		bytes_u8(out, 0);
		bytes_text(out, stream->name);
		bytes_u64(out, stream->size);
		bytes_put(out, stream->root, ID_SIZE);
	}
}

static void encode_evidence(const struct receipt_evidence *evidence, struct bytes *out)
{
	bytes_u32(out, (uint32_t)evidence->size);
	bytes_put(out, evidence->sha256, HASH_SIZE);
}

bool receipt_statement_encode(const struct receipt *receipt, struct bytes *ret, struct err **errp)
{
	AUTO(receipt_release) struct receipt again = {0};
	AUTO(bytes_release) struct bytes out;

	bytes_init(&out, RECEIPT_STATEMENT_MAX);
	bytes_put(&out, receipt->domain, DOMAIN_SIZE);
	bytes_put(&out, receipt->point, POINT_ID_SIZE);
	format_put_session(&out, &receipt->session);
	bytes_text(&out, receipt->workload);
	bytes_u64(&out, receipt->cut_ns);
	encode_outcome(receipt, &out);
	encode_signer(receipt, &out);
	encode_heads(receipt, &out);
	encode_streams(receipt, &out);
	bytes_u64(&out, receipt->log_total);
	encode_evidence(&receipt->log, &out);
	encode_evidence(&receipt->screen, &out);
	if (!bytes_ok(&out))
		return err_set_no_memory(errp);
	if (!receipt_statement_parse(bytes_span(&out), &again, errp)) /* what readers refuse is never signed */
		return err_prefix(errp, "a receipt that cannot be");
	*ret = out;
	out = (struct bytes){0};
	return true;
}

static bool is_plain(const char *text)
{
	for (size_t left = strlen(text); left > 0;) {
		size_t len = utf8_character(SPAN(text, left));
		if (utf8_is_control(SPAN(text, len)))
			return false;
		text += len;
		left -= len;
	}
	return true;
}

static bool outcome_is_possible(const struct receipt *receipt)
{
	bool alive = receipt->sign != RECEIPT_NOTHING;

	return alive == (receipt->ready_ns != 0) && (alive || receipt->ready_ms == 0) &&
	       (alive || receipt->verdict == RECEIPT_FAILED);
}

static bool parse_outcome(struct cursor *cursor, struct receipt *receipt, struct err **errp)
{
	uint8_t verdict = cursor_u8(cursor), sign = cursor_u8(cursor);
	uint16_t reserved = cursor_u16(cursor);

	receipt->verdict = verdict;
	receipt->sign = sign;
	receipt->started_ns = cursor_u64(cursor);
	receipt->ready_ns = cursor_u64(cursor);
	receipt->ended_ns = cursor_u64(cursor);
	receipt->ready_ms = cursor_u64(cursor);
	if (!cursor_ok(cursor) || verdict < RECEIPT_PASSED || verdict > RECEIPT_FAILED || sign > RECEIPT_SCREEN ||
	    reserved != 0 || !outcome_is_possible(receipt))
		return err_set(errp, ERR_CORRUPT, "receipt: its verdict cannot be");
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		char *text = (char *)receipt + texts[i].offset;
		format_text(cursor, text, texts[i].min, texts[i].size);
		if (!cursor_ok(cursor) || !is_plain(text))
			return err_set(errp, ERR_CORRUPT, "receipt: damaged text");
	}
	return true;
}

static bool parse_signer(struct cursor *cursor, struct receipt *receipt, struct err **errp)
{
	cursor_copy(cursor, receipt->sign_public, PUBLIC_SIZE);
	cursor_copy(cursor, receipt->seal_public, PUBLIC_SIZE);
	format_text(cursor, receipt->signer_name, 1, sizeof(receipt->signer_name));
	if (!cursor_ok(cursor) || !is_plain(receipt->signer_name))
		return err_set(errp, ERR_CORRUPT, "receipt: damaged name of a signer");
	return identity_id8(receipt->sign_public, receipt->seal_public, receipt->signer, errp);
}

static bool heads_ascend(const struct receipt *receipt)
{
	for (size_t i = 0; i < receipt->n_heads; i++) {
		const struct session_id *session = &receipt->heads[i].session;
		if (session->number == 0 ||
		    (i > 0 && memcmp(receipt->heads[i - 1].session.writer, session->writer, WRITER_SIZE) >= 0))
			return false;
	}
	return true;
}

static bool parse_heads(struct cursor *cursor, struct receipt *receipt, struct err **errp)
{
	receipt->keyring_n = cursor_u32(cursor);
	cursor_copy(cursor, receipt->keyring_hash, HASH_SIZE);
	receipt->checkpoint_x = cursor_u64(cursor);
	cursor_copy(cursor, receipt->checkpoint_hash, HASH_SIZE);
	uint32_t n = cursor_u32(cursor);
	if (!cursor_ok(cursor) || n > RECEIPT_HEADS_MAX || n > cursor->left / (SESSION_SIZE + POINT_ID_SIZE))
		return err_set(errp, ERR_CORRUPT, "receipt: impossible number of heads");
	receipt->heads = calloc(n ? n : 1, sizeof(*receipt->heads));
	if (!receipt->heads)
		return err_set_no_memory(errp);
	for (; receipt->n_heads < n; receipt->n_heads++) {
		format_session(cursor, &receipt->heads[receipt->n_heads].session);
		cursor_copy(cursor, receipt->heads[receipt->n_heads].point, POINT_ID_SIZE);
	}
	return heads_ascend(receipt) || err_set(errp, ERR_CORRUPT, "receipt: its heads are in disorder");
}

static bool parse_stream(struct cursor *cursor, struct receipt_stream *ret, struct err **errp)
{
	ret->number = cursor_u16(cursor);
	uint8_t kind = cursor_u8(cursor), reserved = cursor_u8(cursor);
	format_text(cursor, ret->name, 1, sizeof(ret->name));
	ret->size = cursor_u64(cursor);
	cursor_copy(cursor, ret->root, ID_SIZE);
	ret->kind = kind;
	return (cursor_ok(cursor) && kind >= STREAM_DISK && kind <= STREAM_ANSWERS && reserved == 0) ||
	       err_set(errp, ERR_CORRUPT, "receipt: damaged stream");
}

static bool parse_streams(struct cursor *cursor, struct receipt *receipt, struct err **errp)
{
	uint16_t n = cursor_u16(cursor);

	if (!cursor_ok(cursor) || n == 0 || n > POINT_STREAMS_MAX || n > cursor->left / STREAM_ENCODED_MIN)
		return err_set(errp, ERR_CORRUPT, "receipt: impossible number of streams");
	receipt->streams = calloc(n, sizeof(*receipt->streams));
	if (!receipt->streams)
		return err_set_no_memory(errp);
	for (; receipt->n_streams < n; receipt->n_streams++)
		if (!parse_stream(cursor, &receipt->streams[receipt->n_streams], errp))
			return false;
	return true;
}

static void parse_evidence(struct cursor *cursor, struct receipt_evidence *ret)
{
	ret->size = cursor_u32(cursor);
	cursor_copy(cursor, ret->sha256, HASH_SIZE);
}

static bool parse_evidences(struct cursor *cursor, struct receipt *receipt, struct err **errp)
{
	receipt->log_total = cursor_u64(cursor);
	parse_evidence(cursor, &receipt->log);
	parse_evidence(cursor, &receipt->screen);
	return (cursor_done(cursor) && receipt->log.size <= RECEIPT_LOG_MAX &&
		receipt->log.size <= receipt->log_total && receipt->screen.size <= RECEIPT_SCREEN_MAX) ||
	       err_set(errp, ERR_CORRUPT, "receipt: its evidence cannot be");
}

static bool parse(struct span statement, struct receipt *receipt, struct err **errp)
{
	struct cursor cursor;

	cursor_init(&cursor, statement);
	cursor_copy(&cursor, receipt->domain, DOMAIN_SIZE);
	cursor_copy(&cursor, receipt->point, POINT_ID_SIZE);
	format_session(&cursor, &receipt->session);
	format_text(&cursor, receipt->workload, 1, sizeof(receipt->workload));
	receipt->cut_ns = cursor_u64(&cursor);
	if (!cursor_ok(&cursor) || receipt->session.number == 0)
		return err_set(errp, ERR_CORRUPT, "receipt: it names no point");
	return parse_outcome(&cursor, receipt, errp) && parse_signer(&cursor, receipt, errp) &&
	       parse_heads(&cursor, receipt, errp) && parse_streams(&cursor, receipt, errp) &&
	       parse_evidences(&cursor, receipt, errp);
}

bool receipt_statement_parse(struct span statement, struct receipt *ret, struct err **errp)
{
	AUTO(receipt_release) struct receipt receipt = {0};

	if (!parse(statement, &receipt, errp))
		return false;
	*ret = receipt;
	receipt = (struct receipt){0};
	return true;
}
