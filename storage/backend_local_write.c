/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/file_io.h"
#include "storage/backend_local_internal.h"

bool local_make_folder(const char *path, mode_t mode, struct err **errp)
{
	if (file_io_mkdir(path, mode) == 0)
		return chmod(path, mode) == 0 || err_set_errno(errp, errno, "%s: set mode", path);
	return errno == EEXIST || err_set_errno(errp, errno, "%s: make folder", path);
}

static bool is_known(const struct local *local, const char *folder)
{
	for (size_t i = 0; i < LOCAL_KNOWN_FOLDERS; i++)
		if (strcmp(local->known[i], folder) == 0)
			return true;
	return false;
}

static void remember(struct local *local, const char *folder)
{
	memcpy(local->known[local->next_known], folder, strlen(folder) + 1);
	local->next_known = (local->next_known + 1) % LOCAL_KNOWN_FOLDERS;
}

/* Makes one folder durable, in `parent`. One that is there already may have been made just before a power cut, so it is
 * synced too. */
static bool make_durable(struct local *local, const char *parent, const char *folder, struct err **errp)
{
	if (is_known(local, folder))
		return true;
	AUTO(freep) char *path = local_path(local, folder, errp);
	AUTO(freep) char *parent_path = path ? local_path(local, parent, errp) : NULL;
	if (!parent_path || !local_make_folder(path, local->folder_mode, errp) || !file_sync_folder(parent_path, errp))
		return false;
	remember(local, folder);
	return true;
}

/* Every folder in the name of an object, outermost first. */
static bool make_folders(struct local *local, const char *name, struct err **errp)
{
	char folder[OBJECT_NAME_SIZE], parent[OBJECT_NAME_SIZE] = ".";
	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t len = (size_t)(slash - name);
		memcpy(folder, name, len);
		folder[len] = '\0';
		if (!make_durable(local, parent, folder, errp))
			return false;
		memcpy(parent, folder, len + 1);
	}
	return true;
}

static bool prepare(struct local *local, const char *name, struct err **errp)
{
	pthread_mutex_lock(&local->lock);
	bool prepared = (local->tmp || local_tmp_make(local, errp)) && make_folders(local, name, errp);
	pthread_mutex_unlock(&local->lock);
	return prepared;
}

bool local_put_once(struct backend *backend, const char *name, struct span body, struct err **errp)
{
	struct local *local = local_of(backend);
	AUTO(freep) char *path = local_path(local, name, errp);
	if (!path || !prepare(local, name, errp))
		return false;
	char *slash = strrchr(path, '/');
	*slash = '\0';
	return file_create_once(path, slash + 1, local->tmp, body, local->object_mode, errp);
}

bool local_put(struct backend *backend, const char *name, struct span body, struct err **errp)
{
	struct local *local = local_of(backend);
	AUTO(freep) char *path = local_path(local, name, errp);
	return path && prepare(local, name, errp) && file_replace(path, body, local->object_mode, errp);
}

bool local_remove(struct backend *backend, const char *name, struct err **errp)
{
	AUTO(freep) char *path = local_path(local_of(backend), name, errp);
	if (!path)
		return false;
	return unlink(path) == 0 || local_err(errp, errno, path);
}
