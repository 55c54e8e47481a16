/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object v/<session>/<id8><n>: a receipt file, sealed in two parts, so that a list of receipts reads statements and
 * no pictures. See docs/format.md, Receipts.
 */
#include <string.h>

#include "base/err.h"
#include "storage/dek.h"
#include "storage/format_parts.h"
#include "storage/receipt_parts.h"
#include "storage/signed_object.h"

#define OBJECT_MAGIC "SLVRRCPO"
#define KEY_LABEL "salvor receipt"

enum {
	HEAD_SIZE = 64,
	FIRST_LENGTH_AT = FORMAT_BEGIN_SIZE + 4,
	AAD_SIZE = HEAD_SIZE + KEYSLOT_SIZE,
	FILE_BEGIN_SIZE = FORMAT_BEGIN_SIZE + 4,
	FIRST_MAX = FILE_BEGIN_SIZE + RECEIPT_STATEMENT_MAX + SIGNATURE_SIZE + TAG_SIZE,
	OBJECT_MAX = RECEIPT_FILE_MAX + AAD_SIZE + 2 * TAG_SIZE + SIGNED_TRAILER_SIZE,
	TRIES = 16, /* a number may be taken between LIST and PUT */
};

enum part { PART_FIRST = 0, PART_EVIDENCE = 1 };

struct receipt_name {
	struct session_id session;
	uint8_t id8[WRITER_SIZE];
	uint32_t n;
};

struct sealing {
	uint8_t aad[AAD_SIZE]; /* head and keyslot */
	uint8_t key[KEY_SIZE];
};

static void sealing_wipe(struct sealing *sealing)
{
	crypto_wipe(sealing->key, sizeof(sealing->key));
}

static bool derive_key(const struct receipt_name *name, const uint8_t dek[KEY_SIZE], uint8_t ret[KEY_SIZE],
		       struct err **errp)
{
	uint8_t session[SESSION_SIZE], n[4];
	const struct span parts[] = {SPAN_TEXT(KEY_LABEL), SPAN_OF(session), SPAN_OF(name->id8), SPAN_OF(n)};

	session_id_store(&name->session, session);
	bytes_store_le32(n, name->n);
	return crypto_hmac(dek, parts, ARRAY_LENGTH(parts), ret, errp);
}

/* A key is for one object, so the two parts have the nonces 0 and 1. */
static void part_nonce(enum part part, uint8_t ret[NONCE_SIZE])
{
	memset(ret, 0, NONCE_SIZE);
	ret[0] = (uint8_t)part;
}

static bool put_head(const struct repository *repository, const struct receipt_name *name, uint32_t first_len,
		     uint8_t ret[HEAD_SIZE], struct err **errp)
{
	AUTO(bytes_release) struct bytes head;

	bytes_init(&head, HEAD_SIZE);
	format_put_begin(&head, OBJECT_MAGIC);
	bytes_u32(&head, name->n);
	bytes_u32(&head, first_len);
	bytes_put(&head, repository_domain(repository), DOMAIN_SIZE);
	format_put_session(&head, &name->session);
	bytes_put(&head, name->id8, WRITER_SIZE);
	bytes_extend(&head, 4);
	if (!bytes_ok(&head))
		return err_set_no_memory(errp);
	memcpy(ret, head.data, HEAD_SIZE);
	return true;
}

static bool seal_begin(const struct repository *repository, const struct receipt_name *name, size_t first_len,
		       struct sealing *ret, struct err **errp)
{
	uint8_t dek[KEY_SIZE];
	bool ok = put_head(repository, name, (uint32_t)(first_len + TAG_SIZE), ret->aad, errp) &&
		  dek_make(repository, &name->session, name->n, dek, ret->aad + HEAD_SIZE, errp) &&
		  derive_key(name, dek, ret->key, errp);

	crypto_wipe(dek, sizeof(dek));
	return ok;
}

static bool seal_part(const struct sealing *sealing, enum part part, struct span plain, struct bytes *out,
		      struct err **errp)
{
	uint8_t nonce[NONCE_SIZE];
	uint8_t *sealed = bytes_extend(out, plain.len + TAG_SIZE);

	part_nonce(part, nonce);
	return sealed ? crypto_seal(sealing->key, nonce, SPAN_OF(sealing->aad), plain, sealed, errp)
		      : err_set_no_memory(errp);
}

/* Where the evidence begins in a file that receipt_sign() made. */
static size_t first_length(struct span file)
{
	const uint8_t *bytes = file.data;
	return FILE_BEGIN_SIZE + bytes_load_le32(bytes + FORMAT_BEGIN_SIZE) + SIGNATURE_SIZE;
}

static bool put(const struct repository *repository, const struct receipt_name *name, struct span file, char *ret_name,
		struct err **errp)
{
	AUTO(bytes_release) struct bytes object;
	AUTO(sealing_wipe) struct sealing sealing = {0};
	size_t first = first_length(file);
	const uint8_t *bytes = file.data;

	bytes_init(&object, OBJECT_MAX);
	object_name_receipt(&name->session, name->id8, name->n, ret_name);
	if (!seal_begin(repository, name, first, &sealing, errp))
		return false;
	bytes_put(&object, sealing.aad, sizeof(sealing.aad));
	return seal_part(&sealing, PART_FIRST, SPAN(bytes, first), &object, errp) &&
	       seal_part(&sealing, PART_EVIDENCE, SPAN(bytes + first, file.len - first), &object, errp) &&
	       signed_object_seal(repository_identity(repository), repository_domain(repository), ret_name, &object,
				  errp) &&
	       backend_put_once(repository_backend(repository), ret_name, bytes_span(&object), errp);
}

struct highest {
	const uint8_t *id8;
	uint32_t n;
};

static bool each_name(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct highest *highest = arg;
	struct receipt_name parsed;

	(void)size;
	(void)errp;
	if (object_name_parse_receipt(name, &parsed.session, parsed.id8, &parsed.n) &&
	    memcmp(parsed.id8, highest->id8, WRITER_SIZE) == 0 && parsed.n > highest->n)
		highest->n = parsed.n;
	return true;
}

static bool next_number(const struct repository *repository, struct receipt_name *name, struct err **errp)
{
	struct highest highest = {.id8 = name->id8, .n = name->n};
	char prefix[OBJECT_NAME_SIZE];

	object_name_receipt(&name->session, name->id8, 0, prefix);
	prefix[strlen(prefix) - 8] = '\0';
	if (!backend_list(repository_backend(repository), prefix, each_name, &highest, errp))
		return false;
	if (highest.n == UINT32_MAX)
		return err_set(errp, ERR_FAILED, "%s: there are as many receipts of it as there may be", prefix);
	name->n = highest.n + 1;
	return true;
}

bool receipt_publish(const struct repository *repository, const struct receipt *receipt, struct span file,
		     char *ret_name, struct err **errp)
{
	struct receipt_name name = {.session = receipt->session};

	memcpy(name.id8, receipt->signer, WRITER_SIZE);
	if (!repository_check_writable(repository, errp))
		return false;
	for (int left = TRIES - 1;; left--) {
		if (!next_number(repository, &name, errp))
			return false;
		if (put(repository, &name, file, ret_name, errp))
			return true;
		if (err_code(*errp) != ERR_EXISTS || left == 0)
			return err_prefix(errp, "receipt");
		err_clear(errp);
	}
}

static bool parse_head(const struct repository *repository, const struct receipt_name *name,
		       const uint8_t aad[AAD_SIZE], uint32_t *ret_first_len, struct err **errp)
{
	uint8_t expected[HEAD_SIZE];
	struct cursor cursor;

	cursor_init(&cursor, SPAN(aad, HEAD_SIZE));
	if (!format_begin(&cursor, OBJECT_MAGIC, "sealed receipt", errp))
		return false;
	uint32_t first_len = bytes_load_le32(aad + FIRST_LENGTH_AT);
	if (!put_head(repository, name, first_len, expected, errp))
		return false;
	if (memcmp(aad, expected, HEAD_SIZE) != 0)
		return err_set(errp, ERR_CORRUPT, "is a receipt of another name or repository");
	if (first_len < TAG_SIZE || first_len > FIRST_MAX)
		return err_set(errp, ERR_CORRUPT, "a sealed receipt of impossible lengths");
	*ret_first_len = first_len;
	return true;
}

/* aad is filled already. */
static bool open_begin(const struct repository *repository, const struct receipt_name *name, struct sealing *sealing,
		       struct err **errp)
{
	uint8_t dek[KEY_SIZE], origin[SESSION_SIZE + 4];
	const uint8_t *keyslot = sealing->aad + HEAD_SIZE;

	session_id_store(&name->session, origin);
	bytes_store_le32(origin + SESSION_SIZE, name->n);
	if (memcmp(keyslot, origin, sizeof(origin)) != 0)
		return err_set(errp, ERR_CORRUPT, "its keyslot is of another receipt");
	bool ok = dek_open(repository, keyslot, dek, errp) && derive_key(name, dek, sealing->key, errp);
	crypto_wipe(dek, sizeof(dek));
	return ok;
}

static bool open_part(const struct sealing *sealing, enum part part, struct span sealed, struct bytes *out,
		      struct err **errp)
{
	uint8_t nonce[NONCE_SIZE];

	part_nonce(part, nonce);
	if (sealed.len < TAG_SIZE)
		return err_set(errp, ERR_CORRUPT, "a sealed receipt is too short");
	uint8_t *plain = bytes_extend(out, sealed.len - TAG_SIZE);
	return plain ? crypto_open(sealing->key, nonce, SPAN_OF(sealing->aad), sealed, plain, errp)
		     : err_set_no_memory(errp);
}

/* The receipt inside is the one that the name says. */
static bool check_inside(const struct repository *repository, const struct receipt_name *name,
			 const struct receipt *receipt, struct err **errp)
{
	bool same = session_id_equal(&receipt->session, &name->session) &&
		    memcmp(receipt->signer, name->id8, WRITER_SIZE) == 0 &&
		    memcmp(receipt->domain, repository_domain(repository), DOMAIN_SIZE) == 0;

	return same || err_set(errp, ERR_CORRUPT, "the receipt in it is of another point, signer or repository");
}

/* The head was checked. */
static bool open_whole(const struct repository *repository, const struct receipt_name *name, struct span body,
		       struct bytes *file, struct err **errp)
{
	AUTO(sealing_wipe) struct sealing sealing = {0};
	const uint8_t *bytes = body.data, *first = bytes + AAD_SIZE;
	size_t first_len = bytes_load_le32(bytes + FIRST_LENGTH_AT), left = body.len - AAD_SIZE;

	if (first_len > left)
		return err_set(errp, ERR_CORRUPT, "a sealed receipt is too short");
	memcpy(sealing.aad, bytes, AAD_SIZE);
	return open_begin(repository, name, &sealing, errp) &&
	       open_part(&sealing, PART_FIRST, SPAN(first, first_len), file, errp) &&
	       open_part(&sealing, PART_EVIDENCE, SPAN(first + first_len, left - first_len), file, errp);
}

/* Whose it is, and that nobody changed it: what everybody can check. */
static bool fetch(const struct repository *repository, const char *text, const struct receipt_name *name,
		  struct bytes *ret, struct span *ret_body, struct err **errp)
{
	uint8_t signer[WRITER_SIZE];
	uint32_t first_len;

	if (!backend_get(repository_backend(repository), text, OBJECT_MAX, ret, errp) ||
	    !repository_check_signature(repository, text, bytes_span(ret), ret_body, signer, errp))
		return false;
	if (memcmp(signer, name->id8, WRITER_SIZE) != 0)
		return err_set(errp, ERR_CORRUPT, "is signed by another than its name says");
	if (ret_body->len < AAD_SIZE)
		return err_set(errp, ERR_CORRUPT, "a sealed receipt is too short");
	return parse_head(repository, name, ret_body->data, &first_len, errp);
}

static bool load(const struct repository *repository, const char *text, const struct receipt_name *name,
		 struct receipt *ret, struct bytes *file, struct err **errp)
{
	AUTO(bytes_release) struct bytes object = {0};
	AUTO(receipt_release) struct receipt receipt = {0};
	struct span body;

	if (!fetch(repository, text, name, &object, &body, errp) || !open_whole(repository, name, body, file, errp) ||
	    !receipt_parse(bytes_span(file), &receipt, errp) || !check_inside(repository, name, &receipt, errp))
		return false;
	*ret = receipt;
	receipt = (struct receipt){0};
	return true;
}

static bool parse_name(const char *text, struct receipt_name *ret, struct err **errp)
{
	return object_name_parse_receipt(text, &ret->session, ret->id8, &ret->n) ||
	       err_set(errp, ERR_CORRUPT, "not a name of a receipt");
}

static bool name_object(const char *name, struct err **errp)
{
	err_about(errp, "%s", name);
	return strncmp(err_message(*errp), name, strlen(name)) == 0 ? false : err_prefix(errp, "%s", name);
}

bool receipt_check_object(const struct repository *repository, const char *name, struct err **errp)
{
	AUTO(bytes_release) struct bytes object = {0};
	struct receipt_name parsed;
	struct span body;

	return (parse_name(name, &parsed, errp) && fetch(repository, name, &parsed, &object, &body, errp)) ||
	       name_object(name, errp);
}

bool receipt_load(const struct repository *repository, const char *name, struct receipt *ret, struct bytes *ret_file,
		  struct err **errp)
{
	AUTO(bytes_release) struct bytes file;
	struct receipt_name parsed;

	bytes_init(&file, RECEIPT_FILE_MAX);
	if (!parse_name(name, &parsed, errp) || !repository_check_readable(repository, errp) ||
	    !load(repository, name, &parsed, ret, &file, errp))
		return name_object(name, errp);
	if (ret_file) {
		*ret_file = file;
		file = (struct bytes){0};
	}
	return true;
}

static bool load_first(const struct repository *repository, const char *text, const struct receipt_name *name,
		       struct bytes *sealed, struct bytes *first, struct err **errp)
{
	AUTO(sealing_wipe) struct sealing sealing = {0};
	struct backend *backend = repository_backend(repository);
	uint32_t len;

	if (!backend_get_range(backend, text, 0, sealing.aad, AAD_SIZE, errp) ||
	    !parse_head(repository, name, sealing.aad, &len, errp))
		return false;
	uint8_t *bytes = bytes_extend(sealed, len);
	if (!bytes)
		return err_set_no_memory(errp);
	return backend_get_range(backend, text, AAD_SIZE, bytes, len, errp) &&
	       open_begin(repository, name, &sealing, errp) &&
	       open_part(&sealing, PART_FIRST, bytes_span(sealed), first, errp);
}

static bool load_statement(const struct repository *repository, const char *text, const struct receipt_name *name,
			   struct receipt *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes sealed, first;
	AUTO(receipt_release) struct receipt receipt = {0};
	struct cursor cursor;

	bytes_init(&sealed, FIRST_MAX);
	bytes_init(&first, FIRST_MAX);
	if (!load_first(repository, text, name, &sealed, &first, errp))
		return false;
	cursor_init(&cursor, bytes_span(&first));
	if (!receipt_parse_first(&cursor, &receipt, errp))
		return false;
	if (!cursor_done(&cursor))
		return err_set(errp, ERR_CORRUPT, "bytes follow the statement of its receipt");
	if (!check_inside(repository, name, &receipt, errp))
		return false;
	*ret = receipt;
	receipt = (struct receipt){0};
	return true;
}

bool receipt_load_statement(const struct repository *repository, const char *name, struct receipt *ret,
			    struct err **errp)
{
	struct receipt_name parsed;

	return (parse_name(name, &parsed, errp) && repository_check_readable(repository, errp) &&
		load_statement(repository, name, &parsed, ret, errp)) ||
	       name_object(name, errp);
}
