/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/blocks.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/blocks_internal.h"

enum { PIECE_DEFAULT = 4 << 20, PIECE_LEAST = 4096 };

bool blocks_fail(struct blocks *blocks, const char *doing, struct err **errp)
{
	const char *said = nbd_get_error();
	err_set(errp, ERR_FAILED, "%s: %s", doing, said ? said : "the connection is closed");
	if (blocks->nbd)
		nbd_close(blocks->nbd);
	blocks->nbd = NULL;
	return false;
}

static bool ask_contexts(struct blocks *blocks, const struct blocks_source *source, struct err **errp)
{
	if (nbd_set_export_name(blocks->nbd, source->export_name) < 0 ||
	    nbd_add_meta_context(blocks->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0)
		return blocks_fail(blocks, "prepare the connection", errp);
	if (!source->bitmap)
		return true;
	blocks->bitmap = file_format("qemu:dirty-bitmap:%s", source->bitmap);
	if (!blocks->bitmap)
		return err_set_no_memory(errp);
	if (nbd_add_meta_context(blocks->nbd, blocks->bitmap) < 0)
		return blocks_fail(blocks, "prepare the connection", errp);
	return true;
}

/* Longer reads are cut into pieces, so that one request never waits for a whole stretch of a slow disk. */
static uint32_t longest_piece(struct nbd_handle *nbd)
{
	int64_t most = nbd_get_block_size(nbd, LIBNBD_SIZE_MAXIMUM);
	if (most < PIECE_LEAST || most > PIECE_DEFAULT)
		return PIECE_DEFAULT;
	return (uint32_t)most;
}

static bool look_around(struct blocks *blocks, const struct blocks_source *source, struct err **errp)
{
	int64_t size = nbd_get_size(blocks->nbd);
	if (size < 0)
		return blocks_fail(blocks, "ask for the size", errp);
	blocks->size = (uint64_t)size;
	blocks->piece_max = longest_piece(blocks->nbd);
	blocks->allocation = nbd_can_meta_context(blocks->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1;
	if (blocks->bitmap && nbd_can_meta_context(blocks->nbd, blocks->bitmap) != 1)
		return err_set(errp, ERR_FAILED, "QEMU does not show the dirty bitmap '%s'", source->bitmap);
	return true;
}

struct blocks *blocks_open(const struct blocks_source *source, struct err **errp)
{
	AUTO(blocks_closep) struct blocks *blocks = calloc(1, sizeof(*blocks));
	if (!blocks) {
		err_set_no_memory(errp);
		return NULL;
	}
	blocks->cancel = source->cancel;
	blocks->nbd = nbd_create();
	if (!blocks->nbd) {
		err_set(errp, ERR_NO_MEMORY, "open a connection: %s", nbd_get_error());
		return NULL;
	}
	if (!ask_contexts(blocks, source, errp))
		return NULL;
	if (nbd_connect_unix(blocks->nbd, source->socket) < 0) {
		blocks_fail(blocks, "connect to the disk", errp);
		return NULL;
	}
	if (!look_around(blocks, source, errp))
		return NULL;
	return STEAL(&blocks);
}

void blocks_close(struct blocks *blocks)
{
	if (!blocks)
		return;
	if (blocks->nbd)
		nbd_close(blocks->nbd);
	free(blocks->bitmap);
	free(blocks);
}

uint64_t blocks_size(const struct blocks *blocks)
{
	return blocks->size;
}
