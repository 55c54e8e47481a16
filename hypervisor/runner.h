/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam for running: starts a machine from a definition that is made fit for this host, with disks that are handed
 * in as NBD sockets or files. The machine is thrown away when it stops: its writes go to an overlay that nobody keeps.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/compiler.h"

struct err;
struct runner;
struct run;

struct run_disk {
	const char *name;	/* "vda", as in the definition */
	const char *nbd_socket; /* UNIX socket of an NBD server that serves it as export `name`, read-only */
	uint64_t size;
};

struct run_request {
	const char *workload;	/* for names and messages */
	struct span definition; /* domain XML of the point; empty: a plain machine is made around the disks */
	struct span firmware;	/* contents of firmware variables; empty: none */
	const struct run_disk *disks;
	size_t n_disks;
	const char *overlay_dir; /* where throw-away overlays lie; room for what the guest writes */
	uint64_t memory;	 /* bytes, 0: as defined, but at most what is free here */
	bool network;		 /* false: no network at all; true: QEMU's user network, restricted (no way out) */
	const char *accelerator; /* NULL: KVM only where the processor can and the device opens, else the software CPU;
				    or "kvm", "tcg" */
	int console_in, console_out; /* serial console is relayed between these; -1: none */
};

/* What was changed or left out to make it fit, one sentence each, for people. */
typedef void runner_note_function(void *arg, const char *note);

struct runner_ops {
	const char *name;
	/* Fits and starts. After a SIGKILL of this process nothing of the machine stays. */
	bool (*start)(struct runner *runner, const struct run_request *request, runner_note_function *note, void *arg,
		      struct run **ret, struct err **errp);
	/* Blocks until the guest powers off, the console's escape (Ctrl-]) is typed, or cancel is requested. */
	bool (*wait)(struct run *run, const struct cancel *cancel, struct err **errp);
	/* Ends it at once and removes everything. NULL is fine. */
	void (*stop)(struct run *run);
	void (*free)(struct runner *runner);
};

struct runner {
	const struct runner_ops *ops;
	const char *folder; /* for sockets of disks: only we and the machine may pass; goes with us, also on SIGKILL */
};

/*
 * QEMU through libvirt's embedded driver, in this process, without a daemon and for any user. cache_dir keeps what
 * libvirt found out about QEMU, so that the next start is quick.
 */
NODISCARD struct runner *runner_libvirt_open(const char *cache_dir, struct err **errp);
void runner_free(struct runner *runner);
DEFINE_AUTO_FREE(struct runner, runner_free);
