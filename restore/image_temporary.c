/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/image_temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/file_io.h"

bool image_temporary_make(const char *final, bool force, struct image_temporary *ret, struct err **errp)
{
	AUTO(freep) char *name = strdup(final);
	AUTO(freep) char *path = file_format("%s.partial-XXXXXX", final);
	if (!name || !path)
		return err_set_no_memory(errp);
	if (!force && access(final, F_OK) == 0)
		return err_set(errp, ERR_EXISTS, "%s is there already: give --force to replace it", final);
	int fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(errp, errno, "make %s", path);
	*ret = (struct image_temporary){.path = STEAL(&path), .final = STEAL(&name), .fd = fd, .force = force};
	return true;
}

static bool sync_folder_of(const char *path, struct err **errp)
{
	AUTO(freep) char *copy = strdup(path);
	if (!copy)
		return err_set_no_memory(errp);
	return file_sync_folder(dirname(copy), errp);
}

bool image_temporary_finish(struct image_temporary *temporary, struct err **errp)
{
	if (file_io_fsync(temporary->fd) < 0)
		return err_set_errno(errp, errno, "write %s to the disk", temporary->final);
	int status = temporary->force ? file_io_rename(temporary->path, temporary->final)
				      : file_io_rename_new(temporary->path, temporary->final);
	if (status < 0)
		return err_set_errno(errp, errno, "make %s", temporary->final);
	free(STEAL(&temporary->path));
	return sync_folder_of(temporary->final, errp);
}

void image_temporary_release(struct image_temporary *temporary)
{
	if (temporary->path)
		unlink(temporary->path);
	if (temporary->fd >= 0)
		close(temporary->fd);
	free(temporary->path);
	free(temporary->final);
	*temporary = (struct image_temporary){.fd = -1};
}
