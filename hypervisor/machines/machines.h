/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machines of the thin hypervisor on this host: a folder each, machines/NAME below the state folder, that has
 *
 *	vm.conf     what the machine is (thin/machine_config.h). Without it, and unless it runs, there is none
 *	point       where its disks are a point's: its id, and a second line that names it for people
 *	repository  the URL of where that point was when the machine was made
 *	*.overlay   what it wrote over such disks
 *	uid         the user that it becomes in its jail, a number; where root made it
 *	lock        locked as long as anything of it runs: the one truth of whether it does. It has the
 *	            line "runs" from a start on, and "ended" or "killed" behind an end that somebody told of
 *	keeper      locked by the process that serves a point's disks, as long as it does
 *	pid         number and start of salvor-vmm, and of which boot of this host: "123 4567 0ba1…"
 *	control, agent, nbd/socket    sockets: for orders (docs/vm.md), to the guest agent, and of the NBD server
 *	serial.log, log               what it says on its serial line, and what salvor-vmm says of it
 *
 *	no machine ──create──► stopped ──start──► running ◄──► paused
 *	     ▲                 │  ▲                  └────┬───────┘
 *	     └────delete───────┘  └────── its end ────────┘
 *
 * Functions block on the disk, and until a moment of the monotonic clock, in ns, on the machine.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cancel.h"
#include "base/compiler.h"

struct err;
struct json;
struct machine_config;

struct thin_machine {
	char *name, *folder;
	struct machine_config *config; /* NULL until it is read */
	char *point, *point_text;      /* NULL: its disks are images */
	char *repository;	       /* NULL: none is remembered */
	uid_t uid;		       /* 0 until it is read, or: it stays who starts it, who must not be root */
};

void thin_machine_release(struct thin_machine *machine);

/* Where it is, and its point and repository where these can be read: enough to look at it, to speak to it, to end and
 * to delete it. ERR_NOT_FOUND. */
NODISCARD bool thin_machine_find(const char *state_dir, const char *name, struct thin_machine *ret, struct err **errp);
/* The same, also where its folder is all that is left of it: to delete that. */
NODISCARD bool thin_machine_find_remains(const char *state_dir, const char *name, struct thin_machine *ret,
					 struct err **errp);
/* What it is; or what is wrong with its configuration. */
NODISCARD bool thin_machine_read(struct thin_machine *machine, struct err **errp);
/* Names in alphabetical order, each and all of them the caller's to free. */
NODISCARD bool thin_machine_names(const char *state_dir, char ***ret, size_t *ret_n, struct err **errp);

struct thin_machine_plan {
	const char *name, *memory; /* as in vm.conf; memory NULL: its default */
	unsigned vcpus;		   /* 0: the default */
	struct thin_machine_disk {
		const char *name;
		const char *path; /* NULL: of the point, over its export of this name */
	} * disks;
	size_t n_disks;
	const char *const *taps, *const *passts;
	size_t n_taps, n_passts;
	const char *point, *point_text, *repository; /* NULL: none */
};

/* ERR_EXISTS where the name is taken, also by what thin_machine_delete() keeps of a machine without vm.conf; ERR_BUSY
 * where a machine of that name still runs, ERR_USAGE where the plan makes no machine. Nothing stays of a failure. */
NODISCARD bool thin_machine_create(const char *state_dir, const struct thin_machine_plan *plan, struct err **errp);
/* Its folder; images elsewhere stay. ERR_BUSY while it runs; ERR_EXISTS where its guest wrote over a point, or the
 * folder has a file that is none of the above, unless all is to go. */
NODISCARD bool thin_machine_delete(const struct thin_machine *machine, bool all, struct err **errp);
/* A file of its folder; a new string, NULL on lack of memory. */
char *thin_machine_file(const struct thin_machine *machine, const char *file);

/* ---- its process ---- */

enum thin_state {
	THIN_STOPPED,
	THIN_RUNNING,
	THIN_PAUSED,
	THIN_SILENT, /* it runs, and nobody answers: it begins, or ends, or hangs */
};

struct thin_look {
	enum thin_state state;
	pid_t pid;	     /* 0: none */
	char *reason;	     /* why it paused, ended badly or is silent; NULL: nothing to tell. The caller's to free */
	bool waits_for_disk; /* it paused since what serves a disk was away */
};

/* For orders to a machine that has nothing else to do. */
enum { THIN_PATIENCE_MS = 10000 };

/* A moment so many ms from now. */
uint64_t thin_machine_until(unsigned ms);
/* A machine that has not answered until then is silent. */
NODISCARD bool thin_machine_look(const struct thin_machine *machine, uint64_t until, struct thin_look *ret,
				 struct err **errp);
/* The same, and waits while nobody answers because it begins or ends. ERR_CANCELLED. */
NODISCARD bool thin_machine_look_settled(const struct thin_machine *machine, uint64_t until,
					 const struct cancel *cancel, struct thin_look *ret, struct err **errp);
/* A descriptor whose lock says that the machine runs; ERR_BUSY where it does. -1 on failure. */
NODISCARD int thin_machine_lock(const struct thin_machine *machine, struct err **errp);
/* Runs salvor-vmm, with the lock as long as that lives, and returns when the machine runs. The error is what it said.
 */
NODISCARD bool thin_machine_start(const struct thin_machine *machine, int lock, pid_t *ret_pid, struct err **errp);
/* Ends it without asking, and waits for that. What was not flushed is lost. *ret_killed is false where no process is
 * known that could be ended: it has ended, or the file pid is wrong. */
NODISCARD bool thin_machine_kill(const struct thin_machine *machine, bool *ret_killed, struct err **errp);
/* Whether nothing of it runs any more then. ERR_CANCELLED. */
NODISCARD bool thin_machine_wait(const struct thin_machine *machine, uint64_t until, const struct cancel *cancel,
				 bool *ret_stopped, struct err **errp);

/* ---- orders ---- */

/* ERR_NOT_FOUND where it does not run, ERR_BUSY where it runs and nobody answers until then. The answer is the
 * caller's; a refusal is an error. */
NODISCARD bool thin_machine_order(const struct thin_machine *machine, const char *word, uint64_t until,
				  struct json **ret, struct err **errp);
/* A socket that is the machine's serial line; -1 on failure. */
NODISCARD int thin_machine_console(const struct thin_machine *machine, struct err **errp);
