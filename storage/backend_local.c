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
#include <libgen.h>
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

static bool put_once(struct backend *backend, const char *name, struct span body, const uint8_t *sha256,
		     struct err **errp)
{
	(void)sha256;
	return local_put_once(backend, name, body, errp) || local_explain(local_of(backend), errp);
}

static bool put(struct backend *backend, const char *name, struct span body, struct err **errp)
{
	return local_put(backend, name, body, errp) || local_explain(local_of(backend), errp);
}

static bool get_range(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len,
		      struct err **errp)
{
	return local_get_range(backend, name, offset, data, len, errp) || local_explain(local_of(backend), errp);
}

static bool get_tail(struct backend *backend, const char *name, void *data, size_t max, size_t *ret_len,
		     uint64_t *ret_size, struct err **errp)
{
	return local_get_tail(backend, name, data, max, ret_len, ret_size, errp) ||
	       local_explain(local_of(backend), errp);
}

static bool size(struct backend *backend, const char *name, uint64_t *ret, struct err **errp)
{
	return local_size(backend, name, ret, errp) || local_explain(local_of(backend), errp);
}

/* A folder that is not there has no objects, unless all of them went. */
static bool list(struct backend *backend, const char *prefix, backend_list_function *each, void *arg, struct err **errp)
{
	return (local_list(backend, prefix, each, arg, errp) && local_check_there(local_of(backend), errp)) ||
	       local_explain(local_of(backend), errp);
}

static bool remove_object(struct backend *backend, const char *name, struct err **errp)
{
	return local_remove(backend, name, errp) || local_explain(local_of(backend), errp);
}

static const struct backend_ops local_ops = {
	.put_once = put_once,
	.put = put,
	.get_range = get_range,
	.get_tail = get_tail,
	.size = size,
	.list = list,
	.remove = remove_object,
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
	local->was_there = local_holds_repository(local);
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

/* Its own folder and no more: above it there is a typing error, or a disk that is not mounted. */
static bool make_root(const char *path, struct err **errp)
{
	struct stat st;
	AUTO(freep) char *copy = strdup(path);
	if (!copy)
		return err_set_no_memory(errp);
	const char *parent = dirname(copy);
	if (stat(parent, &st) < 0 && errno == ENOENT)
		return err_set(
			errp, ERR_NOT_FOUND,
			"%s is not there, and init makes only the last folder of %s: is the path right, and is it "
			"mounted?",
			parent, path);
	return file_make_folders(path, 0700, errp);
}

struct backend *backend_local_open(const char *path, bool create, struct err **errp)
{
	if (!*path) {
		err_set(errp, ERR_USAGE, "the path of the repository is empty");
		return NULL;
	}
	if (create && !make_root(path, errp))
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
