/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A repository in a folder. An object is a file of its name; its folders are made on demand. Who may read the
 * repository's folder may read its objects: their permissions follow from its own, and objects are write-protected for
 * all.
 *
 * Nothing is written before the first put, so that a repository on a read-only file system can be opened and read.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/backend_local_internal.h"
#include "storage/config.h"

char *local_path(const struct local *local, const char *name, struct err **errp)
{
	char *path = file_join(local->root, name);
	if (!path)
		err_set_no_memory(errp);
	return path;
}

static void local_free(struct backend *backend)
{
	struct local *local = local_of(backend);
	local_tmp_remove(local);
	pthread_mutex_destroy(&local->lock);
	free(local->root);
	free(local);
}

static const struct backend_ops local_ops = {
	.put_once = local_put_once,
	.put = local_put,
	.get_range = local_get_range,
	.get_tail = local_get_tail,
	.size = local_size,
	.list = local_list,
	.remove = local_remove,
	.free = local_free,
};

static struct local *local_new(const char *path, struct err **errp)
{
	struct stat st;
	AUTO(freep) char *root = realpath(path, NULL);
	if (!root && errno == ENOENT) {
		err_set(errp, ERR_NOT_FOUND, "%s is not there; is the path right, and is it mounted?", path);
		return NULL;
	}
	if (!root || stat(root, &st) < 0) {
		err_set_errno(errp, errno, "%s", path);
		return NULL;
	}
	if (!S_ISDIR(st.st_mode)) {
		err_set(errp, ERR_NOT_FOUND, "%s: a repository is a folder, and this is none", path);
		return NULL;
	}
	struct local *local = calloc(1, sizeof(*local));
	if (!local) {
		err_set_no_memory(errp);
		return NULL;
	}
	pthread_mutex_init(&local->lock, NULL);
	local->backend.ops = &local_ops;
	local->root = STEAL(&root);
	local->folder_mode = (st.st_mode & 0777) | 0700;
	local->object_mode = (st.st_mode & 0444) | 0400;
	local->tmp_lock = -1;
	return local;
}

/* What a new repository's folder may hold: what an earlier, interrupted init left, and what a fresh file system has. */
static bool is_expected(const char *name)
{
	return name[0] == '.'
		       ? strcmp(name, ".") == 0 || strcmp(name, "..") == 0
		       : strcmp(name, CONFIG_NAME) == 0 || strcmp(name, "tmp") == 0 ||
				 strcmp(name, "lost+found") == 0 || (strlen(name) == 1 && backend_name_is_valid(name));
}

static bool check_nothing_foreign(const char *root, struct err **errp)
{
	DIR *dir = opendir(root);
	if (!dir)
		return err_set_errno(errp, errno, "%s", root);
	bool clean = true;
	for (struct dirent *entry; clean && (entry = readdir(dir));)
		if (!is_expected(entry->d_name))
			clean = err_set(errp, ERR_EXISTS, "%s is not empty: it holds '%s'", root, entry->d_name);
	closedir(dir);
	return clean;
}

/* A second object of one name must be refused: everything else rests on that. */
static bool probe_create_once(struct local *local, struct err **errp)
{
	AUTO(err_freep) struct err *refusal = NULL;
	AUTO(freep) char *probe = file_join(local->tmp, "probe");
	if (!probe)
		return err_set_no_memory(errp);
	if (!file_create_once(local->tmp, "probe", local->tmp, SPAN_TEXT("1"), 0600, errp))
		return err_prefix(errp, "this file system cannot keep a repository");
	bool twice = file_create_once(local->tmp, "probe", local->tmp, SPAN_TEXT("2"), 0600, &refusal);
	unlink(probe);
	if (!twice && err_code(refusal) == ERR_EXISTS)
		return true;
	return err_set(errp, ERR_UNSUPPORTED, "%s: this file system cannot keep a repository: it makes a file twice",
		       local->root);
}

static bool prepare(struct local *local, struct err **errp)
{
	if (!check_nothing_foreign(local->root, errp))
		return false;
	pthread_mutex_lock(&local->lock);
	bool made = local_tmp_make(local, errp);
	pthread_mutex_unlock(&local->lock);
	return made && probe_create_once(local, errp);
}

struct backend *backend_local_open(const char *path, bool create, struct err **errp)
{
	if (!*path) {
		err_set(errp, ERR_USAGE, "the path of the repository is empty");
		return NULL;
	}
	if (create && !file_make_folders(path, 0700, errp))
		return NULL;
	struct local *local = local_new(path, errp);
	if (!local)
		return NULL;
	if (create && !prepare(local, errp)) {
		local_free(&local->backend);
		return NULL;
	}
	return &local->backend;
}
