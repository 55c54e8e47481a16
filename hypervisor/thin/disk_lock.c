/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/disk_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/types.h>

#include "base/err.h"

/* The numbers of QEMU's permissions: i in 100 + i and 200 + i. */
enum permission { READ = 0, WRITE = 1, RESIZE = 3, PERMISSIONS = 4 };
enum { USED_AT = 100, REFUSED_AT = 200 };

struct rights {
	bool uses[PERMISSIONS], refuses[PERMISSIONS]; /* others may not do it */
};

static bool lock_byte(int fd, off_t at, const char *path, struct err **errp)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
	return fcntl(fd, F_OFD_SETLK, &lock) == 0 || err_set_errno(errp, errno, "lock %s", path);
}

static bool nobody_locks(int fd, off_t at, const char *path, struct err **errp)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return err_set_errno(errp, errno, "look for locks on %s", path);
	if (lock.l_type == F_UNLCK)
		return true;
	return err_set(errp, ERR_BUSY, "%s is in use by another machine or program", path);
}

/* All locks are laid before the first is looked for: of two who come at once at least one sees the other. */
static bool take(int fd, const struct rights *rights, const char *path, struct err **errp)
{
	for (int i = 0; i < PERMISSIONS; i++)
		if ((rights->uses[i] && !lock_byte(fd, USED_AT + i, path, errp)) ||
		    (rights->refuses[i] && !lock_byte(fd, REFUSED_AT + i, path, errp)))
			return false;
	for (int i = 0; i < PERMISSIONS; i++)
		if ((rights->uses[i] && !nobody_locks(fd, REFUSED_AT + i, path, errp)) ||
		    (rights->refuses[i] && !nobody_locks(fd, USED_AT + i, path, errp)))
			return false;
	return true;
}

bool disk_lock(int fd, const char *path, bool read_only, struct err **errp)
{
	const struct rights rights = {.uses = {[READ] = true, [WRITE] = !read_only},
				      .refuses = {[WRITE] = true, [RESIZE] = true}};
	return take(fd, &rights, path, errp);
}
