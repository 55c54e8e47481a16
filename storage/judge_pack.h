/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged packs, as a judge looks at them: each is opened when the first chunk of it is asked for. */
#pragma once

#include "storage/judge.h"

struct judge_packs;

/* The options outlive it. */
NODISCARD struct judge_packs *judge_packs_new(const struct judge_options *options, struct err **errp);
void judge_packs_free(struct judge_packs *packs);
/* What of a chunk in a damaged pack is known. */
NODISCARD bool judge_packs_chunk(struct judge_packs *packs, const struct tree_ref *chunk, uint32_t plain_len,
				 enum judgement *ret, struct err **errp);
