/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to an NBD server on this host: what is allocated, what is marked in a dirty bitmap, and reads in
 * flight together. One thread a connection. After a failure the connection is closed, and every further call fails.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/compiler.h"
#include "hypervisor/engine.h"

struct blocks;

/* Borrowed for blocks_open() but for `cancel`, which is borrowed until blocks_close(). */
struct blocks_source {
	const char *socket;
	const char *export_name;
	const char *bitmap; /* as QEMU exports it; NULL: nothing is tracked, all is changed */
	const struct cancel *cancel;
};

NODISCARD struct blocks *blocks_open(const struct blocks_source *source, struct err **errp);
/* NULL is fine. Nothing touches the memory of requests any more. */
void blocks_close(struct blocks *blocks);
DEFINE_AUTO_FREE(struct blocks, blocks_close);

/* Of the guest's view, in bytes. */
uint64_t blocks_size(const struct blocks *blocks);
/* As map() in engine.h; neighbours differ. */
NODISCARD bool blocks_map(struct blocks *blocks, extent_function *each, void *arg, struct err **errp);
/* As read() in engine.h. */
NODISCARD bool blocks_read(struct blocks *blocks, const struct read_request *requests, size_t n, struct err **errp);
