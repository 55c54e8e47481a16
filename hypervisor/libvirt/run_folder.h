/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folders of one run: the private one (libvirt's root, sockets, firmware variables) and the one for overlays. Both
 * belong to a run whose process holds the lock in the private one; without that lock they are left over from a process
 * that died together with its supervisor, and the next run sweeps them.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

struct err;

struct run_folder {
	char *path;	/* BASE/run-XXXXXX */
	char *overlays; /* OVERLAY_DIR/salvor-run-XXXXXX; NULL while there is no machine */
	int lock;
};

/* Sweeps what dead runs left, then makes the private one. cache_dir/libvirt is linked into libvirt's root. */
NODISCARD bool run_folder_make(const char *cache_dir, struct run_folder *ret, struct err **errp);
/* Makes the one for overlays; from now on run_folder_destroy() finds it. */
NODISCARD bool run_folder_make_overlays(struct run_folder *folder, const char *overlay_dir, struct err **errp);
/* Forgets; removes nothing. */
void run_folder_release(struct run_folder *folder);

/* Ends every QEMU whose command line names the folder, then removes both. Only calls that a forked child may make. */
void run_folder_destroy(const char *path);
/* Only the overlays, if there are any. */
void run_folder_destroy_overlays(const char *path);
