/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam for protecting: what hosts workloads and can say what changed. An engine knows nothing of repositories.
 *
 *   describe ──► cut (quiesce, cut all disks at one instant, thaw) ──► map, readers ──► keep | drop
 *
 * A cut is one instant of all disks of a workload, held open for reading while the workload runs on. While it is open
 * the engine protects the guest: a full spill or a slow reader breaks the cut, never a write of the guest.
 * The change map of the last kept cut stays valid until a newer one is kept, whatever happens in between.
 * Functions block, and are called by one thread unless said otherwise. Errors name the disk; the caller names the
 * workload.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/compiler.h"

struct err;
struct engine;
struct cut;
struct cut_reader;

#define ENGINE_DISKS_MAX 64
#define ENGINE_NAME_MAX 64
#define TRACKING_MAX 640
#define CUT_OWNER_MAX 16

struct workload_disk {
	char name[ENGINE_NAME_MAX + 1]; /* "vda" */
	uint64_t size;			/* bytes of the guest's view; known after cut for running guests that grow */
	char *source;			/* path, for messages */
};

/* Owned by the caller of describe; freed with workload_release(). */
struct workload {
	uint8_t id[16]; /* stable: libvirt's UUID, or made from the name for files */
	char *name;
	struct workload_disk *disks;
	size_t n_disks;
	char **left_out; /* disks that are not protected and why, one sentence each ("cdrom sda: removable media") */
	size_t n_left_out;
	/* Domain XML as libvirt gives it with VIR_DOMAIN_XML_SECURE | MIGRATABLE; empty for files. */
	struct bytes definition;
	struct bytes firmware; /* contents of the firmware variables; empty where there are none */
	char firmware_name[ENGINE_NAME_MAX + 1];
};

void workload_release(struct workload *workload);

/* Why a disk is read whole; static text as in the JSON of `backup`, NULL when changes were tracked. */
#define FALLBACK_UNTRACKED "untracked"
#define FALLBACK_BITMAP_MISSING "bitmap-missing"
#define FALLBACK_BITMAP_INCONSISTENT "bitmap-inconsistent"
#define FALLBACK_IMAGE_REPLACED "image-replaced"
#define FALLBACK_SIZE_CHANGED "size-changed"
#define FALLBACK_POINT_MISSING "point-missing"
#define FALLBACK_POINT_DAMAGED "point-damaged"	 /* the caller's: what it would build on cannot be read */
#define FALLBACK_FORCED "forced"		 /* the caller's: it was asked to read everything */
#define FALLBACK_TRACKING_WRONG "tracking-wrong" /* the caller's: something changed that was said not to have */

struct cut_request {
	const struct cancel *cancel;
	/*
	 * Whose change map it is: a few hex digits, the same in every run of a caller; NULL or empty: nobody's in
	 * particular. Owners do not touch each other's maps, so a workload may be protected into two repositories.
	 */
	const char *owner;
	/* cut_info.tracking of the cut that the parent point was made from; NULL or empty: read everything. The owner's
	 * other change maps are removed by this cut. */
	const char *tracking;
	unsigned freeze_timeout_s; /* how long quiescing may take; 0: do not freeze */
	const char *spill_dir; /* where old data of blocks overwritten meanwhile goes; NULL: the engine's own place */
	/* Bytes on all disks together; 0: a tenth of the disks, at least 1 GiB, at most half of what is free. */
	uint64_t spill_limit;
};

enum cut_consistency { CUT_OFFLINE = 1, CUT_FROZEN = 2, CUT_CRASH = 3 }; /* values as storage's */

/* Known once the cut is made; borrowed until it ends. */
struct cut_info {
	uint64_t cut_ns;
	enum cut_consistency consistency;
	/* One sentence why it is weaker than asked ("the guest agent did not answer in 30 s"); or NULL. */
	char *consistency_note;
	const char *fallback_reason[ENGINE_DISKS_MAX]; /* by disk; NULL: its changes are tracked */
	struct workload workload;		       /* as of the cut: definition, sizes */
	/*
	 * Names the change map that begins with this cut; empty: nothing is tracked. The caller remembers it with the
	 * point before keep(): should the host die between, the next cut may be asked for either name, the old or this
	 * one. The name that was asked for: no map begins. The old one goes on, and still counts from the point that it
	 * began with. An engine that tracks nothing may put there what else it wants to know of this cut at the next.
	 */
	char tracking[TRACKING_MAX + 1];
};

/* One stretch of a disk. changed: may differ from the parent, as everything does that is not tracked. zero: reads as
 * zeros. */
struct extent {
	uint64_t offset, length;
	bool changed, zero;
};
typedef bool extent_function(void *arg, const struct extent *extent, struct err **errp);

struct read_request {
	uint64_t offset;
	size_t length;
	void *data;
};

struct engine_ops {
	const char *name; /* "libvirt", "files" */
	/* What it hosts: names, called for each. */
	bool (*list)(struct engine *engine,
		     bool (*each)(void *arg, const char *name, const char *state, struct err **errp), void *arg,
		     struct err **errp);
	/* ERR_NOT_FOUND with the nearest names. */
	bool (*describe)(struct engine *engine, const char *name, struct workload *ret, struct err **errp);
	bool (*cut)(struct engine *engine, const struct workload *workload, const struct cut_request *request,
		    struct cut **ret, struct err **errp);
	const struct cut_info *(*info)(const struct cut *cut);
	/* Covers the whole disk once, ascending, without gaps; neighbours may be alike. May be called by several
	 * threads for different disks. */
	bool (*map)(struct cut *cut, size_t disk, extent_function *each, void *arg, struct err **errp);
	/* One reader a thread; each has a connection of its own. */
	struct cut_reader *(*reader_new)(struct cut *cut, size_t disk, struct err **errp);
	/* All requests are in flight together; returns when all are done. ERR_BUSY with a sentence when the cut broke
	 * (spill full, guest gone). */
	bool (*read)(struct cut_reader *reader, struct read_request *requests, size_t n, struct err **errp);
	void (*reader_free)(struct cut_reader *reader);
	/* Everything that was read belongs to one instant: the cut did not break, no file was written to or changed its
	 * size. Called before the commit. */
	bool (*check)(struct cut *cut, struct err **errp);
	/*
	 * The point stands. Ends the cut and frees it, makes the new change map the valid one and removes the old. A
	 * failure leaves the old map or none, never a wrong one; it says what will be read next time.
	 */
	bool (*keep)(struct cut *cut, struct err **errp);
	/* No point was made. Ends the cut (NULL is fine), resumes a guest that was paused for us, removes what the cut
	 * made; the old map stays. */
	void (*drop)(struct cut *cut);
	void (*free)(struct engine *engine);
};

/* Embedded first in each engine's own struct; every cut and cut_reader begins with the same pointer. */
struct engine {
	const struct engine_ops *ops;
};

/* QEMU guests through libvirt. uri NULL: libvirt's default. Starts an event loop thread once per process. */
NODISCARD struct engine *engine_libvirt_open(const char *uri, struct err **errp);

struct files_disk {
	const char *name; /* NULL: vda, vdb … by place */
	const char *path; /* raw image or block device; a name that ends in .qcow2 is opened as qcow2 */
};
/* Bare disk files under a workload name. All borrowed for the call. ERR_USAGE for a name that NAME@latest is not typed
 * with: whoever names a domain so finds its points by their ids. */
NODISCARD struct engine *engine_files_open(const char *workload, const struct files_disk *disks, size_t n,
					   struct err **errp);

/* NULL is fine. */
void engine_free(struct engine *engine);
DEFINE_AUTO_FREE(struct engine, engine_free);
