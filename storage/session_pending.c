/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/session_state.h"

static struct pending_entry **bucket(struct session *session, const struct chunk_id *id)
{
	return &session->pending[bytes_load_le32(id->b) % PENDING_BUCKETS];
}

static const struct chunk_id *id_of(const struct pending_entry *entry)
{
	return pack_writer_id(entry->pack->writer, entry->entry);
}

struct pending_entry *session_pending_find(struct session *session, enum pack_class cls, const struct chunk_id *id)
{
	for (struct pending_entry *entry = *bucket(session, id); entry; entry = entry->next)
		if (entry->pack->cls == cls && chunk_id_equal(id_of(entry), id))
			return entry;
	return NULL;
}

void session_pending_add(struct session *session, struct session_pack *pack, uint16_t entry)
{
	struct pending_entry *added = &pack->entries[entry];
	struct pending_entry **head = bucket(session, pack_writer_id(pack->writer, entry));

	*added = (struct pending_entry){.next = *head, .pack = pack, .entry = entry};
	*head = added;
}

void session_pending_drop(struct session *session, const struct session_pack *pack)
{
	for (size_t i = 0; i < pack_writer_entries(pack->writer); i++) {
		struct pending_entry **at = bucket(session, pack_writer_id(pack->writer, i));
		while (*at && *at != &pack->entries[i])
			at = &(*at)->next;
		if (*at)
			*at = (*at)->next;
	}
}
