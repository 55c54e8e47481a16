/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pack being filled. Invariants:
 *   - bodies of entries 0 … n-1 lie one behind the other from PACK_HEAD_SIZE to end;
 *   - reserve is the only one that changes n, end and the entry it makes; seal reads its own entry and writes its own
 * bytes of the buffer, so that any number of seals need no lock.
 */
#include "storage/pack_write.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "storage/pack_internal.h"

#define BUFFER_SIZE                                                                                                    \
	(PACK_TARGET_SIZE + PACK_HEAD_SIZE + KEYSLOT_SIZE + (size_t)PACK_TARGET_ENTRIES * PACK_ENTRY_SIZE + TAG_SIZE + \
	 PACK_TAIL_SIZE)

struct pack_writer {
	const struct repository *repository;
	struct pack_footer parts; /* what will stand around the bodies */
	uint8_t dek[KEY_SIZE];
	uint8_t *buffer; /* BUFFER_SIZE, mapped, so that freeing gives the memory back at once; clearing its pages
			    costs, so it is used again */
	size_t end;	 /* of the bodies reserved so far */
};

static bool make_keys(struct pack_writer *pack, struct err **errp)
{
	struct pack_footer *parts = &pack->parts;
	if (!crypto_random(parts->salt, sizeof(parts->salt), errp))
		return false;
	if (parts->cls == PACK_META)
		return dek_meta(repository_metadata(pack->repository), parts->salt, &parts->session, parts->seq,
				pack->dek, errp);
	parts->n_keyslots = 1;
	return dek_make(pack->repository, &parts->session, parts->seq, pack->dek, parts->keyslots, errp);
}

static bool allocate(struct pack_writer *pack, struct err **errp)
{
	pack->parts.entries = calloc(PACK_TARGET_ENTRIES, sizeof(pack->parts.entries[0]));
	pack->parts.keyslots = calloc(1, KEYSLOT_SIZE);
	void *buffer = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		return err_set_errno(errp, errno, "cannot map memory for a pack");
	pack->buffer = buffer;
	return (pack->parts.entries && pack->parts.keyslots) || err_set_no_memory(errp);
}

struct pack_writer *pack_writer_new(const struct repository *repository, enum pack_class cls,
				    const struct session_id *session, uint32_t seq, struct err **errp)
{
	AUTO(pack_writer_freep) struct pack_writer *pack = calloc(1, sizeof(*pack));
	if (!pack) {
		err_set_no_memory(errp);
		return NULL;
	}
	pack->repository = repository;
	pack->parts.cls = cls;
	pack->parts.session = *session;
	pack->parts.r = repository_metadata(repository)->r;
	if (!allocate(pack, errp) || !pack_writer_restart(pack, seq, errp))
		return NULL;
	return STEAL(&pack);
}

bool pack_writer_restart(struct pack_writer *pack, uint32_t seq, struct err **errp)
{
	pack->parts.seq = seq;
	pack->parts.n_entries = 0;
	pack->end = PACK_HEAD_SIZE;
	return make_keys(pack, errp);
}

void pack_writer_free(struct pack_writer *pack)
{
	if (!pack)
		return;
	crypto_wipe(pack->dek, sizeof(pack->dek));
	if (pack->buffer)
		munmap(pack->buffer, BUFFER_SIZE);
	pack_footer_release(&pack->parts);
	free(pack);
}

uint32_t pack_writer_seq(const struct pack_writer *pack)
{
	return pack->parts.seq;
}

size_t pack_writer_entries(const struct pack_writer *pack)
{
	return pack->parts.n_entries;
}

const struct chunk_id *pack_writer_id(const struct pack_writer *pack, size_t entry)
{
	assert(entry < pack->parts.n_entries);
	return &pack->parts.entries[entry].id;
}

bool pack_writer_fits(const struct pack_writer *pack, size_t stored_len)
{
	return pack->parts.n_entries < PACK_TARGET_ENTRIES && stored_len <= PACK_TARGET_SIZE - TAG_SIZE &&
	       pack->end <= PACK_TARGET_SIZE - TAG_SIZE - stored_len;
}

struct pack_place pack_writer_reserve(struct pack_writer *pack, const struct chunk_id *id, uint32_t plain_len,
				      enum chunk_codec codec, size_t stored_len)
{
	assert(pack_writer_fits(pack, stored_len));
	struct pack_place place = {.entry = (uint16_t)pack->parts.n_entries, .offset = (uint32_t)pack->end};
	pack->parts.entries[place.entry] = (struct pack_entry){
		.id = *id,
		.offset = place.offset,
		.sealed_len = (uint32_t)(stored_len + TAG_SIZE),
		.plain_len = plain_len,
		.codec = (uint8_t)codec,
	};
	pack->parts.n_entries++;
	pack->end += stored_len + TAG_SIZE;
	return place;
}

bool pack_writer_seal(struct pack_writer *pack, struct pack_place place, struct span stored, struct err **errp)
{
	const struct pack_entry *entry = &pack->parts.entries[place.entry];
	assert(entry->offset == place.offset && entry->sealed_len == stored.len + TAG_SIZE);
	return chunk_seal(pack->dek, repository_domain(pack->repository), &entry->id, entry->plain_len, entry->codec,
			  stored, pack->buffer + place.offset, errp);
}

/* The entries as plaintext, where the footer will be. */
static struct span encode_entries(const struct pack_writer *pack, uint8_t *footer)
{
	for (size_t i = 0; i < pack->parts.n_entries; i++)
		pack_entry_encode(&pack->parts.entries[i], footer + i * PACK_ENTRY_SIZE);
	return SPAN(footer, pack->parts.n_entries * PACK_ENTRY_SIZE);
}

/* Encrypts the entries in place; gives the nonce that the tail names. */
static bool seal_footer(const struct pack_writer *pack, struct span plain, uint8_t *footer,
			uint8_t ret_nonce[NONCE_SIZE], struct err **errp)
{
	const struct pack_footer *parts = &pack->parts;
	const struct metadata_keys *keys = repository_metadata_at(pack->repository, parts->r);
	AUTO(bytes_release) struct bytes aad = {0};
	uint8_t key[KEY_SIZE];
	if (!pack_footer_aad(pack->repository, parts, &aad, errp) ||
	    !dek_nonce(keys, SPAN_TEXT("salvor footer"), bytes_span(&aad), plain, ret_nonce, errp) ||
	    !dek_footer(keys, parts->salt, &parts->session, parts->seq, key, errp))
		return false;
	bool ok = crypto_seal(key, ret_nonce, bytes_span(&aad), plain, footer, errp);
	crypto_wipe(key, sizeof(key));
	return ok;
}

bool pack_writer_finish(struct pack_writer *pack, struct span *ret_bytes, uint8_t ret_sha256[HASH_SIZE],
			struct err **errp)
{
	const struct pack_footer *parts = &pack->parts;
	uint8_t *keyslots = pack->buffer + pack->end;
	uint8_t *footer = keyslots + parts->n_keyslots * KEYSLOT_SIZE;
	uint8_t *tail = footer + pack_footer_len(parts->n_entries);
	uint8_t nonce[NONCE_SIZE];
	pack_head_encode(pack->repository, parts, pack->buffer);
	memcpy(keyslots, parts->keyslots, parts->n_keyslots * KEYSLOT_SIZE);
	if (!seal_footer(pack, encode_entries(pack, footer), footer, nonce, errp))
		return false;
	crypto_wipe(pack->dek, sizeof(pack->dek));
	pack_tail_encode(parts, nonce, tail);
	struct span bytes = SPAN(pack->buffer, (size_t)(tail + PACK_TAIL_SIZE - pack->buffer));
	if (!crypto_sha256(&bytes, 1, ret_sha256, errp))
		return false;
	*ret_bytes = bytes;
	return true;
}
