/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a malicious writer may seal as a frame: any bytes. The first four say how long the chunk is said to be. The
 * output lies between bytes that must stay as they are.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/chunk.h"

enum { FENCE = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t dek[KEY_SIZE], domain[DOMAIN_SIZE];
static const struct chunk_id id;

static bool unseal_frame(struct span frame, uint32_t plain_len, uint8_t *ret, struct err **errp)
{
	size_t len = frame.len + TAG_SIZE;
	AUTO(freep) uint8_t *sealed = malloc(len);
	AUTO(freep) uint8_t *scratch = malloc(len);
	if (!sealed || !scratch)
		return err_set_no_memory(errp);
	bool ok = chunk_seal(dek, domain, &id, plain_len, CODEC_ZSTD, frame, sealed, errp);
	return ok && chunk_unseal(dek, domain, &id, plain_len, CODEC_ZSTD, SPAN(sealed, len), scratch, ret, errp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	uint8_t fence[FENCE];
	if (size < 4)
		return 0;
	uint32_t plain_len = bytes_load_le32(data) % (CHUNK_MAX + 1);
	AUTO(freep) uint8_t *room = malloc(plain_len + sizeof(fence));
	if (!room)
		return 0;
	memset(fence, 0xa5, sizeof(fence));
	memset(room + plain_len, 0xa5, sizeof(fence));
	if (!unseal_frame(SPAN(data + 4, size - 4), plain_len, room, &err))
		assert(err_code(err) == ERR_CORRUPT);
	assert(memcmp(room + plain_len, fence, sizeof(fence)) == 0);
	return 0;
}
