/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/cache_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"

struct cache_folder {
	char *path;
	uint64_t max_bytes;
	pthread_mutex_t lock; /* of what follows */
	uint64_t added;	      /* since the last look */
};

struct kept {
	char *name;
	struct timespec used;
	uint64_t bytes;
};

struct look {
	struct kept *files;
	size_t n, capacity;
	uint64_t bytes;
};

static void look_release(struct look *look)
{
	for (size_t i = 0; i < look->n; i++)
		free(look->files[i].name);
	free(look->files);
}

struct cache_folder *cache_folder_new(const char *path, uint64_t max_bytes, struct err **errp)
{
	AUTO(cache_folder_freep) struct cache_folder *folder = calloc(1, sizeof(*folder));
	if (folder)
		folder->path = strdup(path);
	if (!folder || !folder->path) {
		err_set_no_memory(errp);
		return NULL;
	}
	folder->max_bytes = max_bytes;
	folder->added = max_bytes; /* others may have left it full */
	pthread_mutex_init(&folder->lock, NULL);
	return STEAL(&folder);
}

void cache_folder_free(struct cache_folder *folder)
{
	if (!folder)
		return;
	if (folder->path)
		pthread_mutex_destroy(&folder->lock);
	free(folder->path);
	free(folder);
}

char *cache_folder_path(const struct cache_folder *folder, const char *store, const char *object)
{
	char *path = file_format("%s/%s-%s", folder->path, store, object);
	size_t own = strlen(folder->path) + 1;
	for (char *at = path ? path + own : NULL; at && (at = strchr(at, '/'));)
		*at = '-';
	return path;
}

bool cache_folder_make(const struct cache_folder *folder)
{
	AUTO(err_freep) struct err *err = NULL;
	if (file_make_folders(folder->path, 0700, &err))
		return true;
	log_debug("cache: %s", err_message(err));
	return false;
}

static bool add(struct look *look, const char *name, const struct stat *there)
{
	if (look->n == look->capacity) {
		size_t capacity = look->capacity ? 2 * look->capacity : 256;
		struct kept *files = reallocarray(look->files, capacity, sizeof(*files));
		if (!files)
			return false;
		look->files = files;
		look->capacity = capacity;
	}
	char *copy = strdup(name);
	if (!copy)
		return false;
	uint64_t bytes = (uint64_t)there->st_blocks * 512;
	look->files[look->n++] = (struct kept){.name = copy, .used = there->st_mtim, .bytes = bytes};
	look->bytes += bytes;
	return true;
}

static void look_around(DIR *stream, struct look *look)
{
	struct stat there;
	for (struct dirent *entry; (entry = readdir(stream));)
		if (fstatat(dirfd(stream), entry->d_name, &there, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(there.st_mode) &&
		    !add(look, entry->d_name, &there))
			return;
}

static int least_used_first(const void *a, const void *b)
{
	const struct timespec *left = &((const struct kept *)a)->used, *right = &((const struct kept *)b)->used;
	if (left->tv_sec != right->tv_sec)
		return left->tv_sec < right->tv_sec ? -1 : 1;
	return (left->tv_nsec > right->tv_nsec) - (left->tv_nsec < right->tv_nsec);
}

static void shrink(int fd, struct look *look, uint64_t max_bytes)
{
	if (look->bytes <= max_bytes - max_bytes / 8)
		return;
	qsort(look->files, look->n, sizeof(look->files[0]), least_used_first);
	for (size_t i = 0; i < look->n && look->bytes > max_bytes - max_bytes / 4; i++)
		if (unlinkat(fd, look->files[i].name, 0) == 0)
			look->bytes -= look->files[i].bytes;
}

static void sweep(const struct cache_folder *folder)
{
	AUTO(look_release) struct look look = {0};
	DIR *stream = opendir(folder->path);
	if (!stream)
		return;
	look_around(stream, &look);
	shrink(dirfd(stream), &look, folder->max_bytes);
	closedir(stream);
}

void cache_folder_note(struct cache_folder *folder, uint64_t bytes)
{
	pthread_mutex_lock(&folder->lock);
	folder->added += bytes;
	if (folder->added > folder->max_bytes / 16) {
		sweep(folder);
		folder->added = 0;
	}
	pthread_mutex_unlock(&folder->lock);
}
