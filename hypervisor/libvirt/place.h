/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a cut keeps its socket and its spill, and the lock that lets one process at a time cut a workload. The lock's
 * file says which folders are in use, so that whoever takes it after a crash knows what to remove.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "hypervisor/libvirt/domain_xml.h"

struct err;

struct place {
	int lock;	      /* -1: none */
	char *folder, *spill; /* the latter may be the same */
	char *socket;
};

/* Takes the lock and removes what a crash left. ERR_BUSY when another process cuts this workload. */
NODISCARD bool place_take(const uint8_t id[16], struct place *ret, struct err **errp);
/* Makes new folders that QEMU can write to. spill_dir NULL: beside the socket. */
NODISCARD bool place_make(struct place *place, const char *workload, const char *spill_dir,
			  const struct domain_xml *xml, struct err **errp);
/* Removes the folders with all that is in them and gives the lock back. Also for one that is all zero but for lock =
 * -1. */
void place_release(struct place *place);
/* A socket of ours, by whatever process. */
bool place_is_ours(const char *socket);
/* Whether QEMU still takes connections there: then it has not ended the cut. */
bool place_is_served(const struct place *place);
/* Bytes that the files of the spill occupy; and that are free there. */
uint64_t place_spilled(const struct place *place);
NODISCARD bool place_free_space(const struct place *place, uint64_t *ret, struct err **errp);
