/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory is the file `heads`, replaced as a whole under the lock `heads.lock`; integers little-endian:
 *
 *   "SLVRHEAD" u16 version=1 u16 0 u32 keyring_n keyring_hash[32] u64 checkpoint_x checkpoint_hash[32] u64 own_number
 *   u32 n, each: session16 point[32], ascending by writer      sha256[32] of all before
 *
 * A crash leaves the old file or the new one. It is a memory and no archive: a damaged one is forgotten, and said so.
 */
#include "storage/heads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/checksum.h"

#define MAGIC "SLVRHEAD"

enum {
	MAGIC_SIZE = 8,
	VERSION = 1,
	HEAD_SIZE = SESSION_SIZE + HASH_SIZE,
	FILE_MAX = 64 << 20,
};

void heads_release(struct heads *heads)
{
	free(heads->heads);
	*heads = (struct heads){0};
}

/* Where the writer's head is, or belongs. */
static size_t place_of(const struct heads *heads, const uint8_t writer[WRITER_SIZE])
{
	size_t low = 0, high = heads->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(heads->heads[middle].session.writer, writer, WRITER_SIZE) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool heads_note(struct heads *heads, const struct session_id *session, const uint8_t point[HASH_SIZE],
		struct err **errp)
{
	size_t at = place_of(heads, session->writer);
	bool known = at < heads->n && memcmp(heads->heads[at].session.writer, session->writer, WRITER_SIZE) == 0;
	if (known && heads->heads[at].session.number >= session->number)
		return true;
	if (!known) {
		struct head *grown = reallocarray(heads->heads, heads->n + 1, sizeof(*grown));
		if (!grown)
			return err_set_no_memory(errp);
		heads->heads = grown;
		memmove(grown + at + 1, grown + at, (heads->n - at) * sizeof(*grown));
		heads->n++;
	}
	heads->heads[at].session = *session;
	memcpy(heads->heads[at].point, point, HASH_SIZE);
	return true;
}

static bool parse_header(struct cursor *cursor, struct heads *heads)
{
	struct span magic = cursor_take(cursor, MAGIC_SIZE);
	uint16_t version = cursor_u16(cursor), reserved = cursor_u16(cursor);
	heads->keyring_n = cursor_u32(cursor);
	cursor_copy(cursor, heads->keyring_hash, HASH_SIZE);
	heads->checkpoint_x = cursor_u64(cursor);
	cursor_copy(cursor, heads->checkpoint_hash, HASH_SIZE);
	heads->own_number = cursor_u64(cursor);
	return cursor_ok(cursor) && memcmp(magic.data, MAGIC, MAGIC_SIZE) == 0 && version == VERSION && reserved == 0;
}

/* False without an error when the bytes are not what heads_save() writes. */
static bool parse(struct span file, struct heads *heads, struct err **errp)
{
	struct cursor cursor;
	struct span body;
	bool holds;
	if (!checksum_split(file, &body, &holds, errp))
		return false;
	cursor_init(&cursor, body);
	if (!holds || !parse_header(&cursor, heads))
		return false;
	uint32_t n = cursor_u32(&cursor);
	for (uint32_t i = 0; i < n && cursor_ok(&cursor); i++) {
		uint8_t stored[SESSION_SIZE], point[HASH_SIZE];
		struct session_id session;
		cursor_copy(&cursor, stored, SESSION_SIZE);
		cursor_copy(&cursor, point, HASH_SIZE);
		session_id_load(stored, &session);
		if (!heads_note(heads, &session, point, errp))
			return false;
	}
	return cursor_done(&cursor) && heads->n == n;
}

bool heads_load(const char *state_path, struct heads *ret, bool *ret_damaged, struct err **errp)
{
	AUTO(err_freep) struct err *failure = NULL;
	AUTO(bytes_release) struct bytes file = {0};
	AUTO(heads_release) struct heads heads = {0};
	*ret = (struct heads){0};
	*ret_damaged = false;
	if (!state_path)
		return true;
	AUTO(freep) char *path = file_join(state_path, "heads");
	if (!path)
		return err_set_no_memory(errp);
	bool damaged = false;
	if (file_read_all(path, FILE_MAX, &file, &failure))
		damaged = !parse(bytes_span(&file), &heads, &failure) && !failure;
	else if (err_code(failure) == ERR_CORRUPT || err_code(failure) == ERR_NOT_FOUND) {
		damaged = err_code(failure) == ERR_CORRUPT;
		err_clear(&failure);
	}
	if (failure)
		return err_move(errp, &failure);
	if (damaged)
		heads_release(&heads);
	*ret = heads;
	*ret_damaged = damaged;
	heads = (struct heads){0};
	return true;
}

/* What is newer in `from` goes into `into`. */
static bool merge(struct heads *into, const struct heads *from, struct err **errp)
{
	if (from->keyring_n > into->keyring_n || bytes_all_zero(into->keyring_hash, HASH_SIZE)) {
		into->keyring_n = from->keyring_n;
		memcpy(into->keyring_hash, from->keyring_hash, HASH_SIZE);
	}
	if (from->checkpoint_x > into->checkpoint_x) {
		into->checkpoint_x = from->checkpoint_x;
		memcpy(into->checkpoint_hash, from->checkpoint_hash, HASH_SIZE);
	}
	if (from->own_number > into->own_number)
		into->own_number = from->own_number;
	for (size_t i = 0; i < from->n; i++)
		if (!heads_note(into, &from->heads[i].session, from->heads[i].point, errp))
			return false;
	return true;
}

static bool encode(const struct heads *heads, struct bytes *ret, struct err **errp)
{
	uint8_t stored[SESSION_SIZE];
	bytes_init(ret, FILE_MAX);
	bytes_put(ret, MAGIC, MAGIC_SIZE);
	bytes_u16(ret, VERSION);
	bytes_u16(ret, 0);
	bytes_u32(ret, heads->keyring_n);
	bytes_put(ret, heads->keyring_hash, HASH_SIZE);
	bytes_u64(ret, heads->checkpoint_x);
	bytes_put(ret, heads->checkpoint_hash, HASH_SIZE);
	bytes_u64(ret, heads->own_number);
	bytes_u32(ret, (uint32_t)heads->n);
	for (size_t i = 0; i < heads->n; i++) {
		session_id_store(&heads->heads[i].session, stored);
		bytes_put(ret, stored, SESSION_SIZE);
		bytes_put(ret, heads->heads[i].point, HASH_SIZE);
	}
	return checksum_append(ret, errp);
}

static bool load_merge_replace(const char *state_path, const struct heads *heads, struct err **errp)
{
	bool damaged;
	AUTO(heads_release) struct heads merged = {0};
	AUTO(bytes_release) struct bytes file = {0};
	AUTO(freep) char *path = file_join(state_path, "heads");
	if (!path)
		return err_set_no_memory(errp);
	return heads_load(state_path, &merged, &damaged, errp) && merge(&merged, heads, errp) &&
	       encode(&merged, &file, errp) && file_replace(path, bytes_span(&file), 0600, errp);
}

/* Waits: who holds it needs moments. */
static bool lock(const char *path, int *ret_fd, struct err **errp)
{
	AUTO(file_closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || TEMP_FAILURE_RETRY(flock(fd, LOCK_EX)) < 0)
		return err_set_errno(errp, errno, "%s: lock", path);
	*ret_fd = fd;
	fd = -1;
	return true;
}

bool heads_save(const char *state_path, const struct heads *heads, struct err **errp)
{
	AUTO(file_closep) int fd = -1;
	AUTO(freep) char *lock_path = file_join(state_path, "heads.lock");
	if (!lock_path)
		return err_set_no_memory(errp);
	return lock(lock_path, &fd, errp) && load_merge_replace(state_path, heads, errp);
}
