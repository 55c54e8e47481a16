/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/index.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "storage/index_state.h"

struct pack_set *class_packs_of(struct class_packs *packs, enum pack_class cls)
{
	return cls == PACK_CHUNKS ? &packs->chunks : &packs->nodes;
}

void class_packs_release(struct class_packs *packs)
{
	pack_set_release(&packs->chunks);
	pack_set_release(&packs->nodes);
}

char *index_segment_path(const struct index *index, uint64_t number)
{
	return file_format("%s/%016" PRIx64 ".segment", index->folder, number);
}

static void drop_segments(struct index *index)
{
	for (size_t i = 0; i < index->n_segments; i++)
		index_segment_free(index->segments[i]);
	free(index->segments);
	index->segments = NULL;
	index->n_segments = 0;
}

static bool note_packs(struct index *index, const struct index_segment *segment, struct err **errp)
{
	for (uint32_t i = 0; i < index_segment_packs(segment); i++) {
		struct index_pack pack = index_segment_pack(segment, i);
		if (!pack_set_add(class_packs_of(&index->indexed, pack.cls), &pack.session, pack.seq, errp))
			return false;
	}
	return true;
}

/* *ret_damaged, and no segment more, when it cannot be used. */
static bool load_segment(struct index *index, uint64_t number, bool *ret_damaged, struct err **errp)
{
	AUTO(freep) char *path = index_segment_path(index, number);
	if (!path)
		return err_set_no_memory(errp);
	AUTO(index_segment_freep) struct index_segment *segment = index_segment_open(path, number, errp);

	if (!segment || !note_packs(index, segment, errp)) {
		if (err_code(*errp) == ERR_NO_MEMORY)
			return false;
		log_debug("index: %s", err_message(*errp));
		err_clear(errp);
		*ret_damaged = true;
		return true;
	}
	index->segments[index->n_segments++] = STEAL(&segment);
	return true;
}

static bool note_table(struct index *index, struct err **errp)
{
	for (uint32_t i = 0; i < index->table.n_packs; i++) {
		const struct index_pack *pack = &index->table.packs[i];
		if (!pack_set_add(class_packs_of(&index->indexed, pack->cls), &pack->session, pack->seq, errp))
			return false;
	}
	return true;
}

bool index_load_segments(struct index *index, struct manifest *manifest, bool *ret_damaged, struct err **errp)
{
	drop_segments(index);
	class_packs_release(&index->indexed);
	*ret_damaged = false;
	index->segments = calloc(manifest->n_segments + 1, sizeof(struct index_segment *));
	if (!index->segments)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < manifest->n_segments; i++)
		if (!load_segment(index, manifest->segments[i], ret_damaged, errp))
			return false;
	if (*ret_damaged) {
		manifest->n_segments = index->n_segments;
		for (size_t i = 0; i < index->n_segments; i++)
			manifest->segments[i] = index_segment_number(index->segments[i]);
		pack_set_release(&manifest->applied);
		pack_set_release(&index->applied);
	}
	index->next = manifest->next;
	return note_table(index, errp) && pack_set_merge(&index->applied, &manifest->applied, errp);
}

static void close_folderp(DIR **folder)
{
	if (*folder)
		closedir(*folder);
}

/* Removes segments that no manifest lists: of a process that died between writing one and saying so. */
static bool sweep(const struct index *index, const struct manifest *manifest, struct err **errp)
{
	AUTO(close_folderp) DIR *folder = opendir(index->folder);

	if (!folder)
		return err_set_errno(errp, errno, "open '%s'", index->folder);
	for (struct dirent *entry; (entry = readdir(folder));) {
		char *end;
		uint64_t number = strtoull(entry->d_name, &end, 16);
		if (end == entry->d_name || strcmp(end, ".segment") != 0 || manifest_has(manifest, number))
			continue;
		AUTO(freep) char *path = file_join(index->folder, entry->d_name);
		if (!path)
			return err_set_no_memory(errp);
		if (unlink(path) != 0 && errno != ENOENT)
			return err_set_errno(errp, errno, "remove '%s'", path);
	}
	return true;
}

static bool load(struct index *index, struct err **errp)
{
	AUTO(manifest_release) struct manifest manifest = {0};
	AUTO(file_closep) int lock = -1;
	bool damaged;

	if (!file_make_folders(index->folder, 0700, errp) || !manifest_lock(index->folder, &lock, errp) ||
	    !manifest_load(index->folder, &manifest, errp) || !index_load_segments(index, &manifest, &damaged, errp))
		return false;
	if (damaged && !manifest_save(index->folder, &manifest, errp))
		return false;
	return sweep(index, &manifest, errp);
}

/* Writers are preferred: a session whose threads search all the time must not keep a finished pack out. */
static bool init_lock(pthread_rwlock_t *lock, struct err **errp)
{
	pthread_rwlockattr_t attributes;

	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	int errnum = pthread_rwlock_init(lock, &attributes);
	pthread_rwlockattr_destroy(&attributes);
	return errnum == 0 || err_set_errno(errp, errnum, "make a lock");
}

static char *folder_of(const struct repository *repository)
{
	const char *state = repository_state_path(repository);

	return state ? file_join(state, "index") : NULL;
}

bool index_exists(const struct repository *repository)
{
	AUTO(freep) char *folder = folder_of(repository);

	return folder && access(folder, R_OK | W_OK) == 0;
}

struct index *index_open(const struct repository *repository, struct err **errp)
{
	struct index *made = calloc(1, sizeof(*made));

	if (!made || !init_lock(&made->lock, errp)) {
		free(made);
		if (!*errp)
			err_set_no_memory(errp);
		return NULL;
	}
	AUTO(index_freep) struct index *index = made;
	index->repository = repository;
	index->folder = folder_of(repository);
	if (!index->folder) {
		err_set_no_memory(errp);
		return NULL;
	}
	if (!memtable_init(&index->table, errp) || !load(index, errp)) {
		err_prefix(errp, "index");
		return NULL;
	}
	return STEAL(&index);
}

void index_free(struct index *index)
{
	if (!index)
		return;
	drop_segments(index);
	memtable_release(&index->table);
	class_packs_release(&index->present);
	class_packs_release(&index->indexed);
	class_packs_release(&index->gone);
	pack_set_release(&index->applied);
	pthread_rwlock_destroy(&index->lock);
	free(index->folder);
	free(index);
}
