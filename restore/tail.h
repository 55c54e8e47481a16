/* SPDX-License-Identifier: Apache-2.0 */
/* The end of what somebody said: any number of bytes in, the last TAIL_MAX out. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

#include "base/compiler.h"

struct err;

#define TAIL_MAX (1u << 20)

struct tail {
	uint8_t *ring; /* NULL before the first byte */
	uint64_t total;
	bool failed; /* no memory for it: nothing is kept */
};

void tail_add(struct tail *tail, const void *data, size_t len);
/* In order, into ret, which is new. */
NODISCARD bool tail_copy(const struct tail *tail, struct bytes *ret, struct err **errp);
void tail_release(struct tail *tail);
