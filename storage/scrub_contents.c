/* SPDX-License-Identifier: Apache-2.0 */
/* Opening what packs hold, a few MiB at a time: decrypted, authenticated, and its id computed again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/scrub_state.h"

enum { BATCH_BYTES = 4 << 20, BATCH_CHUNKS = 1024 };

/* Takes entries from `first` on, as many as fit. */
static size_t fill_batch(const struct pack_footer *footer, size_t first, uint8_t *plain, struct chunk_ref *refs)
{
	size_t n = 0, len = 0;

	for (size_t i = first; i < footer->n_entries && n < BATCH_CHUNKS; i++) {
		const struct pack_entry *entry = &footer->entries[i];
		if (n > 0 && entry->plain_len > BATCH_BYTES - len)
			break;
		refs[n++] =
			(struct chunk_ref){.id = entry->id,
					   .at = {.session = footer->session, .seq = footer->seq, .entry = (uint16_t)i},
					   .plain_len = entry->plain_len,
					   .plain = plain + len};
		len += entry->plain_len;
	}
	return n;
}

static bool open_entries(struct scrub *scrub, const struct pack_footer *footer, struct err **errp)
{
	AUTO(freep) uint8_t *plain = malloc(BATCH_BYTES);
	AUTO(freep) struct chunk_ref *refs = calloc(BATCH_CHUNKS, sizeof(*refs));
	size_t n;

	if (!plain || !refs)
		return err_set_no_memory(errp);
	for (size_t done = 0; done < footer->n_entries; done += n) {
		n = fill_batch(footer, done, plain, refs);
		if (!scrub_go_on(scrub, errp) || !pack_reader_chunks(scrub->reader, refs, n, errp))
			return false;
	}
	return true;
}

bool scrub_contents(struct scrub *scrub, const struct session_id *session, uint32_t seq, struct err **errp)
{
	AUTO(pack_footer_release) struct pack_footer footer = {0};
	struct locator at = {.session = *session, .seq = seq};

	return (pack_footer_fetch(scrub->repository, PACK_CHUNKS, session, seq, &footer, errp) &&
		open_entries(scrub, &footer, errp)) ||
	       scrub_take_pack_error(scrub, SCRUB_CONTENTS, PACK_CHUNKS, &at, errp);
}

static bool open_unlisted(void *arg, const struct session_id *session, uint32_t seq, struct err **errp)
{
	struct scrub *scrub = arg;
	struct locator at = {.session = *session, .seq = seq};
	char name[OBJECT_NAME_SIZE];
	uint64_t size;

	/* The set does not say the class: packs of nodes were opened with the trees. */
	object_name_pack(PACK_CHUNKS, session, seq, name);
	if (backend_size(repository_backend(scrub->repository), name, &size, errp))
		return scrub_contents(scrub, session, seq, errp);
	if (err_code(*errp) != ERR_NOT_FOUND)
		return scrub_take_pack_error(scrub, SCRUB_CONTENTS, PACK_CHUNKS, &at, errp);
	err_clear(errp);
	return true;
}

/* Lists were there before the commit was. Commits name those of their own sessions; what others left is seen here. */
static bool name_lost_list(struct scrub *scrub, const struct pack_set_session *listless, struct err **errp)
{
	struct scrub_cause cause = {.session = listless->session, .level = SCRUB_SIZES};
	char prefix[OBJECT_NAME_SIZE], text[SESSION_TEXT_SIZE];
	int len = snprintf(prefix, sizeof(prefix), "l/%s/", session_id_text(&listless->session, text));

	for (size_t i = 0; i < scrub->report.n_damaged; i++)
		if (strncmp(scrub->report.damaged[i].object, prefix, (size_t)len) == 0)
			return true;
	return scrub_damaged(scrub, &cause, prefix, "packs that points need are in no list that says what they must be",
			     errp);
}

bool scrub_unlisted(struct scrub *scrub, struct err **errp)
{
	for (size_t i = 0; i < scrub->listless.n; i++)
		if (!name_lost_list(scrub, &scrub->listless.sessions[i], errp))
			return false;
	return scrub->options->level != SCRUB_CONTENTS || pack_set_each(&scrub->unlisted, open_unlisted, scrub, errp);
}
