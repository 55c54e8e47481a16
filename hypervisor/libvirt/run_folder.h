/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folders of a runner and of its machines. The runner's is private: libvirt's root, sockets, and a folder mN for
 * each machine, with its sockets, its firmware variables, and a link to where its overlays are. All of them belong to a
 * process that holds the lock in the runner's folder; without that lock they are left over from a process that died
 * together with its supervisor, and the next one sweeps them. Overlays are where there is room, and stay there when the
 * private folder went with a power cut: whoever runs the machine holds a lock on their folder, too.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

struct err;

struct run_folder {
	char *path; /* BASE/run-XXXXXX */
	int lock;
};

/* Sweeps what dead runs left, then makes the private one. cache_dir/libvirt is linked into libvirt's root. */
NODISCARD bool run_folder_make(const char *cache_dir, struct run_folder *ret, struct err **errp);
/* Forgets; removes nothing. */
void run_folder_release(struct run_folder *folder);

#define OVERLAYS_NAME "salvor-run"

struct machine_folder {
	char *path;	/* BASE/run-XXXXXX/mN */
	char *overlays; /* OVERLAY_DIR/salvor-run-XXXXXX */
	int lock;	/* on the folder of the overlays */
};

/* Sweeps what dead runs left in overlay_dir. From now on run_folder_destroy() finds both. Of one thread at a time. */
NODISCARD bool machine_folder_make(const struct run_folder *folder, unsigned number, const char *overlay_dir,
				   struct machine_folder *ret, struct err **errp);
/* Forgets; removes nothing. */
void machine_folder_release(struct machine_folder *folder);

/*
 * What a forked child may call, too. All machines: ends every QEMU whose command line names the folder, then removes
 * everything. One machine: the same of its own; its QEMU alone; its overlays alone, which QEMU may still have open.
 */
void run_folder_destroy(const char *path);
void machine_folder_destroy(const char *path);
void machine_folder_kill(const char *path);
void machine_folder_destroy_overlays(const char *path);
/* Those of this user that nobody holds a lock on. */
void overlays_sweep(const char *overlay_dir);
