/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants: sessions strictly ascend; no bitmap ends in a zero byte, so none is empty; bit 0 of byte 0 is clear. */
#include "storage/pack_set.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/format_parts.h"

#define SESSION_BYTES_MAX (PACK_SET_SEQ_MAX / 8)
#define SESSION_ENCODED_MIN (SESSION_SIZE + 4 + 1)

/* Where the session is, or is to be put in. */
static size_t position(const struct pack_set *set, const struct session_id *session, bool *ret_found)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = session_id_compare(&set->sessions[middle].session, session);
		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_found = false;
	return low;
}

static bool make_room(struct pack_set *set, size_t n, struct err **errp)
{
	if (n <= set->capacity)
		return true;
	size_t capacity = n < 8 ? 8 : n + n / 2;
	struct pack_set_session *sessions = reallocarray(set->sessions, capacity, sizeof(*sessions));
	if (!sessions)
		return err_set_no_memory(errp);
	set->sessions = sessions;
	set->capacity = capacity;
	return true;
}

static bool grow_bits(struct pack_set_session *entry, size_t n_bytes, struct err **errp)
{
	if (n_bytes <= entry->n_bytes)
		return true;
	uint8_t *bits = realloc(entry->bits, n_bytes);
	if (!bits)
		return err_set_no_memory(errp);
	memset(bits + entry->n_bytes, 0, n_bytes - entry->n_bytes);
	entry->bits = bits;
	entry->n_bytes = n_bytes;
	return true;
}

/* The session's entry with room for n_bytes of bits; a new one is put in only when the bits could be had. */
static struct pack_set_session *take_entry(struct pack_set *set, const struct session_id *session, size_t n_bytes,
					   struct err **errp)
{
	bool found;
	size_t at = position(set, session, &found);

	if (found)
		return grow_bits(&set->sessions[at], n_bytes, errp) ? &set->sessions[at] : NULL;
	struct pack_set_session entry = {.session = *session};
	if (!make_room(set, set->n + 1, errp) || !grow_bits(&entry, n_bytes, errp))
		return NULL;
	memmove(&set->sessions[at + 1], &set->sessions[at], (set->n - at) * sizeof(entry));
	set->sessions[at] = entry;
	set->n++;
	return &set->sessions[at];
}

bool pack_set_add(struct pack_set *set, const struct session_id *session, uint32_t seq, struct err **errp)
{
	if (seq == 0 || seq >= PACK_SET_SEQ_MAX)
		return err_set(errp, ERR_FAILED, "pack number %" PRIu32 " is out of range", seq);
	struct pack_set_session *entry = take_entry(set, session, seq / 8 + 1, errp);
	if (!entry)
		return false;
	assert(entry->bits);
	entry->bits[seq / 8] |= (uint8_t)(1u << seq % 8);
	return true;
}

bool pack_set_merge(struct pack_set *set, const struct pack_set *other, struct err **errp)
{
	for (size_t i = 0; i < other->n; i++) {
		const struct pack_set_session *from = &other->sessions[i];
		struct pack_set_session *to = take_entry(set, &from->session, from->n_bytes, errp);
		if (!to)
			return false;
		for (size_t byte = 0; byte < from->n_bytes; byte++)
			to->bits[byte] |= from->bits[byte];
	}
	return true;
}

static void trim(struct pack_set_session *entry)
{
	while (entry->n_bytes > 0 && entry->bits[entry->n_bytes - 1] == 0)
		entry->n_bytes--;
}

static const struct pack_set_session *find(const struct pack_set *set, const struct session_id *session)
{
	bool found;
	size_t at = position(set, session, &found);

	return found ? &set->sessions[at] : NULL;
}

void pack_set_subtract(struct pack_set *set, const struct pack_set *other)
{
	size_t kept = 0;

	for (size_t i = 0; i < set->n; i++) {
		struct pack_set_session *entry = &set->sessions[i];
		const struct pack_set_session *gone = find(other, &entry->session);
		for (size_t byte = 0; gone && byte < entry->n_bytes && byte < gone->n_bytes; byte++)
			entry->bits[byte] &= (uint8_t)~gone->bits[byte];
		trim(entry);
		if (entry->n_bytes > 0)
			set->sessions[kept++] = *entry;
		else
			free(entry->bits);
	}
	set->n = kept;
}

bool pack_set_has(const struct pack_set *set, const struct session_id *session, uint32_t seq)
{
	const struct pack_set_session *entry = find(set, session);

	return entry && seq / 8 < entry->n_bytes && (entry->bits[seq / 8] >> seq % 8 & 1) != 0;
}

uint64_t pack_set_count(const struct pack_set *set)
{
	uint64_t count = 0;

	for (size_t i = 0; i < set->n; i++)
		for (size_t byte = 0; byte < set->sessions[i].n_bytes; byte++)
			count += (unsigned)__builtin_popcount(set->sessions[i].bits[byte]);
	return count;
}

bool pack_set_each(const struct pack_set *set, pack_set_each_function *each, void *arg, struct err **errp)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct pack_set_session *entry = &set->sessions[i];
		for (uint32_t seq = 1; seq / 8 < entry->n_bytes; seq++)
			if ((entry->bits[seq / 8] >> seq % 8 & 1) != 0 && !each(arg, &entry->session, seq, errp))
				return false;
	}
	return true;
}

void pack_set_release(struct pack_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		free(set->sessions[i].bits);
	free(set->sessions);
	*set = (struct pack_set){0};
}

size_t pack_set_encoded_size(const struct pack_set *set)
{
	size_t size = 4;

	for (size_t i = 0; i < set->n; i++)
		size += SESSION_SIZE + 4 + set->sessions[i].n_bytes;
	return size;
}

void pack_set_encode(const struct pack_set *set, struct bytes *out)
{
	bytes_u32(out, (uint32_t)set->n);
	for (size_t i = 0; i < set->n; i++) {
		const struct pack_set_session *entry = &set->sessions[i];
		format_put_session(out, &entry->session);
		bytes_u32(out, (uint32_t)entry->n_bytes);
		bytes_put(out, entry->bits, entry->n_bytes);
	}
}

static bool parse_session(struct cursor *cursor, struct pack_set *set, struct err **errp)
{
	struct pack_set_session entry = {0};

	format_session(cursor, &entry.session);
	uint32_t n_bytes = cursor_u32(cursor);
	if (entry.session.number == 0 || n_bytes == 0 || n_bytes > SESSION_BYTES_MAX)
		return err_set(errp, ERR_CORRUPT, "pack set: impossible session or size");
	if (set->n > 0 && session_id_compare(&set->sessions[set->n - 1].session, &entry.session) >= 0)
		return err_set(errp, ERR_CORRUPT, "pack set: sessions do not ascend");
	struct span bits = cursor_take(cursor, n_bytes);
	if (!cursor_ok(cursor))
		return err_set(errp, ERR_CORRUPT, "pack set: too short");
	const uint8_t *data = bits.data;
	if (data[n_bytes - 1] == 0 || (data[0] & 1) != 0)
		return err_set(errp, ERR_CORRUPT, "pack set: bitmap is not in its only form");
	if (!grow_bits(&entry, n_bytes, errp))
		return false;
	memcpy(entry.bits, data, n_bytes);
	set->sessions[set->n++] = entry;
	return true;
}

bool pack_set_parse(struct cursor *cursor, struct pack_set *ret, struct err **errp)
{
	AUTO(pack_set_release) struct pack_set set = {0};
	uint32_t n = cursor_u32(cursor);

	if (!cursor_ok(cursor) || n > cursor->left / SESSION_ENCODED_MIN)
		return err_set(errp, ERR_CORRUPT, "pack set: too short");
	if (!make_room(&set, n, errp))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!parse_session(cursor, &set, errp))
			return false;
	*ret = set;
	set = (struct pack_set){0};
	return true;
}
