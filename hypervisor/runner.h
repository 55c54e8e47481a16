/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam for running: starts machines from definitions that are made fit for this host, with disks that are handed
 * in as NBD sockets. A machine is thrown away when it stops: its writes go to an overlay that nobody keeps. A runner
 * may have several machines at once; its functions may be called from any thread, those of one run from one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/compiler.h"

struct err;
struct picture;
struct runner;
struct run;

struct run_disk {
	const char *name;	/* "vda", as in the definition */
	const char *nbd_socket; /* UNIX socket of an NBD server that serves it as export `name`, read-only */
	uint64_t size;
};

enum run_voice { RUN_CONSOLE, RUN_FIRMWARE };

/*
 * For a machine that nobody sits at. It then also has a log of the firmware, a device by which it tells of a panic, and
 * stays as it is after one. The callbacks come from threads of their own, after run_stop() no more.
 */
struct run_watcher {
	void (*heard)(void *arg, enum run_voice voice, const char *data, size_t len);
	void (*changed)(void *arg); /* its state may be another */
	void *arg;
	uint64_t limit_ns; /* from when QEMU is started; then it is killed, whatever it or a call to it is doing */
};

struct run_request {
	const char *workload;	/* for names and messages */
	struct span definition; /* domain XML of the point; empty: a plain machine is made around the disks */
	struct span firmware;	/* contents of firmware variables; empty: none */
	const struct run_disk *disks;
	size_t n_disks;
	const char *overlay_dir; /* where throw-away overlays lie; room for what the guest writes */
	uint64_t memory;	 /* bytes, 0: as defined; but at most what is free here, and memory_max */
	uint64_t memory_max;	 /* 0: no other limit */
	bool network;		 /* false: no network at all; true: QEMU's user network, restricted (no way out) */
	const char *accelerator; /* NULL: KVM only where the processor can and the device opens, else the software CPU;
				    or "kvm", "tcg" */
	int console_in, console_out;	   /* serial console is relayed between these; -1: none */
	const struct run_watcher *watcher; /* NULL: none; borrowed for the call */
};

enum run_end { RUN_GOES_ON, RUN_POWERED_OFF, RUN_CRASHED, RUN_BROKE /* QEMU itself */, RUN_KILLED /* by guard */ };

struct run_state {
	enum run_end end;
	unsigned restarts; /* resets of the whole machine */
	bool panicked;	   /* the guest said so */
	bool no_space;	   /* it stands still, as there is no room for what it writes */
	bool agent;	   /* something in the guest has opened the guest agent's channel */
};

/* What was changed or left out to make it fit, one sentence each, for people. */
typedef void runner_note_function(void *arg, const char *note);

struct runner_ops {
	const char *name;
	/* Fits and starts. After a SIGKILL of this process nothing of the machine stays. ERR_NO_SPACE where there is no
	 * room for overlays. */
	bool (*start)(struct runner *runner, const struct run_request *request, runner_note_function *note, void *arg,
		      struct run **ret, struct err **errp);
	/* Blocks until the guest powers off, the console's escape (Ctrl-]) is typed, or cancel is requested. */
	bool (*wait)(struct run *run, const struct cancel *cancel, struct err **errp);
	void (*look)(struct run *run, struct run_state *ret);
	/* Whether the guest agent answers in so many seconds. */
	bool (*ping)(struct run *run, int seconds);
	/* What its screen shows. */
	bool (*show)(struct run *run, struct picture *ret, struct err **errp);
	/* The text of a screen in text mode, a line feed behind each line; ret is initialised. */
	bool (*show_text)(struct run *run, struct bytes *ret, struct err **errp);
	/* Ends it at once and removes everything. NULL is fine. */
	void (*stop)(struct run *run);
	/* "QEMU 7.2.22"; a new string, NULL where nobody knows. After the first start. */
	char *(*hypervisor)(struct runner *runner);
	void (*free)(struct runner *runner);
};

struct runner {
	const struct runner_ops *ops;
	const char *folder; /* for sockets of disks: only we and the machines may pass; goes with us, also on SIGKILL */
};

/* The accelerator that a request leads to: "kvm" or "tcg". */
const char *runner_accelerator(const char *said);
/* Bytes that machines may take here now, all together. */
uint64_t runner_free_memory(void);

/*
 * QEMU through libvirt's embedded driver, in this process, without a daemon and for any user. cache_dir keeps what
 * libvirt found out about QEMU, so that the next start is quick. libvirt gives a process one root for good: so a
 * process has one runner. Opened before other threads start.
 */
NODISCARD struct runner *runner_libvirt_open(const char *cache_dir, struct err **errp);
void runner_free(struct runner *runner);
DEFINE_AUTO_FREE(struct runner, runner_free);
