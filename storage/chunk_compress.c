/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zstd frames of chunks, see docs/format.md, Chunks and packs. A frame has its content size, no checksum and no
 * dictionary, so its fifth byte, the frame header descriptor (RFC 8878, 3.1.1.1.1), has its low three bits clear.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "base/err.h"
#include "storage/chunk_internal.h"

/* Level 1 with a table that stays in the processor's fastest cache: a tenth less time, a hundredth more bytes. */
enum {
	LEVEL = 1,
	HASH_LOG = 12,
	MIN_MATCH = 6,
};

enum {
	FRAME_DESCRIPTOR_AT = 4,
	FRAME_CHECKSUM_OR_DICTIONARY = 0x07,
	FRAME_RESERVED = 0x18,
};

static const uint8_t frame_magic[FRAME_DESCRIPTOR_AT] = {0x28, 0xb5, 0x2f, 0xfd};

/* Making a context costs more than a chunk does, so each thread keeps its own until it ends. */
struct contexts {
	ZSTD_CCtx *compress;
	ZSTD_DCtx *decompress;
};

static pthread_once_t contexts_once = PTHREAD_ONCE_INIT;
static pthread_key_t contexts_key;
static int contexts_failure;

static void contexts_free(void *arg)
{
	struct contexts *contexts = arg;
	ZSTD_freeCCtx(contexts->compress);
	ZSTD_freeDCtx(contexts->decompress);
	free(contexts);
}

static void contexts_make_key(void)
{
	contexts_failure = pthread_key_create(&contexts_key, contexts_free);
}

static struct contexts *contexts_get(struct err **errp)
{
	pthread_once(&contexts_once, contexts_make_key);
	if (contexts_failure != 0) {
		err_set_errno(errp, contexts_failure, "cannot keep compression contexts");
		return NULL;
	}
	struct contexts *contexts = pthread_getspecific(contexts_key);
	if (contexts)
		return contexts;
	contexts = calloc(1, sizeof(*contexts));
	if (!contexts || pthread_setspecific(contexts_key, contexts) != 0) {
		free(contexts);
		err_set_no_memory(errp);
		return NULL;
	}
	return contexts;
}

static bool set_parameters(ZSTD_CCtx *context)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, HASH_LOG)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_minMatch, MIN_MATCH)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_dictIDFlag, 0));
}

static ZSTD_CCtx *compress_context(struct err **errp)
{
	struct contexts *contexts = contexts_get(errp);
	if (!contexts || contexts->compress)
		return contexts ? contexts->compress : NULL;
	ZSTD_CCtx *context = ZSTD_createCCtx();
	if (!context || !set_parameters(context)) {
		ZSTD_freeCCtx(context);
		err_set_no_memory(errp);
		return NULL;
	}
	contexts->compress = context;
	return context;
}

static ZSTD_DCtx *decompress_context(struct err **errp)
{
	struct contexts *contexts = contexts_get(errp);
	if (!contexts)
		return NULL;
	if (!contexts->decompress)
		contexts->decompress = ZSTD_createDCtx();
	if (!contexts->decompress)
		err_set_no_memory(errp);
	return contexts->decompress;
}

bool chunk_compress(struct span plain, uint8_t *ret, enum chunk_codec *ret_codec, size_t *ret_len, struct err **errp)
{
	ZSTD_CCtx *context = compress_context(errp);
	if (!context)
		return false;
	/* A frame that does not fit here would not save a sixteenth: zstd stops as soon as it sees that. */
	size_t room = plain.len - (plain.len + 15) / 16;
	size_t len = ZSTD_compress2(context, ret, room, plain.data, plain.len);
	bool saves = !ZSTD_isError(len);
	*ret_codec = saves ? CODEC_ZSTD : CODEC_RAW;
	*ret_len = saves ? len : plain.len;
	return true;
}

/* One frame as this format wants it, that says it has plain_len bytes, and nothing behind it. */
static bool frame_is_strict(struct span frame, size_t plain_len)
{
	const uint8_t *bytes = frame.data;
	if (frame.len <= FRAME_DESCRIPTOR_AT || memcmp(bytes, frame_magic, sizeof(frame_magic)) != 0)
		return false;
	if (bytes[FRAME_DESCRIPTOR_AT] & (FRAME_CHECKSUM_OR_DICTIONARY | FRAME_RESERVED))
		return false;
	return ZSTD_getFrameContentSize(frame.data, frame.len) == plain_len &&
	       ZSTD_findFrameCompressedSize(frame.data, frame.len) == frame.len;
}

bool chunk_decompress(struct span frame, void *ret_plain, size_t plain_len, struct err **errp)
{
	ZSTD_DCtx *context = decompress_context(errp);
	if (!context)
		return false;
	if (!frame_is_strict(frame, plain_len))
		return err_set(errp, ERR_CORRUPT, "it is not one plain zstd frame of %zu bytes", plain_len);
	/* In one call zstd has the output as its window and allocates nothing, whatever the frame asks for. */
	size_t len = ZSTD_decompressDCtx(context, ret_plain, plain_len, frame.data, frame.len);
	if (ZSTD_isError(len))
		return err_set(errp, ERR_CORRUPT, "cannot decompress: %s", ZSTD_getErrorName(len));
	if (len != plain_len)
		return err_set(errp, ERR_CORRUPT, "it decompresses to %zu bytes, not %zu", len, plain_len);
	return true;
}
