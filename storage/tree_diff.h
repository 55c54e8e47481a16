/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between two streams, by their trees alone: no content is read, so no key that reads content is needed.
 * Equal ids are equal content, wherever it lies, so a subtree that both have is not read either: it costs what differs,
 * not what there is.
 */
#pragma once

#include "base/cancel.h"
#include "storage/tree_read.h"

struct tree_diff_options {
	bool same_keys;		     /* their ids were made under the same metadata key */
	const struct cancel *cancel; /* may be NULL */
};

typedef bool tree_diff_function(void *arg, uint64_t offset, uint64_t len, struct err **errp);
/*
 * Gives the ranges that differ, ascending, neighbours as one. They consist of whole chunks, cut at the end of the
 * longer stream: they may name too much, never too little. Behind its end, a stream counts as zeros. Where ids of one
 * say nothing about ids of the other, whatever one of them has data for is given: so it is when they have chunks of
 * different sizes, and when the ids were made under different metadata keys, as only the caller knows. What is
 * remembered does not grow with the streams.
 */
NODISCARD bool tree_diff(struct tree_reader *from, struct tree_reader *to, const struct tree_diff_options *options,
			 tree_diff_function *each, void *arg, struct err **errp);
