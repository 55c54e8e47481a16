/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "storage/commit_parts.h"
#include "storage/format_parts.h"
#include "storage/signed_object.h"

struct sealed_name commit_sealed_name(const struct session_id *session, uint8_t salt[SESSION_SIZE])
{
	session_id_store(session, salt);
	return (struct sealed_name){SPAN_TEXT(COMMIT_LABEL), SPAN(salt, SESSION_SIZE)};
}

/* "salvor statement 1" ‖ domain ‖ statement, signed by the writer. */
static bool sign_statement(const struct repository *repository, struct span statement, uint8_t ret[SIGNATURE_SIZE],
			   struct err **errp)
{
	AUTO(bytes_release) struct bytes message;

	bytes_init(&message, COMMIT_MAX_BYTES);
	bytes_put(&message, STATEMENT_LABEL, strlen(STATEMENT_LABEL));
	bytes_put(&message, repository_domain(repository), DOMAIN_SIZE);
	bytes_put(&message, statement.data, statement.len);
	if (!bytes_ok(&message))
		return err_set_no_memory(errp);
	return crypto_sign(repository_identity(repository)->sign_seed, bytes_span(&message), ret, errp);
}

static bool encode_statement(const struct repository *repository, struct commit *commit, struct bytes *inner,
			     struct err **errp)
{
	AUTO(bytes_release) struct bytes statement;
	uint8_t signature[SIGNATURE_SIZE] = {0};

	bytes_init(&statement, COMMIT_MAX_BYTES);
	if (commit->kind == COMMIT_POINT) {
		if (!statement_encode(&commit->point, &statement, errp))
			return false;
		struct span plain = bytes_span(&statement);
		if (!crypto_sha256(&plain, 1, commit->point.id, errp) ||
		    !sign_statement(repository, plain, signature, errp))
			return false;
	}
	bytes_u32(inner, (uint32_t)statement.len);
	bytes_put(inner, statement.data, statement.len);
	bytes_put(inner, signature, sizeof(signature));
	return bytes_ok(inner) || err_set_no_memory(errp);
}

/* What stands around the parts whose size depends on the point; more than there is. */
#define FRAME_SIZE 1024u

static bool check_size(const struct commit *commit, const struct bytes *statement, struct err **errp)
{
	size_t places = commit->point.n_streams * (SESSION_SIZE + 4 + 2) + commit->n_lists * HASH_SIZE;
	size_t size = FRAME_SIZE + statement->len + places + pack_set_encoded_size(&commit->packs);

	return size <= COMMIT_MAX_BYTES || err_set(errp, ERR_FAILED,
						   "the point needs packs of %zu sessions, more than a commit of %u "
						   "MiB can name; back it up into a "
						   "new repository",
						   commit->packs.n, COMMIT_MAX_BYTES >> 20);
}

static void put_head(const struct repository *repository, const struct commit *commit, uint32_t r, struct bytes *out)
{
	bytes_put(out, COMMIT_MAGIC, FORMAT_MAGIC_SIZE);
	bytes_u16(out, 1);
	bytes_u8(out, (uint8_t)commit->kind);
	bytes_u8(out, 0);
	bytes_u32(out, r);
	bytes_put(out, repository_domain(repository), DOMAIN_SIZE);
	format_put_session(out, &commit->session);
}

bool commit_encode(const struct repository *repository, struct commit *commit, struct bytes *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes inner, out;
	const struct metadata_keys *keys = repository_metadata(repository);
	char name[OBJECT_NAME_SIZE];
	uint8_t salt[SESSION_SIZE];

	bytes_init(&inner, COMMIT_MAX_BYTES);
	bytes_init(&out, COMMIT_MAX_BYTES);
	object_name_session('c', &commit->session, name);
	if (!encode_statement(repository, commit, &inner, errp) || !check_size(commit, &inner, errp) ||
	    !placement_encode(commit, &inner, errp))
		return err_prefix(errp, "%s", name);
	commit->point.r = keys->r;
	put_head(repository, commit, keys->r, &out);
	const struct sealed_name sealed_name = commit_sealed_name(&commit->session, salt);
	if (!sealed_append(keys, &sealed_name, bytes_span(&inner), &out, errp) ||
	    !signed_object_seal(repository_identity(repository), repository_domain(repository), name, &out, errp))
		return false;
	*ret = out;
	out = (struct bytes){0};
	return true;
}
