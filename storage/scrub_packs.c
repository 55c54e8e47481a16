/* SPDX-License-Identifier: Apache-2.0 */
/* Packs: that they are there, by their SHA-256, by what they hold; on all processors, a MiB at a time. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "storage/scrub_state.h"

#define PIECE (1u << 20)

static bool each_pack(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct scrub *scrub = arg;
	struct scrub_cause cause = {0};
	enum pack_class cls;

	if (!object_name_parse_pack(name, &cls, &cause.session, &cause.seq) || cause.seq == 0 ||
	    cause.seq >= PACK_SET_SEQ_MAX)
		return scrub_damaged(scrub, &cause, name, "not a name of a pack", errp);
	if (!pack_set_add(&scrub->present, &cause.session, cause.seq, errp))
		return false;
	struct scrub_pack *pack = scrub_find_pack(scrub, &cause.session, cause.seq);
	if (!pack) {
		scrub_count(scrub, size);
		return true;
	}
	pack->present = true;
	if (pack->listed.cls == cls && pack->listed.size == size)
		return true;
	return scrub_damaged(scrub, &cause, name, "its size is not what its list says", errp);
}

/* What is still to be read. Packs that an earlier run of this pass found sound count as read. */
static bool sum_up(struct scrub *scrub, struct err **errp)
{
	AUTO(pack_set_release) struct pack_set sound = {0};
	uint64_t left = 0, before = 0;

	for (size_t i = 0; i < scrub->n_packs; i++) {
		struct scrub_pack *pack = &scrub->packs[i];
		bool known = pack->present && pack_set_has(&scrub->memory.packs, &pack->session, pack->listed.seq) &&
			     !pack_set_has(&scrub->named, &pack->session, pack->listed.seq);
		if (known && !pack_set_add(&sound, &pack->session, pack->listed.seq, errp))
			return false;
		if (pack->present && (known || scrub->options->level == SCRUB_SIZES))
			scrub_count(scrub, pack->listed.size);
		*(known ? &before : &left) += pack->present ? pack->listed.size : 0;
	}
	pack_set_release(&scrub->memory.packs);
	scrub->memory.packs = sound;
	sound = (struct pack_set){0};
	scrub->memory.bytes = scrub->report.bytes_before = before;
	if (scrub->options->progress)
		atomic_store(&scrub->options->progress->total, left);
	return true;
}

struct hashing {
	EVP_MD_CTX *context;
	uint8_t *piece;
};

static void hashing_release(struct hashing *hashing)
{
	EVP_MD_CTX_free(hashing->context);
	free(hashing->piece);
}

static bool hash_object(struct scrub *scrub, struct hashing *hashing, const char *name, uint64_t size,
			uint8_t ret[HASH_SIZE], struct err **errp)
{
	struct backend *backend = repository_backend(scrub->repository);
	bool ok = EVP_DigestInit_ex(hashing->context, EVP_sha256(), NULL) == 1;

	for (uint64_t offset = 0; ok && offset < size;) {
		size_t len = size - offset < PIECE ? (size_t)(size - offset) : PIECE;
		if (!scrub_go_on(scrub, errp) || !backend_get_range(backend, name, offset, hashing->piece, len, errp))
			return false;
		ok = EVP_DigestUpdate(hashing->context, hashing->piece, len) == 1;
		if (scrub->options->progress)
			atomic_fetch_add(&scrub->options->progress->done, len);
		offset += len;
	}
	return (ok && EVP_DigestFinal_ex(hashing->context, ret, NULL) == 1) ||
	       err_set(errp, ERR_FAILED, "SHA-256 failed");
}

static bool check_digest(struct scrub *scrub, struct hashing *hashing, const struct scrub_pack *pack, struct err **errp)
{
	struct scrub_cause cause = {.session = pack->session, .seq = pack->listed.seq, .level = SCRUB_DIGESTS};
	char name[OBJECT_NAME_SIZE];
	uint8_t hash[HASH_SIZE];

	object_name_pack(pack->listed.cls, &pack->session, pack->listed.seq, name);
	if (!hash_object(scrub, hashing, name, pack->listed.size, hash, errp))
		return scrub_take_error(scrub, &cause, name, errp);
	scrub_count(scrub, pack->listed.size);
	return memcmp(hash, pack->listed.sha256, sizeof(hash)) == 0 ||
	       scrub_damaged(scrub, &cause, name, "its SHA-256 is not what its list says", errp);
}

static bool check_pack(struct scrub *scrub, struct hashing *hashing, const struct scrub_pack *pack, struct err **errp)
{
	const struct locator at = {.session = pack->session, .seq = pack->listed.seq};
	bool open = scrub->options->level == SCRUB_CONTENTS && pack->listed.cls == PACK_CHUNKS;

	if (!check_digest(scrub, hashing, pack, errp))
		return false;
	if (open && !scrub_is_named(scrub, &at) && !scrub_contents(scrub, &pack->session, pack->listed.seq, errp))
		return false;
	if (scrub_is_named(scrub, &at))
		return true;
	pthread_mutex_lock(&scrub->lock);
	bool ok = scrub_memory_add(scrub, pack, errp);
	pthread_mutex_unlock(&scrub->lock);
	return ok;
}

static const struct scrub_pack *next_pack(struct scrub *scrub)
{
	const struct scrub_pack *next = NULL;

	pthread_mutex_lock(&scrub->lock);
	while (!next && scrub->next_pack < scrub->n_packs) {
		const struct scrub_pack *pack = &scrub->packs[scrub->next_pack++];
		if (pack->present && !pack_set_has(&scrub->memory.packs, &pack->session, pack->listed.seq))
			next = pack;
	}
	pthread_mutex_unlock(&scrub->lock);
	return next;
}

static bool check_some(void *arg, struct err **errp)
{
	struct scrub *scrub = arg;
	AUTO(hashing_release)
	struct hashing hashing = {.context = EVP_MD_CTX_new(), .piece = malloc(PIECE)};

	if (!hashing.context || !hashing.piece)
		return err_set_no_memory(errp);
	for (const struct scrub_pack *pack; (pack = next_pack(scrub));)
		if (!check_pack(scrub, &hashing, pack, errp))
			return false;
	return true;
}

static void stop(void *arg)
{
	struct scrub *scrub = arg;

	pthread_mutex_lock(&scrub->lock);
	scrub->next_pack = scrub->n_packs;
	pthread_mutex_unlock(&scrub->lock);
}

bool scrub_packs(struct scrub *scrub, struct err **errp)
{
	struct backend *backend = repository_backend(scrub->repository);

	if (!backend_list(backend, "p/", each_pack, scrub, errp) ||
	    !backend_list(backend, "m/", each_pack, scrub, errp) || !sum_up(scrub, errp))
		return false;
	if (scrub->options->level == SCRUB_SIZES)
		return true;
	struct pool *pool = pool_start("scrub", pool_processors(), check_some, stop, scrub, errp);
	return pool && pool_join(pool, errp);
}
