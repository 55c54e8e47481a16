/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serving the disks of a point over NBD: nbdkit runs as a child with our plugin, which opens the repository by itself.
 * The key goes to it over a pipe, never on a command line or in the environment. It dies with this process.
 */
#pragma once

#include <stdatomic.h>

#include "base/cancel.h"
#include "storage/point.h"
#include "storage/repository.h"

struct export;

enum export_complaint {
	EXPORT_REMARK,	   /* of the server, as about its clients */
	EXPORT_UNREADABLE, /* a client's read failed, since the repository could not be read */
	EXPORT_DAMAGE,	   /* a client's read failed, since what is stored is not what it must be */
	EXPORT_HEALED,	   /* what is damaged of a disk is read from elsewhere; once a disk */
};

/* One sentence of the server, from a thread of its own. */
typedef void export_complaint_function(void *arg, enum export_complaint kind, const char *text);

/* What the server puts before a sentence of these kinds. */
#define EXPORT_UNREADABLE_MARK "unreadable: "
#define EXPORT_DAMAGE_MARK "damage: "
#define EXPORT_HEALED_MARK "healed: "

struct export_options {
	const char *socket;    /* path of the UNIX socket to make; refused when something is there */
	const char *disk;      /* NULL: every disk of the point, each under its own export name */
	size_t cache_bytes;    /* plain chunks kept in memory; 0: 64 MiB */
	const char *state_dir; /* as in repository_options, for the child */
	int trace;	       /* from trace_record_file(), to record what is read; 0: none; borrowed */
	/* Clients are not ours, and may vanish in the middle of an answer: each connection gets one answer at a time,
	 * since nbdkit 1.32 ends as a whole when a client goes while several threads answer it. A client may have many
	 * connections. */
	bool foreign_clients;
	/* Called away from a server that starts: requested, or one of these descriptors readable. */
	const struct cancel *cancel;	     /* may be NULL */
	int until[2];			     /* 0 and -1: none; borrowed */
	export_complaint_function *complain; /* may be NULL */
	void *complain_arg;
	/* Set where a client's read failed for damage; may be NULL. All that there was is told of when export_stop()
	 * has returned. */
	atomic_bool *met_damage;
};

/* Returns when clients can connect: it blocks as long as the server opens the repository. ERR_UNSUPPORTED with a
 * sentence when nbdkit is not installed; ERR_CANCELLED. */
NODISCARD struct export *export_start(const struct repository *repository, const struct point *point,
				      const struct export_options *options, struct err **errp);
/* "nbd+unix:///vda?socket=/path"; a new string, for the named disk. */
char *export_uri(const struct export *export, const char *disk);
/* Blocks until cancel is requested (true) or the server dies (false). */
NODISCARD bool export_wait(struct export *export, const struct cancel *cancel, struct err **errp);
/* Whether the server still runs; NULL does not. */
bool export_serves(const struct export *export);
/* Ends the server and removes the socket. NULL is fine. */
void export_stop(struct export *export);
