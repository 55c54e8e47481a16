/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/judge_pack.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/pack_map.h"

#define OPENED_MAX 256u /* packs, of 32 MiB as a rule */
#define PLAIN_MAX (1u << 20)

enum judged_state {
	PACK_LOST,   /* nothing of it can be read */
	PACK_CLOSED, /* its chunks were not opened */
	PACK_OPENED, /* each of them was */
};

struct judged_pack {
	enum judged_state state;
	uint8_t *bad; /* a bit for each entry that does not open; NULL: none */
};

struct judge_packs {
	struct judge_options options;
	struct pack_map packs; /* struct judged_pack */
	size_t n_opened;
	uint8_t *plain; /* room for one chunk */
};

static void free_pack(void *value)
{
	struct judged_pack *pack = value;

	if (pack)
		free(pack->bad);
	free(pack);
}

struct judge_packs *judge_packs_new(const struct judge_options *options, struct err **errp)
{
	struct judge_packs *packs = calloc(1, sizeof(*packs));

	if (packs)
		packs->plain = malloc(PLAIN_MAX);
	if (packs && packs->plain) {
		packs->options = *options;
		return packs;
	}
	judge_packs_free(packs);
	err_set_no_memory(errp);
	return NULL;
}

void judge_packs_free(struct judge_packs *packs)
{
	if (!packs)
		return;
	pack_map_release(&packs->packs, free_pack);
	free(packs->plain);
	free(packs);
}

/* A failure of the run is one; any other tells of the pack. */
static bool judge_error(bool ok, bool *ret, struct err **errp)
{
	*ret = ok;
	if (ok)
		return true;
	if (err_is_of_run(err_code(*errp)) || err_code(*errp) == ERR_DENIED)
		return false;
	err_clear(errp);
	return true;
}

static bool open_entry(struct judge_packs *packs, const struct pack_footer *footer, size_t i, bool *ret,
		       struct err **errp)
{
	const struct pack_entry *entry = &footer->entries[i];
	struct chunk_ref ref = {.id = entry->id,
				.at = {.session = footer->session, .seq = footer->seq, .entry = (uint16_t)i},
				.plain_len = entry->plain_len,
				.plain = packs->plain};

	if (packs->options.cancel && !cancel_check(packs->options.cancel, errp))
		return false;
	return judge_error(pack_reader_chunks(packs->options.reader, &ref, 1, errp), ret, errp);
}

static bool open_entries(struct judge_packs *packs, const struct pack_footer *footer, struct judged_pack *pack,
			 struct err **errp)
{
	AUTO(freep) uint8_t *bad = calloc(footer->n_entries / 8 + 1, 1);
	bool opens;

	if (!bad)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < footer->n_entries; i++) {
		if (!open_entry(packs, footer, i, &opens, errp))
			return false;
		bad[i / 8] |= (uint8_t)(!opens << i % 8);
	}
	packs->n_opened++;
	pack->state = PACK_OPENED;
	pack->bad = STEAL(&bad);
	return true;
}

static bool examine(struct judge_packs *packs, const struct locator *at, struct judged_pack *pack, struct err **errp)
{
	const struct repository *repository = packs->options.repository;
	AUTO(pack_footer_release) struct pack_footer footer = {0};
	bool fetched;

	if (!judge_error(pack_footer_fetch(repository, PACK_CHUNKS, &at->session, at->seq, &footer, errp), &fetched,
			 errp))
		return false;
	pack->state = fetched ? PACK_CLOSED : PACK_LOST;
	if (!fetched || packs->n_opened == OPENED_MAX || !repository_may(repository, ROLE_READ))
		return true;
	return open_entries(packs, &footer, pack, errp);
}

static const struct judged_pack *find_or_examine(struct judge_packs *packs, const struct locator *at, struct err **errp)
{
	struct judged_pack *pack = pack_map_find(&packs->packs, at);

	if (pack)
		return pack;
	pack = calloc(1, sizeof(*pack));
	if (!pack)
		err_set_no_memory(errp);
	else if (examine(packs, at, pack, errp) && pack_map_add(&packs->packs, at, pack, errp))
		return pack;
	free_pack(pack);
	return NULL;
}

bool judge_packs_chunk(struct judge_packs *packs, const struct tree_ref *chunk, uint32_t plain_len, enum judgement *ret,
		       struct err **errp)
{
	const struct judged_pack *pack = find_or_examine(packs, &chunk->at, errp);
	struct chunk_ref ref = {.id = chunk->id, .at = chunk->at, .plain_len = plain_len};
	bool has = false;

	if (!pack)
		return false;
	if (pack->state != PACK_LOST && !judge_error(pack_reader_has(packs->options.reader, &ref, 1, errp), &has, errp))
		return false;
	if (!has || (pack->bad && (pack->bad[chunk->at.entry / 8] & 1u << chunk->at.entry % 8) != 0))
		*ret = POINT_HURT;
	else
		*ret = pack->state == PACK_OPENED ? POINT_WHOLE : POINT_MAY_BE_HURT;
	return true;
}
