/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures of the file system as a whole, in words of whoever has to mend them: it was taken away, it is full, it may
 * not be written. What a repository always has, and never changes, is its configuration: where that is gone, all is.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/backend_local_internal.h"
#include "storage/config.h"

bool local_holds_repository(const struct local *local)
{
	struct stat st;
	AUTO(freep) char *path = file_join(local->root, CONFIG_NAME);

	/* Whoever may not look, or has no memory for the name, cannot say that it is gone. */
	return !path || lstat(path, &st) == 0 || errno == EACCES || errno == ENOMEM;
}

bool local_check_there(const struct local *local, struct err **errp)
{
	return !local->was_there || local_holds_repository(local) ||
	       err_set(errp, ERR_GONE,
		       "the repository %s has vanished while it was in use: is its disk still there, and mounted? What "
		       "it holds is not changed by this; try again when it is back",
		       local->root);
}

static bool is_read_only(const struct local *local)
{
	struct statvfs fs;

	return statvfs(local->root, &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0;
}

bool local_explain(const struct local *local, struct err **errp)
{
	struct err *gone = NULL;

	if (err_is_of_run(err_code(*errp)))
		return false;
	if (!local_check_there(local, &gone)) {
		err_clear(errp);
		return err_move(errp, &gone);
	}
	if (err_code(*errp) == ERR_NO_SPACE)
		return err_prefix(errp,
				  "the repository %s is full: make room there and run this again; its points are whole",
				  local->root);
	if (err_code(*errp) == ERR_DENIED && is_read_only(local))
		return err_prefix(errp, "the repository %s is on a file system that is read-only: mount it for writing",
				  local->root);
	return false;
}
