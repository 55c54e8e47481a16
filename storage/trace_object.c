/* SPDX-License-Identifier: Apache-2.0 */
/* The object t/<session>/<id8><n>, sealed for every member, as commits are. See docs/format.md, Traces. */
#include <string.h>

#include "base/err.h"
#include "storage/format_parts.h"
#include "storage/sealed.h"
#include "storage/signed_object.h"
#include "storage/trace.h"

#define TRACE_MAGIC "SLVRTRCE"
#define TRACE_LABEL "salvor trace"

enum {
	HEAD_SIZE = 64,
	SALT_SIZE = SESSION_SIZE + WRITER_SIZE + 4,
	R_AT = FORMAT_BEGIN_SIZE + 4,
	OBJECT_MAX = HEAD_SIZE + NONCE_SIZE + 4 + (int)TRACE_RUNS_MAX * TRACE_RUN_SIZE + TAG_SIZE + SIGNED_TRAILER_SIZE,
};

struct trace_name {
	struct session_id session;
	uint8_t id8[WRITER_SIZE];
	uint32_t n;
};

static struct sealed_name sealed_name(const struct trace_name *name, uint8_t salt[SALT_SIZE])
{
	session_id_store(&name->session, salt);
	memcpy(salt + SESSION_SIZE, name->id8, WRITER_SIZE);
	bytes_store_le32(salt + SESSION_SIZE + WRITER_SIZE, name->n);
	return (struct sealed_name){SPAN_TEXT(TRACE_LABEL), SPAN(salt, SALT_SIZE)};
}

static void put_head(const struct repository *repository, const struct trace_name *name, uint32_t r, struct bytes *out)
{
	format_put_begin(out, TRACE_MAGIC);
	bytes_u32(out, name->n);
	bytes_u32(out, r);
	bytes_put(out, repository_domain(repository), DOMAIN_SIZE);
	format_put_session(out, &name->session);
	bytes_put(out, name->id8, WRITER_SIZE);
	bytes_extend(out, 4);
}

/* ---- making ---- */

static bool publish(const struct repository *repository, const struct trace *trace, const struct trace_name *name,
		    const char *text, struct err **errp)
{
	AUTO(bytes_release) struct bytes plain = {0}, object;
	const struct metadata_keys *keys = repository_metadata(repository);
	uint8_t salt[SALT_SIZE];
	const struct sealed_name sealed = sealed_name(name, salt);
	bytes_init(&object, OBJECT_MAX);
	put_head(repository, name, keys->r, &object);
	return trace_encode(trace, &plain, errp) && sealed_append(keys, &sealed, bytes_span(&plain), &object, errp) &&
	       signed_object_seal(repository_identity(repository), repository_domain(repository), text, &object,
				  errp) &&
	       backend_put_once(repository_backend(repository), text, bytes_span(&object), errp);
}

bool trace_publish(const struct repository *repository, const struct trace *trace, const char *receipt,
		   struct err **errp)
{
	struct trace_name name;
	char text[OBJECT_NAME_SIZE];
	if (!object_name_parse_receipt(receipt, &name.session, name.id8, &name.n))
		return err_set(errp, ERR_FAILED, "'%s' is not a receipt in the repository", receipt);
	object_name_trace(&name.session, name.id8, name.n, text);
	return publish(repository, trace, &name, text, errp) || err_prefix(errp, "%s", text);
}

/* ---- reading ---- */

static bool check_head(const struct repository *repository, const struct trace_name *name, struct span body,
		       struct err **errp)
{
	AUTO(bytes_release) struct bytes expected;
	struct cursor cursor;
	cursor_init(&cursor, body);
	if (!format_begin(&cursor, TRACE_MAGIC, "trace", errp))
		return false;
	if (body.len < HEAD_SIZE)
		return err_set(errp, ERR_CORRUPT, "it is too short");
	bytes_init(&expected, HEAD_SIZE);
	put_head(repository, name, bytes_load_le32((const uint8_t *)body.data + R_AT), &expected);
	if (!bytes_ok(&expected))
		return err_set_no_memory(errp);
	return memcmp(expected.data, body.data, HEAD_SIZE) == 0 ||
	       err_set(errp, ERR_CORRUPT, "it is a trace of another name or repository");
}

static bool unseal(const struct repository *repository, const struct trace_name *name, struct span body,
		   struct bytes *plain, struct err **errp)
{
	const uint8_t *head = body.data;
	const struct metadata_keys *keys = repository_metadata_at(repository, bytes_load_le32(head + R_AT));
	uint8_t salt[SALT_SIZE];
	const struct sealed_name sealed = sealed_name(name, salt);
	if (!keys)
		return err_set(errp, ERR_CORRUPT, "it is under a metadata key that the keyring does not have");
	return sealed_open(keys, &sealed, body, HEAD_SIZE, plain, errp);
}

struct opened {
	struct trace_name name;
	struct bytes object;
	struct span body; /* borrowed from object */
};

static void opened_release(struct opened *opened)
{
	bytes_release(&opened->object);
}

/* Whose it is, and that nobody changed it: as receipts, those of revoked members stay what they were. */
static bool fetch(const struct repository *repository, const char *text, struct opened *ret, struct err **errp)
{
	uint8_t signer[WRITER_SIZE];
	if (!object_name_parse_trace(text, &ret->name.session, ret->name.id8, &ret->name.n))
		return err_set(errp, ERR_CORRUPT, "not a name of a trace");
	if (!backend_get(repository_backend(repository), text, OBJECT_MAX, &ret->object, errp) ||
	    !repository_check_signature(repository, text, bytes_span(&ret->object), &ret->body, signer, errp))
		return false;
	if (memcmp(signer, ret->name.id8, WRITER_SIZE) != 0)
		return err_set(errp, ERR_CORRUPT, "it is signed by another than its name says");
	return check_head(repository, &ret->name, ret->body, errp);
}

static bool load(const struct repository *repository, const char *text, struct trace *ret, struct err **errp)
{
	AUTO(opened_release) struct opened opened = {0};
	AUTO(bytes_release) struct bytes plain;
	bytes_init(&plain, OBJECT_MAX);
	return fetch(repository, text, &opened, errp) && unseal(repository, &opened.name, opened.body, &plain, errp) &&
	       trace_parse(bytes_span(&plain), ret, errp);
}

bool trace_load(const struct repository *repository, const char *name, struct trace *ret, struct err **errp)
{
	if (load(repository, name, ret, errp) ||
	    (backend_read_again(repository_backend(repository), name, errp) && load(repository, name, ret, errp)))
		return true;
	err_about(errp, "%s", name);
	return strstr(err_message(*errp), name) ? false : err_prefix(errp, "%s", name);
}

bool trace_counts(const struct repository *repository, const char *name)
{
	struct trace_name parsed;
	return object_name_parse_trace(name, &parsed.session, parsed.id8, &parsed.n) &&
	       keyring_allows(repository_keyring(repository), parsed.id8, ROLE_READ, 0);
}
