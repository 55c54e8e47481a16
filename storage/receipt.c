/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/receipt.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "storage/receipt_parts.h"

void receipt_release(struct receipt *receipt)
{
	free(receipt->streams);
	free(receipt->heads);
	bytes_release(&receipt->log.bytes);
	bytes_release(&receipt->screen.bytes);
	*receipt = (struct receipt){0};
}

static bool take_point(struct receipt *receipt, const struct point *point, struct err **errp)
{
	memcpy(receipt->point, point->id, POINT_ID_SIZE);
	receipt->session = point->session;
	memcpy(receipt->workload, point->workload, sizeof(receipt->workload));
	receipt->cut_ns = point->cut_ns;
	receipt->streams = calloc(point->n_streams ? point->n_streams : 1, sizeof(*receipt->streams));
	if (!receipt->streams)
		return err_set_no_memory(errp);
	for (; receipt->n_streams < point->n_streams; receipt->n_streams++) {
		const struct stream *from = &point->streams[receipt->n_streams];
		struct receipt_stream *to = &receipt->streams[receipt->n_streams];
		*to = (struct receipt_stream){.number = from->number, .kind = from->kind, .size = from->shape.size};
		memcpy(to->name, from->name, sizeof(to->name));
		memcpy(to->root, from->root.b, ID_SIZE);
	}
	return true;
}

static bool take_signer(struct receipt *receipt, const struct repository *repository, struct err **errp)
{
	const struct identity *identity = repository_identity(repository);
	const struct keyring_member *member = keyring_find(repository_keyring(repository), identity->id8);

	if (!member)
		return err_set(errp, ERR_DENIED, "this key is not in the keyring of the repository");
	memcpy(receipt->domain, repository_domain(repository), DOMAIN_SIZE);
	memcpy(receipt->sign_public, identity->sign_public, PUBLIC_SIZE);
	memcpy(receipt->seal_public, identity->seal_public, PUBLIC_SIZE);
	memcpy(receipt->signer, identity->id8, WRITER_SIZE);
	memcpy(receipt->signer_name, member->name, sizeof(receipt->signer_name));
	return true;
}

/* What this machine remembers was noted when it looked for the point. */
static bool take_heads(struct receipt *receipt, const struct repository *repository, struct err **errp)
{
	const struct keyring *keyring = repository_keyring(repository);
	AUTO(heads_release) struct heads heads = {0};
	bool damaged; /* reads as empty */

	if (!heads_load(repository_state_path(repository), &heads, &damaged, errp))
		return false;
	receipt->keyring_n = keyring->n;
	memcpy(receipt->keyring_hash, keyring->hash, HASH_SIZE);
	receipt->checkpoint_x = heads.checkpoint_x;
	memcpy(receipt->checkpoint_hash, heads.checkpoint_hash, HASH_SIZE);
	receipt->heads = STEAL(&heads.heads);
	receipt->n_heads = heads.n;
	return true;
}

static bool hash_nothing(struct receipt_evidence *evidence, struct err **errp)
{
	return crypto_sha256(NULL, 0, evidence->sha256, errp);
}

bool receipt_begin(const struct repository *repository, const struct point *point, struct receipt *ret,
		   struct err **errp)
{
	AUTO(receipt_release) struct receipt receipt = {0};

	if (!take_point(&receipt, point, errp) || !take_signer(&receipt, repository, errp) ||
	    !take_heads(&receipt, repository, errp) || !hash_nothing(&receipt.log, errp) ||
	    !hash_nothing(&receipt.screen, errp))
		return false;
	*ret = receipt;
	receipt = (struct receipt){0};
	return true;
}

void receipt_set_text(char *field, size_t size, const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t at = 0;

	for (size_t left = strlen(text); left > 0;) {
		size_t len = utf8_character(SPAN(text, left)), step = len > 0 ? len : 1;
		struct span character = len > 0 ? SPAN(text, len) : SPAN_TEXT(replacement);
		if (utf8_is_control(character))
			character = SPAN_TEXT(" ");
		if (character.len >= size - at)
			break;
		memcpy(field + at, character.data, character.len);
		at += character.len;
		text += step;
		left -= step;
	}
	field[at] = '\0';
}

static bool keep(struct receipt_evidence *evidence, struct span bytes, struct err **errp)
{
	bytes_release(&evidence->bytes);
	bytes_init(&evidence->bytes, bytes.len);
	bytes_put(&evidence->bytes, bytes.data, bytes.len);
	if (!bytes_ok(&evidence->bytes))
		return err_set_no_memory(errp);
	evidence->size = bytes.len;
	return crypto_sha256(&bytes, 1, evidence->sha256, errp);
}

bool receipt_keep_log(struct receipt *receipt, struct span log, uint64_t total, struct err **errp)
{
	assert(total >= log.len);
	size_t skipped = log.len > RECEIPT_LOG_MAX ? log.len - RECEIPT_LOG_MAX : 0;

	receipt->log_total = total;
	return keep(&receipt->log, skipped ? SPAN((const uint8_t *)log.data + skipped, RECEIPT_LOG_MAX) : log, errp);
}

bool receipt_keep_screen(struct receipt *receipt, struct span png, struct err **errp)
{
	if (!receipt_is_png(png) || png.len > RECEIPT_SCREEN_MAX)
		return err_set(errp, ERR_FAILED, "the picture of the screen is not a PNG of at most %u MiB",
			       RECEIPT_SCREEN_MAX >> 20);
	return keep(&receipt->screen, png, errp);
}

enum receipt_standing receipt_standing(const struct repository *repository, const struct receipt *receipt)
{
	const struct keyring_member *member = keyring_find(repository_keyring(repository), receipt->signer);

	if (memcmp(receipt->domain, repository_domain(repository), DOMAIN_SIZE) != 0)
		return RECEIPT_OF_OTHER_REPOSITORY;
	if (!member || memcmp(member->sign_public, receipt->sign_public, PUBLIC_SIZE) != 0)
		return RECEIPT_OF_STRANGER;
	if (member->revoked_from != KEYRING_NOT_REVOKED)
		return RECEIPT_OF_REVOKED;
	return member->roles & ROLE_READ ? RECEIPT_OF_READER : RECEIPT_OF_BLIND;
}

static bool is_stream(const struct receipt_stream *said, const struct stream *stream)
{
	return said->number == stream->number && said->kind == stream->kind && strcmp(said->name, stream->name) == 0 &&
	       said->size == stream->shape.size && memcmp(said->root, stream->root.b, ID_SIZE) == 0;
}

bool receipt_check_point(const struct receipt *receipt, const struct point *point, struct err **errp)
{
	bool same = memcmp(receipt->point, point->id, POINT_ID_SIZE) == 0 &&
		    session_id_equal(&receipt->session, &point->session) &&
		    strcmp(receipt->workload, point->workload) == 0 && receipt->cut_ns == point->cut_ns &&
		    receipt->n_streams == point->n_streams;

	for (size_t i = 0; same && i < receipt->n_streams; i++)
		same = is_stream(&receipt->streams[i], &point->streams[i]);
	return same || err_set(errp, ERR_CORRUPT, "the receipt says of its point what the point does not say");
}

const char *receipt_verdict_text(enum receipt_verdict verdict)
{
	return verdict == RECEIPT_PASSED ? "passed" : "failed";
}

const char *receipt_sign_text(enum receipt_sign sign)
{
	static const char *const texts[] = {
		[RECEIPT_NOTHING] = "none",
		[RECEIPT_AGENT] = "agent",
		[RECEIPT_CONSOLE] = "console",
		[RECEIPT_SCREEN] = "screen",
	};
	return texts[sign];
}

bool receipt_fingerprint(const struct receipt *receipt, uint8_t ret[HASH_SIZE], struct err **errp)
{
	const struct span parts[] = {SPAN_OF(receipt->sign_public), SPAN_OF(receipt->seal_public)};
	return crypto_sha256(parts, ARRAY_LENGTH(parts), ret, errp);
}

char *receipt_id_text(const struct receipt *receipt, char text[RECEIPT_ID_TEXT_SIZE])
{
	return hex_encode(receipt->id, RECEIPT_ID_SIZE, text);
}
