/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks by locator: the wanted ones are looked at in the order of their places (the caller's array is left as it is),
 * neighbours are read in one range, and each is opened, decompressed and named again before it counts.
 */
#include "storage/pack_read.h"

#include <stdlib.h>

#include "base/err.h"
#include "storage/pack_cache_internal.h"
#include "storage/pack_internal.h"
#include "storage/rescue.h"

enum { GAP_MAX = 64 << 10, RANGE_MAX = 4 << 20 };

struct pack_reader {
	const struct repository *repository;
	struct pack_cache *cache;
	struct rescue *rescue; /* NULL: none */
};

struct pack_reader *pack_reader_new(const struct repository *repository, size_t cache_bytes, struct err **errp)
{
	AUTO(pack_reader_freep) struct pack_reader *reader = calloc(1, sizeof(*reader));
	if (!reader) {
		err_set_no_memory(errp);
		return NULL;
	}
	reader->repository = repository;
	reader->cache = pack_cache_new(repository, cache_bytes, errp);
	return reader->cache ? STEAL(&reader) : NULL;
}

void pack_reader_free(struct pack_reader *reader)
{
	if (!reader)
		return;
	pack_cache_free(reader->cache);
	free(reader);
}

unsigned pack_reader_in_flight(const struct pack_reader *reader)
{
	return repository_backend(reader->repository)->in_flight;
}

void pack_reader_set_rescue(struct pack_reader *reader, struct rescue *rescue)
{
	reader->rescue = rescue;
}

/* Bytes [start, end) of a pack, and the wanted entries that lie in them. */
struct range {
	uint32_t start, end;
	uint32_t longest; /* sealed bytes of the longest of them */
	struct chunk_ref **refs;
	size_t n;
};

static bool entry_err(const struct pack_footer *footer, const struct locator *at, struct err **errp)
{
	err_prefix(errp, "entry %u", at->entry);
	return pack_err(errp, footer->cls, &footer->session, footer->seq);
}

/* The footer's entry at this place, if it is what the locator's owner thinks it is. */
static const struct pack_entry *find_entry(const struct pack_footer *footer, const struct chunk_ref *ref,
					   struct err **errp)
{
	if (ref->at.entry >= footer->n_entries) {
		err_set(errp, ERR_CORRUPT, "the pack has only %zu entries", footer->n_entries);
		entry_err(footer, &ref->at, errp);
		return NULL;
	}
	const struct pack_entry *entry = &footer->entries[ref->at.entry];
	if (chunk_id_equal(&entry->id, &ref->id) && entry->plain_len == ref->plain_len)
		return entry;
	err_set(errp, ERR_CORRUPT, "it is not the chunk that is looked for");
	entry_err(footer, &ref->at, errp);
	return NULL;
}

/* False when the entry is too far away, or would make the range too long. */
static bool range_extend(struct range *range, const struct pack_entry *entry)
{
	uint32_t end = entry->offset + entry->sealed_len;
	if (range->n == 0)
		range->start = range->end = entry->offset;
	if (end < range->end)
		end = range->end;
	if (entry->offset < range->start || entry->offset > range->end + GAP_MAX || end - range->start > RANGE_MAX)
		return false;
	range->end = end;
	if (entry->sealed_len > range->longest)
		range->longest = entry->sealed_len;
	return true;
}

/* Takes as many of the refs, from the first on, as one read may serve. */
static bool gather_range(const struct pack_footer *footer, struct chunk_ref **refs, size_t n, struct range *ret,
			 struct err **errp)
{
	*ret = (struct range){.refs = refs};
	for (; ret->n < n; ret->n++) {
		const struct pack_entry *entry = find_entry(footer, refs[ret->n], errp);
		if (!entry)
			return false;
		if (!range_extend(ret, entry))
			break;
	}
	return true;
}

/* Opens one entry's sealed bytes into plain_len bytes at ret. */
static bool unseal_entry(const struct pack_reader *reader, struct open_pack *pack, const struct pack_entry *entry,
			 const uint8_t *sealed, uint8_t *scratch, void *ret, struct err **errp)
{
	uint8_t dek[KEY_SIZE];
	if (!pack_cache_dek(reader->cache, pack, entry->keyslot, dek, errp))
		return false;
	bool ok = chunk_unseal(dek, repository_domain(reader->repository), &entry->id, entry->plain_len, entry->codec,
			       SPAN(sealed, entry->sealed_len), scratch, ret, errp);
	crypto_wipe(dek, sizeof(dek));
	return ok;
}

static bool check_chunk(const struct metadata_keys *keys, const struct chunk_ref *ref, struct err **errp)
{
	struct chunk_id id;
	if (!chunk_identify(keys, SPAN(ref->plain, ref->plain_len), &id, errp))
		return false;
	return chunk_id_equal(&id, &ref->id) || err_set(errp, ERR_CORRUPT, "its content does not have its id");
}

static bool fill_range(const struct pack_reader *reader, struct open_pack *pack, const struct range *range,
		       const uint8_t *data, struct err **errp)
{
	const struct pack_footer *footer = open_pack_footer(pack);
	const struct metadata_keys *keys = repository_metadata_at(reader->repository, footer->r);
	AUTO(freep) uint8_t *scratch = malloc(range->longest);
	if (!scratch)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < range->n; i++) {
		const struct chunk_ref *ref = range->refs[i];
		const struct pack_entry *entry = &footer->entries[ref->at.entry];
		const uint8_t *sealed = data + (entry->offset - range->start);
		if (!ref->plain)
			continue;
		if (!unseal_entry(reader, pack, entry, sealed, scratch, ref->plain, errp) ||
		    !check_chunk(keys, ref, errp))
			return entry_err(footer, &ref->at, errp);
	}
	return true;
}

static bool read_range(const struct pack_reader *reader, const struct pack_footer *footer, const struct range *range,
		       uint8_t **ret, struct err **errp)
{
	char name[OBJECT_NAME_SIZE];
	object_name_pack(footer->cls, &footer->session, footer->seq, name);
	size_t len = range->end - range->start;
	*ret = malloc(len);
	if (!*ret)
		return err_set_no_memory(errp);
	return backend_get_range(repository_backend(reader->repository), name, range->start, *ret, len, errp) ||
	       err_about(errp, "%s", name);
}

/* All refs lie in this one pack, in ascending order of entries. */
static bool read_from_pack(const struct pack_reader *reader, struct open_pack *pack, struct chunk_ref **refs, size_t n,
			   struct err **errp)
{
	const struct pack_footer *footer = open_pack_footer(pack);
	for (size_t done = 0; done < n;) {
		struct range range;
		AUTO(freep) uint8_t *data = NULL;
		if (!gather_range(footer, refs + done, n - done, &range, errp) ||
		    !read_range(reader, footer, &range, &data, errp) || !fill_range(reader, pack, &range, data, errp))
			return false;
		done += range.n;
	}
	return true;
}

static bool read_again(const struct pack_reader *reader, const struct open_pack *pack, struct err **errp)
{
	const struct pack_footer *footer = open_pack_footer(pack);
	char name[OBJECT_NAME_SIZE];
	object_name_pack(footer->cls, &footer->session, footer->seq, name);
	return backend_read_again(repository_backend(reader->repository), name, errp);
}

static int compare_packs(const struct locator *a, const struct locator *b)
{
	int order = session_id_compare(&a->session, &b->session);
	return order ? order : (a->seq > b->seq) - (a->seq < b->seq);
}

static int compare_places(const void *left, const void *right)
{
	const struct locator *a = &(*(struct chunk_ref *const *)left)->at,
			     *b = &(*(struct chunk_ref *const *)right)->at;
	int order = compare_packs(a, b);
	return order ? order : a->entry - b->entry;
}

static bool read_sorted(struct pack_reader *reader, struct chunk_ref **refs, size_t n, struct err **errp)
{
	size_t same;
	for (size_t done = 0; done < n; done += same) {
		const struct locator *at = &refs[done]->at;
		for (same = 1; done + same < n && compare_packs(&refs[done + same]->at, at) == 0;)
			same++;
		struct open_pack *pack = pack_cache_get(reader->cache, PACK_CHUNKS, &at->session, at->seq, errp);
		if (!pack)
			return false;
		bool ok = read_from_pack(reader, pack, refs + done, same, errp) ||
			  (read_again(reader, pack, errp) && read_from_pack(reader, pack, refs + done, same, errp));
		pack_cache_put(reader->cache, pack);
		if (!ok)
			return false;
	}
	return true;
}

static bool may_rescue(const struct pack_reader *reader, const struct err *err)
{
	return reader->rescue && !err_is_of_run(err_code(err)) && err_code(err) != ERR_DENIED;
}

/* Whoever was interrupted on the way does not know that there is no other place. */
static bool give_up(struct err **again, struct err **errp)
{
	if (*again) {
		err_clear(errp);
		err_move(errp, again);
	}
	return false;
}

/*
 * Every place is tried once. Where none has the chunk, the error is that of its own place. A pack that has one damaged
 * chunk may still have the next: what was tried is of one chunk.
 */
static bool read_anywhere(struct pack_reader *reader, const struct chunk_ref *wanted, struct err **errp)
{
	AUTO(rescue_search_release)
	struct rescue_search search = {.place = wanted->place, .id = wanted->id, .at = wanted->at};
	struct chunk_ref ref = *wanted, *refs = &ref;
	if (read_sorted(reader, &refs, 1, errp))
		return true;
	while (may_rescue(reader, *errp)) {
		AUTO(err_freep) struct err *again = NULL;
		if (!rescue_next(reader->rescue, &search, &again))
			return give_up(&again, errp);
		ref.at = search.at;
		if (!read_sorted(reader, &refs, 1, &again)) {
			if (err_is_of_run(err_code(again)))
				return give_up(&again, errp);
			continue;
		}
		rescue_note_read(reader->rescue, &search);
		err_clear(errp);
		return true;
	}
	return false;
}

static bool read_each(struct pack_reader *reader, const struct chunk_ref *refs, size_t n, struct err **errp)
{
	for (size_t i = 0; i < n; i++)
		if (!read_anywhere(reader, &refs[i], errp))
			return false;
	return true;
}

bool pack_reader_chunks(struct pack_reader *reader, struct chunk_ref *refs, size_t n, struct err **errp)
{
	AUTO(freep) struct chunk_ref **sorted = calloc(n + 1, sizeof(sorted[0]));
	if (!sorted)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < n; i++)
		sorted[i] = &refs[i];
	qsort(sorted, n, sizeof(sorted[0]), compare_places);
	if (read_sorted(reader, sorted, n, errp))
		return true;
	if (!may_rescue(reader, *errp))
		return false;
	err_clear(errp);
	return read_each(reader, refs, n, errp);
}

bool pack_reader_has(struct pack_reader *reader, const struct chunk_ref *refs, size_t n, struct err **errp)
{
	bool ok = true;
	struct open_pack *pack = pack_cache_get(reader->cache, PACK_CHUNKS, &refs->at.session, refs->at.seq, errp);
	if (!pack)
		return false;
	for (size_t i = 0; ok && i < n; i++)
		ok = find_entry(open_pack_footer(pack), &refs[i], errp);
	pack_cache_put(reader->cache, pack);
	return ok;
}

static bool parse_node(const struct pack_reader *reader, const struct pack_footer *footer,
		       const struct chunk_id *wanted, struct span plain, struct tree_node *ret, struct err **errp)
{
	struct chunk_id id;
	if (!tree_node_parse(plain, ret, errp) ||
	    !tree_node_id(repository_metadata_at(reader->repository, footer->r), ret, &id, errp))
		return false;
	return chunk_id_equal(&id, wanted) || err_set(errp, ERR_CORRUPT, "its content does not have its id");
}

static bool open_node(const struct pack_reader *reader, struct open_pack *pack, const struct pack_entry *entry,
		      struct tree_node *ret, struct err **errp)
{
	const struct pack_footer *footer = open_pack_footer(pack);
	struct range range = {.start = entry->offset, .end = entry->offset + entry->sealed_len};
	AUTO(freep) uint8_t *sealed = NULL;
	uint8_t scratch[TREE_NODE_MAX + TAG_SIZE], plain[TREE_NODE_MAX];
	return read_range(reader, footer, &range, &sealed, errp) &&
	       unseal_entry(reader, pack, entry, sealed, scratch, plain, errp) &&
	       parse_node(reader, footer, &entry->id, SPAN(plain, entry->plain_len), ret, errp);
}

static bool read_node(const struct pack_reader *reader, struct open_pack *pack, const struct chunk_ref *ref,
		      struct tree_node *ret, struct err **errp)
{
	const struct pack_footer *footer = open_pack_footer(pack);
	if (ref->at.entry >= footer->n_entries)
		return err_set(errp, ERR_CORRUPT, "the pack has only %zu entries", footer->n_entries);
	const struct pack_entry *entry = &footer->entries[ref->at.entry];
	if (!chunk_id_equal(&entry->id, &ref->id) || entry->plain_len > TREE_NODE_MAX)
		return err_set(errp, ERR_CORRUPT, "it is not the node that is looked for");
	return open_node(reader, pack, entry, ret, errp);
}

bool pack_reader_node(struct pack_reader *reader, const struct chunk_id *id, const struct locator *at,
		      struct tree_node *ret, struct err **errp)
{
	const struct chunk_ref ref = {.id = *id, .at = *at};
	struct open_pack *pack = pack_cache_get(reader->cache, PACK_META, &at->session, at->seq, errp);
	if (!pack)
		return false;
	bool ok = read_node(reader, pack, &ref, ret, errp) ||
		  (read_again(reader, pack, errp) && read_node(reader, pack, &ref, ret, errp)) ||
		  entry_err(open_pack_footer(pack), at, errp);
	pack_cache_put(reader->cache, pack);
	return ok;
}

bool pack_reader_node_of(struct pack_reader *reader, const struct tree_place *place, const struct chunk_id *id,
			 const struct locator *at, struct tree_node *ret, struct err **errp)
{
	AUTO(rescue_search_release) struct rescue_search search = {.place = *place, .id = *id, .at = *at};
	if (pack_reader_node(reader, id, at, ret, errp))
		return true;
	while (may_rescue(reader, *errp)) {
		AUTO(err_freep) struct err *again = NULL;
		if (!rescue_next(reader->rescue, &search, &again))
			return give_up(&again, errp);
		if (!pack_reader_node(reader, id, &search.at, ret, &again)) {
			if (err_is_of_run(err_code(again)))
				return give_up(&again, errp);
			continue;
		}
		rescue_note_read(reader->rescue, &search);
		err_clear(errp);
		return true;
	}
	return false;
}
