/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "storage/journal_parts.h"
#include "storage/pack_set.h"

struct listed { /* what the dead session's lists have */
	const struct repository *repository;
	struct pack_set packs;
	uint32_t next_k;
};

static void listed_release(struct listed *listed)
{
	pack_set_release(&listed->packs);
}

static bool each_list(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct listed *listed = arg;
	AUTO(list_release) struct list list = {0};
	struct session_id session;
	uint32_t k;

	(void)size;
	if (!object_name_parse_list(name, &session, &k))
		return err_set(errp, ERR_CORRUPT, "%s: not a name of a list", name);
	if (!list_load(listed->repository, &session, k, &list, errp))
		return false;
	for (size_t i = 0; i < list.n; i++)
		if (!pack_set_add(&listed->packs, &session, list.packs[i].seq, errp))
			return false;
	listed->next_k = k + 1;
	return true;
}

static bool load_listed(struct listed *listed, const struct session_id *session, struct err **errp)
{
	char prefix[OBJECT_NAME_SIZE], text[SESSION_TEXT_SIZE];

	snprintf(prefix, sizeof(prefix), "l/%s/", session_id_text(session, text));
	return backend_list(repository_backend(listed->repository), prefix, each_list, listed, errp);
}

/* *ret is false for a pack that is not there as the journal has it. */
static bool is_durable(const struct repository *repository, const struct session_id *session,
		       const struct list_pack *pack, bool *ret, struct err **errp)
{
	char name[OBJECT_NAME_SIZE];
	uint64_t size;

	*ret = false;
	object_name_pack(pack->cls, session, pack->seq, name);
	if (backend_size(repository_backend(repository), name, &size, errp)) {
		*ret = size == pack->size;
		return true;
	}
	if (err_code(*errp) != ERR_NOT_FOUND)
		return false;
	err_clear(errp);
	return true;
}

/* Leaves in the journal's list only what is durable and not listed. */
static bool keep_missing(struct listed *listed, struct list *list, struct err **errp)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++) {
		bool durable;
		if (pack_set_has(&listed->packs, &list->session, list->packs[i].seq))
			continue;
		if (!is_durable(listed->repository, &list->session, &list->packs[i], &durable, errp))
			return false;
		if (durable)
			list->packs[kept++] = list->packs[i];
	}
	list->n = kept;
	return true;
}

static bool publish(struct listed *listed, const struct list *list, struct err **errp)
{
	uint8_t hash[HASH_SIZE];
	size_t size;

	for (size_t done = 0; done < list->n; done += LIST_PACKS) {
		size_t left = list->n - done;
		struct list part = {.session = list->session,
				    .k = listed->next_k++,
				    .packs = list->packs + done,
				    .n = left < LIST_PACKS ? left : LIST_PACKS};
		if (!list_publish(listed->repository, &part, hash, &size, errp))
			return false;
	}
	return true;
}

static bool adopt_packs(const struct repository *repository, struct list *list, struct err **errp)
{
	AUTO(listed_release) struct listed listed = {.repository = repository};

	return load_listed(&listed, &list->session, errp) && keep_missing(&listed, list, errp) &&
	       publish(&listed, list, errp);
}

/* A file without a whole header is of a run that died before it stored anything. */
static bool read_journal(const char *path, struct list *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes file = {0};

	if (!file_read_all(path, JOURNAL_MAX_BYTES, &file, errp))
		return false;
	if (file.len < JOURNAL_HEAD_SIZE || journal_parse(bytes_span(&file), ret, errp))
		return true;
	if (err_code(*errp) == ERR_NO_MEMORY)
		return false;
	log_debug("'%s': %s", path, err_message(*errp));
	err_clear(errp);
	return true;
}

/* We hold the lock. */
static bool adopt_locked(const struct repository *repository, const char *path, struct err **errp)
{
	AUTO(list_release) struct list list = {0};

	if (!read_journal(path, &list, errp))
		return err_code(*errp) == ERR_NOT_FOUND;
	if (list.session.number != 0 &&
	    memcmp(list.session.writer, repository_identity(repository)->id8, WRITER_SIZE) != 0)
		return true;
	if (!adopt_packs(repository, &list, errp)) {
		if (err_code(*errp) != ERR_CORRUPT)
			return false;
		log_debug("'%s' is left: %s", path, err_message(*errp));
		return true;
	}
	return unlink(path) == 0 || err_set_errno(errp, errno, "remove '%s'", path);
}

static bool adopt_file(const struct repository *repository, const char *path, struct err **errp)
{
	AUTO(file_closep) int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return errno == ENOENT || err_set_errno(errp, errno, "open '%s'", path);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK || err_set_errno(errp, errno, "lock '%s'", path);
	if (fstat(fd, &status) != 0)
		return err_set_errno(errp, errno, "stat '%s'", path);
	if (status.st_nlink == 0)
		return true;
	bool ok = adopt_locked(repository, path, errp);
	if (ok)
		err_clear(errp);
	return ok;
}

static void close_folderp(DIR **folder)
{
	if (*folder)
		closedir(*folder);
}

bool journal_adopt(const struct repository *repository, struct err **errp)
{
	AUTO(freep) char *path = journal_folder(repository, errp);
	if (!path)
		return false;
	AUTO(close_folderp) DIR *folder = opendir(path);
	if (!folder)
		return err_set_errno(errp, errno, "open '%s'", path);
	for (struct dirent *entry; (entry = readdir(folder));) {
		struct session_id session;
		if (!session_id_parse(entry->d_name, &session))
			continue;
		AUTO(freep) char *file = file_join(path, entry->d_name);
		if (!file)
			return err_set_no_memory(errp);
		if (!adopt_file(repository, file, errp))
			return false;
	}
	return true;
}
