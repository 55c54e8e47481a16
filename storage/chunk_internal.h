/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of chunk.h share. */
#pragma once

#include "storage/chunk.h"

/* One zstd frame of exactly plain_len bytes, as docs/format.md allows it, or ERR_CORRUPT. */
NODISCARD bool chunk_decompress(struct span frame, void *ret_plain, size_t plain_len, struct err **errp);
