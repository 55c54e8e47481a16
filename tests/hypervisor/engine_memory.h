/* SPDX-License-Identifier: Apache-2.0 */
/* An engine whose disks lie in memory, which knows every write, and which can be told to fail. For tests of the
 * pipeline. */
#pragma once

#include "hypervisor/engine.h"

struct memory_engine;

/* One workload with n disks named vda, vdb …, all zero. Aborts on lack of memory. */
struct memory_engine *memory_engine_new(const char *workload, const uint64_t *sizes, size_t n);
struct engine *memory_engine_seam(struct memory_engine *memory);
/* What the guest does. */
void memory_engine_write(struct memory_engine *memory, size_t disk, uint64_t offset, const void *data, size_t len);
/* What happens behind the engine's back: no change map knows of it. */
void memory_engine_write_unseen(struct memory_engine *memory, size_t disk, uint64_t offset, const void *data,
				size_t len);
/* The disk changes its size; what it loses is lost. */
void memory_engine_resize(struct memory_engine *memory, size_t disk, uint64_t size);
const uint8_t *memory_engine_disk(const struct memory_engine *memory, size_t disk, uint64_t *ret_size);
/* Machine definition that describe gives. */
void memory_engine_define(struct memory_engine *memory, const char *definition);
/* From now on: the nth read fails; 0: none does. */
void memory_engine_fail_read(struct memory_engine *memory, unsigned nth);
/* The next check() says that the cut broke. */
void memory_engine_break(struct memory_engine *memory);
/* All change maps are lost, as after a crash of the host. */
void memory_engine_lose_maps(struct memory_engine *memory);
/* While it is shut off nothing is tracked, and the only map that there is goes on. */
void memory_engine_shut_off(struct memory_engine *memory, bool shut_off);
/* A disk's image with what the only map knows of it, as in a qcow2 file: taken out as a copy, and put back. */
struct memory_image {
	uint8_t *data;
	bool *dirty;
};
void memory_engine_save(struct memory_engine *memory, size_t disk, struct memory_image *ret);
void memory_engine_revert(struct memory_engine *memory, size_t disk, struct memory_image *image);
/* Called before each read, from the reader's thread; NULL: nobody is. */
void memory_engine_on_read(struct memory_engine *memory, void (*on_read)(void *arg), void *arg);
/* Bytes read since the last call. */
uint64_t memory_engine_bytes_read(struct memory_engine *memory);
/* Cuts that are still open, and change maps that exist. */
unsigned memory_engine_cuts(const struct memory_engine *memory);
unsigned memory_engine_maps(const struct memory_engine *memory);
