/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/versions.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/s3/backend_internal.h"

enum { ENTRIES = 8192, ID_KEPT_SIZE = 64, AT_ONCE = 250 };

struct s3_version_entry {
	char name[OBJECT_NAME_SIZE], id[ID_KEPT_SIZE];
};

void s3_version_cache_init(struct s3_version_cache *cache)
{
	pthread_mutex_init(&cache->lock, NULL);
	cache->entries = NULL;
}

void s3_version_cache_release(struct s3_version_cache *cache)
{
	pthread_mutex_destroy(&cache->lock);
	free(cache->entries);
}

/* FNV-1a: neighbours in name are not neighbours in place. */
static size_t place_of(const char *name)
{
	uint32_t hash = 2166136261;
	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619;
	return hash % ENTRIES;
}

void s3_version_remember(struct s3_version_cache *cache, const char *name, const char *id)
{
	if (strlen(id) >= ID_KEPT_SIZE || strlen(name) >= OBJECT_NAME_SIZE)
		return;
	pthread_mutex_lock(&cache->lock);
	if (!cache->entries)
		cache->entries = calloc(ENTRIES, sizeof(*cache->entries));
	if (cache->entries) {
		struct s3_version_entry *entry = &cache->entries[place_of(name)];
		memcpy(entry->name, name, strlen(name) + 1);
		memcpy(entry->id, id, strlen(id) + 1);
	}
	pthread_mutex_unlock(&cache->lock);
}

void s3_version_forget(struct s3_version_cache *cache, const char *name)
{
	pthread_mutex_lock(&cache->lock);
	if (cache->entries && strcmp(cache->entries[place_of(name)].name, name) == 0)
		cache->entries[place_of(name)] = (struct s3_version_entry){0};
	pthread_mutex_unlock(&cache->lock);
}

static bool recall(struct s3_version_cache *cache, const char *name, char ret[S3_VERSION_SIZE])
{
	pthread_mutex_lock(&cache->lock);
	const struct s3_version_entry *entry = cache->entries ? &cache->entries[place_of(name)] : NULL;
	bool found = entry && strcmp(entry->name, name) == 0;
	if (found)
		memcpy(ret, entry->id, sizeof(entry->id));
	pthread_mutex_unlock(&cache->lock);
	return found;
}

bool s3_version_is(const char *listed, const char *answered)
{
	return strcmp(listed, answered) == 0 || (!answered[0] && strcmp(listed, "null") == 0);
}

/* For the oldest version of a key, in pages that have the newest first. */
struct search {
	const char *key, *ours;
	struct s3_version *oldest;
	bool found, ours_found;
};

static void search_page(struct search *search, const struct s3_page *page)
{
	for (size_t i = 0; i < page->n; i++) {
		const struct s3_entry *entry = &page->entries[i];
		if (entry->marker || strcmp(entry->key, search->key) != 0)
			continue;
		memcpy(search->oldest->id, entry->version, strlen(entry->version) + 1);
		search->oldest->size = entry->size;
		search->found = true;
		search->ours_found = search->ours_found || !search->ours || s3_version_is(entry->version, search->ours);
	}
}

/* The last key of the page is a later one: nothing of ours follows. */
static bool is_behind(const struct s3_page *page, const char *key)
{
	return page->n > 0 && strcmp(page->entries[page->n - 1].key, key) > 0;
}

bool s3_version_oldest(struct s3 *s3, const char *name, const char *ours, struct s3_version *ret, bool *ret_found,
		       struct err **errp)
{
	AUTO(s3_page_release) struct s3_page page = {0};
	AUTO(freep) char *key = s3_client_key(s3->client, name, errp);
	struct search search = {.key = key, .ours = ours, .oldest = ret};
	if (!key)
		return false;
	do {
		if (!s3_list_next(s3, name, AT_ONCE, true, &page, errp))
			return false;
		search_page(&search, &page);
	} while (page.truncated && !is_behind(&page, key));
	*ret_found = search.found && search.ours_found;
	return true;
}

/* "p/<session>/" of a pack, whose neighbours will be asked for next; false for any other name. */
static bool folder_of_pack(const char *name, char ret[OBJECT_NAME_SIZE])
{
	const char *slash = strrchr(name, '/');
	if (!slash || (name[0] != 'p' && name[0] != 'm') || name[1] != '/' || slash == name + 1)
		return false;
	const size_t len = (size_t)(slash - name) + 1;
	memcpy(ret, name, len);
	ret[len] = '\0';
	return true;
}

/* A key just before this one: no name ends in what comes behind all letters of names. */
static char *just_before(const struct s3 *s3, const char *name, struct err **errp)
{
	char *key = s3_client_key(s3->client, name, errp);
	const size_t len = key ? strlen(key) : 0;
	char *before = key ? file_format("%.*s%c~", (int)(len - 1), key, key[len - 1] - 1) : NULL;
	if (key && !before)
		err_set_no_memory(errp);
	free(key);
	return before;
}

/* Remembers each name of a page but the last one of a page that is cut off, which may have older versions behind. */
static void remember_page(struct s3 *s3, const struct s3_page *page)
{
	for (size_t i = 0; i < page->n; i++) {
		const struct s3_entry *entry = &page->entries[i];
		const char *name = s3_name_of(s3, entry->key);
		const bool last = i + 1 == page->n, oldest = !last && strcmp(page->entries[i + 1].key, entry->key) != 0;
		if (name && !entry->marker && (oldest || (last && !page->truncated)))
			s3_version_remember(&s3->cache, name, entry->version);
	}
}

static bool look_at_neighbours(struct s3 *s3, const char *folder, const char *name, struct err **errp)
{
	struct s3_page page;
	AUTO(freep) char *before = just_before(s3, name, errp);
	AUTO(freep) char *query = before ? s3_list_query(s3, folder, before, AT_ONCE, true, NULL, errp) : NULL;
	if (!query || !s3_list_page(s3, query, true, &page, errp))
		return false;
	remember_page(s3, &page);
	s3_page_release(&page);
	return true;
}

bool s3_version_known(struct s3 *s3, const char *name, char ret[S3_VERSION_SIZE], struct err **errp)
{
	char folder[OBJECT_NAME_SIZE];
	struct s3_version oldest;
	bool found;
	if (recall(&s3->cache, name, ret))
		return true;
	if (folder_of_pack(name, folder)) {
		if (!look_at_neighbours(s3, folder, name, errp))
			return false;
		if (recall(&s3->cache, name, ret))
			return true;
	}
	if (!s3_version_oldest(s3, name, NULL, &oldest, &found, errp))
		return false;
	if (!found)
		return s3_err_not_found(s3, name, errp);
	s3_version_remember(&s3->cache, name, oldest.id);
	memcpy(ret, oldest.id, sizeof(oldest.id));
	return true;
}
