/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/format_parts.h"
#include "storage/journal_parts.h"

struct journal {
	struct session_id session;
	char *path;
	int fd;
	uint64_t size;
};

char *journal_folder(const struct repository *repository, struct err **errp)
{
	AUTO(freep) char *folder = file_join(repository_state_path(repository), "journal");

	if (!folder) {
		err_set_no_memory(errp);
		return NULL;
	}
	return file_make_folders(folder, 0700, errp) ? STEAL(&folder) : NULL;
}

/*
 * A run that adopts may lock the new file before we do and remove it, since it has no header: then it is made again.
 * *ret_again says so.
 */
static bool create_locked(struct journal *journal, bool *ret_again, struct err **errp)
{
	struct stat status;

	*ret_again = false;
	journal->fd = open(journal->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (journal->fd < 0)
		return err_set_errno(errp, errno, "create '%s'", journal->path);
	if (flock(journal->fd, LOCK_EX) != 0 || fstat(journal->fd, &status) != 0)
		return err_set_errno(errp, errno, "lock '%s'", journal->path);
	if (status.st_nlink == 0) {
		file_closep(&journal->fd);
		journal->fd = -1;
		*ret_again = true;
	}
	return true;
}

static bool write_head(struct journal *journal, struct err **errp)
{
	AUTO(bytes_release) struct bytes head;

	bytes_init(&head, JOURNAL_HEAD_SIZE);
	format_put_begin(&head, JOURNAL_MAGIC);
	format_put_session(&head, &journal->session);
	if (!bytes_ok(&head))
		return err_set_no_memory(errp);
	journal->size = head.len;
	if (!file_write_at(journal->fd, head.data, head.len, 0, journal->path, errp))
		return false;
	return fsync(journal->fd) == 0 || err_set_errno(errp, errno, "sync '%s'", journal->path);
}

struct journal *journal_create(const struct repository *repository, const struct session_id *session, struct err **errp)
{
	AUTO(journal_freep) struct journal *journal = calloc(1, sizeof(*journal));
	AUTO(freep) char *folder = journal_folder(repository, errp);
	char name[SESSION_TEXT_SIZE];
	bool again = true;

	if (!folder)
		return NULL;
	if (!journal || !(journal->path = file_join(folder, session_id_text(session, name)))) {
		err_set_no_memory(errp);
		return NULL;
	}
	journal->fd = -1;
	journal->session = *session;
	while (again)
		if (!create_locked(journal, &again, errp))
			return NULL;
	if (!write_head(journal, errp) || !file_sync_folder(folder, errp))
		return NULL;
	return STEAL(&journal);
}

bool journal_append(struct journal *journal, const struct list_pack *pack, struct err **errp)
{
	AUTO(bytes_release) struct bytes record;
	uint8_t check[JOURNAL_CHECK_SIZE];

	bytes_init(&record, JOURNAL_RECORD_SIZE);
	list_pack_encode(pack, &record);
	if (!bytes_ok(&record))
		return err_set_no_memory(errp);
	if (!journal_check(&journal->session, bytes_span(&record), check, errp))
		return false;
	bytes_put(&record, check, sizeof(check));
	if (!bytes_ok(&record))
		return err_set_no_memory(errp);
	if (!file_write_at(journal->fd, record.data, record.len, journal->size, journal->path, errp))
		return false;
	if (fdatasync(journal->fd) != 0)
		return err_set_errno(errp, errno, "sync '%s'", journal->path);
	journal->size += record.len;
	return true;
}

bool journal_end(struct journal *journal, struct err **errp)
{
	AUTO(journal_freep) struct journal *owned = journal;

	return unlink(owned->path) == 0 || err_set_errno(errp, errno, "remove '%s'", owned->path);
}

void journal_free(struct journal *journal)
{
	if (!journal)
		return;
	file_closep(&journal->fd);
	free(journal->path);
	free(journal);
}
