/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/list.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/format_parts.h"
#include "storage/pack.h"
#include "storage/pack_set.h"
#include "storage/signed_object.h"

#define LIST_MAGIC "SLVRLIST"
#define LIST_HEAD_SIZE (FORMAT_BEGIN_SIZE + SESSION_SIZE + 4 + 4)
#define LIST_MAX_BYTES (LIST_HEAD_SIZE + LIST_MAX_PACKS * LIST_PACK_ENCODED_SIZE + SIGNED_TRAILER_SIZE)

void list_pack_encode(const struct list_pack *pack, struct bytes *out)
{
	bytes_u8(out, (uint8_t)pack->cls);
	bytes_extend(out, 3);
	bytes_u32(out, pack->seq);
	bytes_u64(out, pack->size);
	bytes_put(out, pack->sha256, sizeof(pack->sha256));
}

bool list_pack_parse(struct cursor *cursor, struct list_pack *ret, struct err **errp)
{
	uint8_t cls = cursor_u8(cursor), reserved[3];

	cursor_copy(cursor, reserved, sizeof(reserved));
	ret->seq = cursor_u32(cursor);
	ret->size = cursor_u64(cursor);
	cursor_copy(cursor, ret->sha256, sizeof(ret->sha256));
	if (!cursor_ok(cursor) || (cls != PACK_CHUNKS && cls != PACK_META) ||
	    !bytes_all_zero(reserved, sizeof(reserved)))
		return err_set(errp, ERR_CORRUPT, "list: damaged entry");
	if (ret->seq == 0 || ret->seq >= PACK_SET_SEQ_MAX || ret->size > PACK_MAX_SIZE)
		return err_set(errp, ERR_CORRUPT, "list: impossible pack");
	ret->cls = cls;
	return true;
}

void list_release(struct list *list)
{
	free(list->packs);
	*list = (struct list){0};
}

static bool parse_packs(struct cursor *cursor, uint32_t count, struct list *list, struct err **errp)
{
	list->packs = calloc(count ? count : 1, sizeof(*list->packs));
	if (!list->packs)
		return err_set_no_memory(errp);
	for (; list->n < count; list->n++)
		if (!list_pack_parse(cursor, &list->packs[list->n], errp))
			return false;
	return true;
}

bool list_parse(struct span body, struct list *ret, struct err **errp)
{
	AUTO(list_release) struct list list = {0};
	struct cursor cursor;

	cursor_init(&cursor, body);
	if (!format_begin(&cursor, LIST_MAGIC, "list", errp))
		return false;
	format_session(&cursor, &list.session);
	list.k = cursor_u32(&cursor);
	uint32_t count = cursor_u32(&cursor);
	if (!cursor_ok(&cursor) || list.session.number == 0 || count > LIST_MAX_PACKS ||
	    cursor.left != (size_t)count * LIST_PACK_ENCODED_SIZE)
		return err_set(errp, ERR_CORRUPT, "list: its size is not what it says");
	if (!parse_packs(&cursor, count, &list, errp))
		return false;
	*ret = list;
	list = (struct list){0};
	return true;
}

bool list_publish(const struct repository *repository, const struct list *list, uint8_t ret_hash[HASH_SIZE],
		  size_t *ret_size, struct err **errp)
{
	AUTO(bytes_release) struct bytes body;
	char name[OBJECT_NAME_SIZE];

	bytes_init(&body, LIST_MAX_BYTES);
	object_name_list(&list->session, list->k, name);
	format_put_begin(&body, LIST_MAGIC);
	format_put_session(&body, &list->session);
	bytes_u32(&body, list->k);
	bytes_u32(&body, (uint32_t)list->n);
	for (size_t i = 0; i < list->n; i++)
		list_pack_encode(&list->packs[i], &body);
	if (!bytes_ok(&body))
		return err_set_no_memory(errp);
	if (!signed_object_seal(repository_identity(repository), repository_domain(repository), name, &body, errp))
		return false;
	struct span object = bytes_span(&body);
	*ret_size = object.len;
	return crypto_sha256(&object, 1, ret_hash, errp) &&
	       backend_put_once(repository_backend(repository), name, object, errp);
}

static bool check(const struct repository *repository, const char *name, struct span object,
		  const struct session_id *session, uint32_t k, struct list *ret, struct err **errp)
{
	struct span body;
	uint8_t signer[WRITER_SIZE];

	if (!repository_check_signed(repository, name, object, ROLE_WRITE, session->number, &body, signer, errp))
		return false;
	if (memcmp(signer, session->writer, WRITER_SIZE) != 0)
		return err_set(errp, ERR_CORRUPT, "%s: signed by another writer", name);
	if (!list_parse(body, ret, errp) || !crypto_sha256(&object, 1, ret->hash, errp))
		return err_prefix(errp, "%s", name);
	if (!session_id_equal(&ret->session, session) || ret->k != k)
		return err_set(errp, ERR_CORRUPT, "%s: is another list", name);
	return true;
}

static bool load(const struct repository *repository, const char *name, const struct session_id *session, uint32_t k,
		 struct list *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes object = {0};
	AUTO(list_release) struct list list = {0};

	if (!backend_get(repository_backend(repository), name, LIST_MAX_BYTES, &object, errp))
		return false;
	if (!check(repository, name, bytes_span(&object), session, k, &list, errp)) {
		err_about(errp, "%s", name);
		return false;
	}
	*ret = list;
	list = (struct list){0};
	return true;
}

bool list_load(const struct repository *repository, const struct session_id *session, uint32_t k, struct list *ret,
	       struct err **errp)
{
	char name[OBJECT_NAME_SIZE];

	object_name_list(session, k, name);
	return load(repository, name, session, k, ret, errp) ||
	       (backend_read_again(repository_backend(repository), name, errp) &&
		load(repository, name, session, k, ret, errp));
}
