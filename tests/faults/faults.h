/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fails chosen calls of the program that it is preloaded into; README.md says how they are chosen. Children, by fork or
 * exec, are left alone: of several processes nobody could say which made the Nth call.
 */
#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

enum fault_kind {
	FAULT_WRITE,   /* write, pwrite, pwritev … */
	FAULT_SYNC,    /* fsync, fdatasync, sync_file_range */
	FAULT_SIZE,    /* ftruncate, posix_fallocate */
	FAULT_LINK,    /* link, symlink */
	FAULT_RENAME,  /* rename, renameat2 */
	FAULT_UNLINK,  /* unlink, unlinkat, rmdir */
	FAULT_FOLDER,  /* mkdir, mkdtemp */
	FAULT_MODE,    /* chmod, fchmod, chown */
	FAULT_OPEN,    /* open, openat, mkostemp, fopen, opendir */
	FAULT_LOCK,    /* flock */
	FAULT_READ,    /* read, pread */
	FAULT_MAP,     /* mmap of a file */
	FAULT_ALLOC,   /* malloc and its kin, called by the program itself */
	FAULT_THREAD,  /* pthread_create, fork, posix_spawnp, called by the program itself */
	FAULT_NBD,     /* libnbd */
	FAULT_LIBVIRT, /* libvirt */
	FAULT_KINDS,
};

enum fault {
	FAULT_NONE = 0,
	FAULT_FAIL,  /* errno is set */
	FAULT_SHORT, /* a read or write does only a part */
	FAULT_LOST,  /* it is made, and only then fails: errno is what it is to be then */
};

/* Counts a call and says what becomes of it. `call` and `object` are for the log. May not return: the process is
 * killed. */
enum fault fault_next(enum fault_kind kind, const char *call, const char *object);
/* The same for calls that only count when the program makes them, not its libraries. */
enum fault fault_next_by(const void *caller, enum fault_kind kind, const char *call);
/* The process in question is this one, and it is to be watched. */
bool fault_armed(void);
/* The path lies where faults are asked for. */
bool fault_under(const char *path);

/* A function of ours that stands before one of the same name, whose result says `failed` when it fails. `next` says
 * what becomes of the call, and `told` is run where it fails. */
#define FAULT_CALL(type, failed, name, parameters, arguments, next, told) \
	type name parameters                                              \
	{                                                                 \
		enum fault fault_ = (next);                               \
		int errno_ = errno;                                       \
		if (fault_ == FAULT_NONE)                                 \
			return REAL(name) arguments;                      \
		if (fault_ == FAULT_LOST) {                               \
			__auto_type lost_ = REAL(name) arguments;         \
			(void)lost_;                                      \
		}                                                         \
		errno = errno_;                                           \
		told;                                                     \
		return failed;                                            \
	}

/* The function of that name behind ours. */
#define REAL(name)                                                           \
	({                                                                   \
		static __typeof__(name) *real_;                              \
		if (!real_)                                                  \
			real_ = (__typeof__(name) *)dlsym(RTLD_NEXT, #name); \
		real_;                                                       \
	})
