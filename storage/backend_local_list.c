/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing in the order of names, one folder at a time: what is kept in memory is the names of one folder of each level.
 * In the order of whole names a folder sorts as its name and '/', so "x.plan" comes before "x/…".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "storage/backend_local_internal.h"

struct listing {
	const struct local *local;
	const char *prefix;
	backend_list_function *each;
	void *arg;
};

/* Names of the entries of one folder; folders end in '/'. */
struct names {
	char **list;
	size_t n, room;
};

static void names_release(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i]);
	free(names->list);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool names_add(struct names *names, char *name, struct err **errp)
{
	if (name && names->n == names->room) {
		size_t room = names->room > 0 ? 2 * names->room : 64;
		char **list = reallocarray(names->list, room, sizeof(*list));
		if (list) {
			names->list = list;
			names->room = room;
		}
	}
	if (!name || names->n == names->room) {
		free(name);
		return err_set_no_memory(errp);
	}
	names->list[names->n++] = name;
	return true;
}

static bool begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* Whole name of an entry of `folder`, which is "" or ends in '/'. False for what the prefix does not want, and for what
 * is no name. */
static bool whole_name(const struct listing *listing, const char *folder, const char *entry, char ret[OBJECT_NAME_SIZE])
{
	int len = snprintf(ret, OBJECT_NAME_SIZE, "%s%s", folder, entry);
	return len < OBJECT_NAME_SIZE - 1 && begins_with(ret, listing->prefix) && backend_name_is_valid(ret);
}

/* How deep the objects of a kind lie is known; there, another folder stands where an object should be. */
static bool may_be_folder(const char *name)
{
	const char *slash = strchr(name, '/');
	if (!slash)
		return true;
	bool inner = strchr(slash + 1, '/');
	return inner ? !strchr("lmpv", name[0]) : !strchr("cdksw", name[0]);
}

/* One that vanished meanwhile counts as a file, and is passed over when its size is asked for. */
static bool is_folder(DIR *dir, const struct dirent *entry, const char *name, bool *ret, struct err **errp)
{
	struct stat st;
	mode_t type = DTTOIF(entry->d_type);
	if (entry->d_type == DT_UNKNOWN) {
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			type = st.st_mode & S_IFMT;
		else if (errno == ENOENT)
			type = S_IFREG;
		else
			return local_err(errp, errno, name);
	}
	*ret = type == S_IFDIR && may_be_folder(name);
	return true;
}

static bool add_entry(const struct listing *listing, const char *folder, DIR *dir, const struct dirent *entry,
		      struct names *names, struct err **errp)
{
	char name[OBJECT_NAME_SIZE];
	bool inner;
	if (!whole_name(listing, folder, entry->d_name, name))
		return true;
	if (!is_folder(dir, entry, name, &inner, errp))
		return err_about(errp, "%s", name);
	if (inner)
		memcpy(name + strlen(name), "/", 2);
	return names_add(names, strdup(name), errp);
}

static bool read_names(const struct listing *listing, const char *folder, DIR *dir, struct names *ret,
		       struct err **errp)
{
	errno = 0;
	for (struct dirent *entry; (entry = readdir(dir)); errno = 0)
		if (!add_entry(listing, folder, dir, entry, ret, errp))
			return false;
	if (errno)
		return local_err(errp, errno, listing->local->root);
	if (ret->n > 1)
		qsort(ret->list, ret->n, sizeof(*ret->list), compare);
	return true;
}

/* A folder that is not there has no objects. */
static bool load_names(const struct listing *listing, const char *folder, struct names *ret, struct err **errp)
{
	AUTO(freep) char *path = local_path(listing->local, folder, errp);
	if (!path)
		return false;
	DIR *dir = opendir(path);
	if (!dir)
		return errno == ENOENT || local_err(errp, errno, path);
	bool loaded = read_names(listing, folder, dir, ret, errp);
	closedir(dir);
	return loaded;
}

/* One that is deleted meanwhile is passed over. What is no file has no bytes, and what is wrong shows when it is read.
 */
static bool give_object(const struct listing *listing, const char *name, struct err **errp)
{
	uint64_t size = 0;
	AUTO(err_freep) struct err *failure = NULL;
	struct backend *backend = (struct backend *)(uintptr_t)&listing->local->backend;
	if (local_size(backend, name, &size, &failure) || err_code(failure) == ERR_CORRUPT)
		return listing->each(listing->arg, name, size, errp);
	return err_code(failure) == ERR_NOT_FOUND || err_move(errp, &failure);
}

static bool list_folder(const struct listing *listing, const char *folder, struct err **errp)
{
	AUTO(names_release) struct names names = {0};
	if (!load_names(listing, folder, &names, errp))
		return false;
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.list[i];
		bool inner = name[strlen(name) - 1] == '/';
		if (!(inner ? list_folder(listing, name, errp) : give_object(listing, name, errp)))
			return false;
	}
	return true;
}

bool local_list(struct backend *backend, const char *prefix, backend_list_function *each, void *arg, struct err **errp)
{
	const struct listing listing = {.local = local_of(backend), .prefix = prefix, .each = each, .arg = arg};
	char folder[OBJECT_NAME_SIZE] = "";
	const char *slash = strrchr(prefix, '/');
	size_t len = slash ? (size_t)(slash + 1 - prefix) : 0;
	if (strlen(prefix) >= OBJECT_NAME_SIZE)
		return true;
	memcpy(folder, prefix, len);
	folder[len] = '\0';
	return list_folder(&listing, folder, errp);
}
