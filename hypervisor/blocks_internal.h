/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <libnbd.h>

#include "hypervisor/blocks.h"

struct blocks {
	struct nbd_handle *nbd; /* NULL after a failure */
	char *bitmap;		/* meta context "qemu:dirty-bitmap:…", or NULL */
	bool allocation;	/* the server tells zeros from data */
	uint64_t size;
	uint32_t piece_max; /* longest read of one request */
	const struct cancel *cancel;
};

/* Sets what libnbd said and closes the connection. Returns false. */
bool blocks_fail(struct blocks *blocks, const char *doing, struct err **errp);
