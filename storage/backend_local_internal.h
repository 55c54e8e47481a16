/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of backend_local share: backend_local.c opens, _read.c, _write.c and _list.c are its verbs, _tmp.c is
 * its tmp/. */
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include "storage/backend_internal.h"
#include "storage/ids.h"

enum { LOCAL_KNOWN_FOLDERS = 16 };

struct local {
	struct backend backend;
	char *root; /* absolute, so that a later chdir() does not matter */
	mode_t folder_mode, object_mode;
	bool was_there;					   /* it held a repository when it was opened */
	pthread_mutex_t lock;				   /* what is below: only writers need it */
	char *tmp;					   /* our folder in tmp/; NULL until the first write */
	int tmp_lock;					   /* held as long as the folder is ours; -1 */
	char known[LOCAL_KNOWN_FOLDERS][OBJECT_NAME_SIZE]; /* folders whose names are durable, in a ring */
	size_t next_known;
};

static inline struct local *local_of(struct backend *backend)
{
	return (struct local *)backend;
}

/* A new string; NULL with an error. */
char *local_path(const struct local *local, const char *name, struct err **errp);
/* What a failed system call on an object means. Returns false. */
bool local_err(struct err **errp, int failure, const char *path);

bool local_put_once(struct backend *backend, const char *name, struct span body, struct err **errp);
bool local_put(struct backend *backend, const char *name, struct span body, struct err **errp);
bool local_remove(struct backend *backend, const char *name, struct err **errp);
bool local_get_range(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len,
		     struct err **errp);
bool local_get_tail(struct backend *backend, const char *name, void *data, size_t max, size_t *ret_len,
		    uint64_t *ret_size, struct err **errp);
bool local_size(struct backend *backend, const char *name, uint64_t *ret, struct err **errp);
bool local_list(struct backend *backend, const char *prefix, backend_list_function *each, void *arg, struct err **errp);

bool local_holds_repository(const struct local *local);
/* ERR_GONE when it held a repository and does not any more. */
NODISCARD bool local_check_there(const struct local *local, struct err **errp);
/* After a failure: where the file system as a whole is the cause, says so, and what to do. Returns false. */
bool local_explain(const struct local *local, struct err **errp);

/* mkdir with exactly this mode; there already is fine. Not durable. */
NODISCARD bool local_make_folder(const char *path, mode_t mode, struct err **errp);
/* Makes our folder in tmp/ and sweeps those of dead processes. With the lock held, once. */
NODISCARD bool local_tmp_make(struct local *local, struct err **errp);
void local_tmp_remove(struct local *local);
