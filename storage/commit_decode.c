/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/commit_parts.h"
#include "storage/format_parts.h"
#include "storage/signed_object.h"

struct head {
	enum commit_kind kind;
	uint32_t r;
	struct session_id session;
	uint8_t domain[DOMAIN_SIZE];
};

static bool parse_head(struct span object, struct head *ret, struct err **errp)
{
	struct cursor cursor;
	char magic[FORMAT_MAGIC_SIZE];

	cursor_init(&cursor, object);
	cursor_copy(&cursor, magic, sizeof(magic));
	uint16_t version = cursor_u16(&cursor);
	uint8_t kind = cursor_u8(&cursor), reserved = cursor_u8(&cursor);
	ret->r = cursor_u32(&cursor);
	cursor_copy(&cursor, ret->domain, sizeof(ret->domain));
	format_session(&cursor, &ret->session);
	if (!cursor_ok(&cursor) || memcmp(magic, COMMIT_MAGIC, sizeof(magic)) != 0)
		return err_set(errp, ERR_CORRUPT, "not a commit");
	if (version != 1)
		return err_set(errp, ERR_UNSUPPORTED, "commit of version %u, this program knows version 1", version);
	if (kind < COMMIT_POINT || kind > COMMIT_FENCE || reserved != 0)
		return err_set(errp, ERR_CORRUPT, "commit of an unknown kind");
	ret->kind = kind;
	return true;
}

/* A fence is signed by a collector, everything else by the session's writer. */
static bool check_signer(const struct repository *repository, const char *name, const struct head *head,
			 struct span object, struct span *ret_body, struct err **errp)
{
	bool fence = head->kind == COMMIT_FENCE;
	uint8_t signer[WRITER_SIZE];

	if (!repository_check_signed(repository, name, object, fence ? ROLE_COLLECT : ROLE_WRITE,
				     fence ? 0 : head->session.number, ret_body, signer, errp))
		return false;
	return fence || memcmp(signer, head->session.writer, WRITER_SIZE) == 0 ||
	       err_set(errp, ERR_CORRUPT, "signed by another writer");
}

static bool unseal(const struct repository *repository, const struct head *head, struct span body, struct bytes *ret,
		   struct err **errp)
{
	const struct metadata_keys *keys = repository_metadata_at(repository, head->r);
	uint8_t salt[SESSION_SIZE];
	const struct sealed_name name = commit_sealed_name(&head->session, salt);

	if (!keys)
		return err_set(errp, ERR_DENIED, "this key does not hold metadata key %u", head->r);
	bytes_init(ret, COMMIT_MAX_BYTES);
	return sealed_open(keys, &name, body, COMMIT_HEAD_SIZE, ret, errp);
}

static bool check_statement(const struct repository *repository, const struct session_id *session,
			    struct span statement, const uint8_t signature[SIGNATURE_SIZE], struct err **errp)
{
	const struct keyring_member *writer = keyring_find(repository_keyring(repository), session->writer);
	AUTO(bytes_release) struct bytes message;

	bytes_init(&message, COMMIT_MAX_BYTES);
	bytes_put(&message, STATEMENT_LABEL, strlen(STATEMENT_LABEL));
	bytes_put(&message, repository_domain(repository), DOMAIN_SIZE);
	bytes_put(&message, statement.data, statement.len);
	if (!bytes_ok(&message))
		return err_set_no_memory(errp);
	if (!writer)
		return err_set(errp, ERR_CORRUPT, "its writer is unknown");
	return crypto_verify(writer->sign_public, bytes_span(&message), signature, errp);
}

static bool take_statement(const struct repository *repository, const struct head *head, struct span statement,
			   const uint8_t signature[SIGNATURE_SIZE], struct commit *commit, struct err **errp)
{
	if (head->kind != COMMIT_POINT) {
		bool empty = statement.len == 0 && bytes_all_zero(signature, SIGNATURE_SIZE);
		return empty || err_set(errp, ERR_CORRUPT, "has a statement, but is no point");
	}
	if (!check_statement(repository, &head->session, statement, signature, errp) ||
	    !statement_parse(statement, &commit->point, errp) || !crypto_sha256(&statement, 1, commit->point.id, errp))
		return false;
	commit->point.r = head->r;
	return session_id_equal(&commit->point.session, &head->session) ||
	       err_set(errp, ERR_CORRUPT, "its statement is of another session");
}

/* A root binds size and shape to the tree, so a reader that trusts the top knows what it must give. */
static bool check_roots(const struct repository *repository, const struct point *point, struct err **errp)
{
	const struct metadata_keys *keys = repository_metadata_at(repository, point->r);
	struct chunk_id root;

	for (size_t i = 0; i < point->n_streams; i++) {
		const struct stream *stream = &point->streams[i];

		if (!stream_root(keys, &stream->shape, &stream->top.id, &root, errp))
			return false;
		if (!chunk_id_equal(&root, &stream->root))
			return err_set(errp, ERR_CORRUPT, "the root of its stream '%s' is not that of its tree",
				       stream->name);
	}
	return true;
}

static bool parse_inner(const struct repository *repository, const struct head *head, struct span inner,
			struct commit *commit, struct err **errp)
{
	struct cursor cursor;
	uint8_t signature[SIGNATURE_SIZE];

	cursor_init(&cursor, inner);
	struct span statement = cursor_take(&cursor, cursor_u32(&cursor));
	cursor_copy(&cursor, signature, sizeof(signature));
	if (!cursor_ok(&cursor))
		return err_set(errp, ERR_CORRUPT, "its inner part is too short");
	if (!take_statement(repository, head, statement, signature, commit, errp) ||
	    !placement_parse(SPAN(cursor.at, cursor.left), commit, errp) ||
	    !check_roots(repository, &commit->point, errp))
		return false;
	bool bare = commit->n_lists == 0 && commit->packs.n == 0;
	return head->kind != COMMIT_FENCE || bare || err_set(errp, ERR_CORRUPT, "a fence that names packs");
}

static bool decode(const struct repository *repository, const char *name, const struct session_id *session,
		   struct span object, struct commit *commit, struct err **errp)
{
	AUTO(bytes_release) struct bytes inner = {0};
	struct head head;
	struct span body;

	if (!parse_head(object, &head, errp))
		return false;
	if (!session_id_equal(&head.session, session) ||
	    memcmp(head.domain, repository_domain(repository), DOMAIN_SIZE) != 0)
		return err_set(errp, ERR_CORRUPT, "is of another session or repository");
	if (!check_signer(repository, name, &head, object, &body, errp) ||
	    !unseal(repository, &head, body, &inner, errp))
		return false;
	commit->kind = head.kind;
	commit->session = head.session;
	return parse_inner(repository, &head, bytes_span(&inner), commit, errp);
}

bool commit_decode(const struct repository *repository, const struct session_id *session, struct span object,
		   struct commit *ret, struct err **errp)
{
	AUTO(commit_release) struct commit commit = {0};
	char name[OBJECT_NAME_SIZE];

	object_name_session('c', session, name);
	if (!decode(repository, name, session, object, &commit, errp)) {
		err_prefix(errp, "%s", name);
		return err_about(errp, "%s", name);
	}
	*ret = commit;
	commit = (struct commit){0};
	return true;
}

static bool load(const struct repository *repository, const char *name, const struct session_id *session,
		 struct commit *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes object = {0};

	return backend_get(repository_backend(repository), name, COMMIT_MAX_BYTES, &object, errp) &&
	       commit_decode(repository, session, bytes_span(&object), ret, errp);
}

bool commit_load(const struct repository *repository, const struct session_id *session, struct commit *ret,
		 struct err **errp)
{
	char name[OBJECT_NAME_SIZE];

	object_name_session('c', session, name);
	return load(repository, name, session, ret, errp) ||
	       (backend_read_again(repository_backend(repository), name, errp) &&
		load(repository, name, session, ret, errp));
}

void commit_release(struct commit *commit)
{
	point_release(&commit->point);
	free(commit->lists);
	pack_set_release(&commit->packs);
	*commit = (struct commit){0};
}
