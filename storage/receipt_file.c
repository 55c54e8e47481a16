/* SPDX-License-Identifier: Apache-2.0 */
/* The receipt file: statement, signature, evidence. See docs/format.md, Receipts. */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/format_parts.h"
#include "storage/receipt_parts.h"

#define MESSAGE_MAX (RECEIPT_STATEMENT_MAX + sizeof(RECEIPT_LABEL))

static const uint8_t png_magic[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

bool receipt_is_png(struct span bytes)
{
	return bytes.len >= sizeof(png_magic) && memcmp(bytes.data, png_magic, sizeof(png_magic)) == 0;
}

/* What is signed, in one piece. */
static bool message(struct span statement, struct bytes *ret, struct err **errp)
{
	bytes_init(ret, MESSAGE_MAX);
	bytes_put(ret, RECEIPT_LABEL, strlen(RECEIPT_LABEL));
	bytes_put(ret, statement.data, statement.len);
	return bytes_ok(ret) || err_set_no_memory(errp);
}

bool receipt_sign(const struct repository *repository, struct receipt *receipt, struct bytes *ret_file,
		  struct err **errp)
{
	AUTO(bytes_release) struct bytes statement = {0}, signed_bytes = {0}, file;
	uint8_t signature[SIGNATURE_SIZE];

	bytes_init(&file, RECEIPT_FILE_MAX);
	if (!receipt_statement_encode(receipt, &statement, errp))
		return false;
	struct span span = bytes_span(&statement);
	if (!message(span, &signed_bytes, errp) || !crypto_sha256(&span, 1, receipt->id, errp) ||
	    !crypto_sign(repository_identity(repository)->sign_seed, bytes_span(&signed_bytes), signature, errp))
		return false;
	format_put_begin(&file, RECEIPT_MAGIC);
	bytes_u32(&file, (uint32_t)statement.len);
	bytes_put(&file, statement.data, statement.len);
	bytes_put(&file, signature, sizeof(signature));
	bytes_put(&file, receipt->log.bytes.data, receipt->log.bytes.len);
	bytes_put(&file, receipt->screen.bytes.data, receipt->screen.bytes.len);
	if (!bytes_ok(&file))
		return err_set_no_memory(errp);
	*ret_file = file;
	file = (struct bytes){0};
	return true;
}

bool receipt_write_file(const char *path, struct span file, struct err **errp)
{
	AUTO(freep) char *for_folder = strdup(path);
	AUTO(freep) char *for_name = strdup(path);

	if (!for_folder || !for_name)
		return err_set_no_memory(errp);
	const char *folder = dirname(for_folder);
	return file_create_once(folder, basename(for_name), folder, file, 0600, errp) || err_prefix(errp, "receipt");
}

static bool check_signature(const struct receipt *receipt, struct span statement,
			    const uint8_t signature[SIGNATURE_SIZE], struct err **errp)
{
	AUTO(bytes_release) struct bytes signed_bytes = {0};

	return message(statement, &signed_bytes, errp) &&
	       (crypto_verify(receipt->sign_public, bytes_span(&signed_bytes), signature, errp) ||
		err_prefix(errp, "the receipt was changed"));
}

/* Whether it is genuine is what is asked, and of a version that is unknown nobody can say that. */
static bool begin(struct cursor *cursor, struct err **errp)
{
	if (format_begin(cursor, RECEIPT_MAGIC, "receipt", errp))
		return true;
	if (err_code(*errp) != ERR_UNSUPPORTED)
		return false;
	err_clear(errp);
	return err_set(errp, ERR_CORRUPT,
		       "receipt: its version is unknown: it was changed, or a newer version of salvor made it");
}

bool receipt_parse_first(struct cursor *cursor, struct receipt *ret, struct err **errp)
{
	uint8_t signature[SIGNATURE_SIZE];

	if (!begin(cursor, errp))
		return false;
	uint32_t len = cursor_u32(cursor);
	if (len > RECEIPT_STATEMENT_MAX)
		return err_set(errp, ERR_CORRUPT, "receipt: its statement is too long");
	struct span statement = cursor_take(cursor, len);
	cursor_copy(cursor, signature, sizeof(signature));
	if (!cursor_ok(cursor))
		return err_set(errp, ERR_CORRUPT, "receipt: it is too short");
	AUTO(receipt_release) struct receipt receipt = {0};
	if (!receipt_statement_parse(statement, &receipt, errp) ||
	    !check_signature(&receipt, statement, signature, errp) || !crypto_sha256(&statement, 1, receipt.id, errp))
		return false;
	*ret = receipt;
	receipt = (struct receipt){0};
	return true;
}

static bool take_evidence(struct cursor *cursor, const char *what, struct receipt_evidence *evidence, struct err **errp)
{
	uint8_t hash[HASH_SIZE];
	struct span bytes = cursor_take(cursor, evidence->size);

	if (!cursor_ok(cursor))
		return err_set(errp, ERR_CORRUPT, "receipt: its %s is cut off", what);
	if (!crypto_sha256(&bytes, 1, hash, errp))
		return false;
	if (memcmp(hash, evidence->sha256, HASH_SIZE) != 0)
		return err_set(errp, ERR_CORRUPT, "the receipt was changed: its %s is not the one that was signed",
			       what);
	bytes_init(&evidence->bytes, bytes.len);
	bytes_put(&evidence->bytes, bytes.data, bytes.len);
	return bytes_ok(&evidence->bytes) || err_set_no_memory(errp);
}

bool receipt_parse_evidence(struct cursor *cursor, struct receipt *receipt, struct err **errp)
{
	if (!take_evidence(cursor, "console log", &receipt->log, errp) ||
	    !take_evidence(cursor, "screen", &receipt->screen, errp))
		return false;
	if (receipt->screen.size > 0 && !receipt_is_png(bytes_span(&receipt->screen.bytes)))
		return err_set(errp, ERR_CORRUPT, "receipt: its screen is not a PNG");
	return cursor_done(cursor) || err_set(errp, ERR_CORRUPT, "the receipt was changed: bytes follow its end");
}

bool receipt_parse(struct span file, struct receipt *ret, struct err **errp)
{
	AUTO(receipt_release) struct receipt receipt = {0};
	struct cursor cursor;

	cursor_init(&cursor, file);
	if (!receipt_parse_first(&cursor, &receipt, errp) || !receipt_parse_evidence(&cursor, &receipt, errp))
		return false;
	*ret = receipt;
	receipt = (struct receipt){0};
	return true;
}
