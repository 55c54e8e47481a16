/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/format_parts.h"
#include "storage/journal_parts.h"

bool journal_check(const struct session_id *session, struct span record, uint8_t ret[JOURNAL_CHECK_SIZE],
		   struct err **errp)
{
	uint8_t id[SESSION_SIZE], hash[HASH_SIZE];
	struct span parts[] = {SPAN_OF(id), record};

	session_id_store(session, id);
	if (!crypto_sha256(parts, ARRAY_LENGTH(parts), hash, errp))
		return false;
	memcpy(ret, hash, JOURNAL_CHECK_SIZE);
	return true;
}

/* False without an error for a record that is torn or damaged. */
static bool parse_record(struct cursor *cursor, struct list *list, struct err **errp)
{
	uint8_t check[JOURNAL_CHECK_SIZE], found[JOURNAL_CHECK_SIZE];
	struct span record = cursor_take(cursor, LIST_PACK_ENCODED_SIZE);
	struct cursor inner;

	cursor_copy(cursor, found, sizeof(found));
	if (!journal_check(&list->session, record, check, errp) || memcmp(check, found, sizeof(check)) != 0)
		return false;
	cursor_init(&inner, record);
	if (!list_pack_parse(&inner, &list->packs[list->n], errp)) {
		err_clear(errp);
		return false;
	}
	list->n++;
	return true;
}

bool journal_parse(struct span file, struct list *ret, struct err **errp)
{
	AUTO(list_release) struct list list = {0};
	struct cursor cursor;

	cursor_init(&cursor, file);
	if (!format_begin(&cursor, JOURNAL_MAGIC, "journal", errp))
		return false;
	format_session(&cursor, &list.session);
	if (!cursor_ok(&cursor) || list.session.number == 0)
		return err_set(errp, ERR_CORRUPT, "journal: too short, or its session cannot be");
	size_t count = cursor.left / JOURNAL_RECORD_SIZE;
	list.packs = calloc(count ? count : 1, sizeof(*list.packs));
	if (!list.packs)
		return err_set_no_memory(errp);
	while (list.n < count && parse_record(&cursor, &list, errp))
		;
	if (*errp)
		return false;
	*ret = list;
	list = (struct list){0};
	return true;
}
