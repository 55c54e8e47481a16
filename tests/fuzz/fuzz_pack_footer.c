/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a pack, and its entries as they are after decryption: any bytes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/pack.h"

enum { BODIES_END = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_extent(struct span tail)
{
	AUTO(err_freep) struct err *err = NULL;
	uint64_t needed;
	for (uint64_t before = 0; before <= PACK_MAX_SIZE; before += PACK_MAX_SIZE / 2) {
		if (pack_footer_extent(tail, before + tail.len, &needed, &err))
			assert(needed <= before + tail.len - PACK_HEAD_SIZE);
		else
			assert(err_code(err) == ERR_CORRUPT);
		err_clear(&err);
	}
}

static void read_entries(struct span plain)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(pack_footer_release) struct pack_footer footer = {.n_keyslots = 3};
	footer.n_entries = (plain.len + PACK_ENTRY_SIZE - 1) / PACK_ENTRY_SIZE;
	footer.entries = calloc(footer.n_entries + 1, sizeof(footer.entries[0]));
	if (!footer.entries || !pack_entries_parse(plain, BODIES_END, &footer, &err))
		return;
	for (size_t i = 0; i < footer.n_entries; i++) {
		const struct pack_entry *entry = &footer.entries[i];
		assert(entry->offset >= PACK_HEAD_SIZE && entry->offset + entry->sealed_len <= BODIES_END);
		uint8_t again[PACK_ENTRY_SIZE];
		pack_entry_encode(entry, again);
		assert(memcmp(again, (const uint8_t *)plain.data + i * PACK_ENTRY_SIZE, PACK_ENTRY_SIZE) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_extent(SPAN(data, size));
	read_entries(SPAN(data, size));
	return 0;
}
