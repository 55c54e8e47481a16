/* SPDX-License-Identifier: Apache-2.0 */
/* Streams become files again, whole or not at all. */
#include "restore/write_image.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "restore/image_sink.h"
#include "restore/image_temporary.h"
#include "tests/storage/store.h"
#include "tests/unit.h"

#define CHUNK (1u << 16)
#define SIZE (200u * CHUNK + 4096u)

static uint8_t plain[SIZE];

/* Data, a hole, data that does not end with a chunk. */
static void make_disk(struct store *store, struct stream *ret)
{
	for (size_t i = 0; i < SIZE; i++)
		plain[i] = (i / CHUNK) % 5 == 2 ? 0 : (uint8_t)(i * 7 + i / 251);
	store_stream(store, plain, SIZE, 16, ret);
	ret->kind = STREAM_DISK;
	memcpy(ret->name, "vda", 4);
}

static size_t files_in(const char *folder)
{
	size_t n = 0;
	DIR *dir = opendir(folder);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		n += *entry->d_name != '.';
	closedir(dir);
	return n;
}

static bool restore(struct store *store, struct stream *stream, const struct restore_options *options,
		    enum err_code *ret_code)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(restore_result_release) struct restore_result result = {0};
	const struct point point = {.streams = stream, .n_streams = 1};
	bool ok = restore_point(store->repository, &point, options, &result, &err);
	assert_int_equal(ok, err == NULL);
	*ret_code = err ? err_code(err) : 0;
	return ok;
}

static void assert_is_disk(const char *path)
{
	AUTO(err_freep) struct err *err = NULL;
	struct bytes content;
	assert_true(file_read_all(path, SIZE + 1, &content, &err));
	assert_int_equal(content.len, SIZE);
	assert_memory_equal(content.data, plain, SIZE);
	bytes_release(&content);
}

static void a_disk_comes_back_with_its_holes(void **state)
{
	struct stream stream;
	struct stat there;
	struct progress progress = {0};
	enum err_code code;
	make_disk(*state, &stream);
	assert_true(restore(*state, &stream, &(struct restore_options){.to = "whole", .progress = &progress}, &code));
	assert_is_disk("whole/vda.raw");
	assert_int_equal(stat("whole/vda.raw", &there), 0);
	assert_int_equal(there.st_mode & 0777, 0600);
	assert_true((uint64_t)there.st_blocks * 512 <= SIZE - 39 * CHUNK);
	assert_int_equal(progress.done, progress.total);
	assert_int_equal(progress.total, SIZE - 40 * CHUNK);
}

static void an_existing_file_is_replaced_only_by_force(void **state)
{
	struct stream stream;
	enum err_code code;
	AUTO(err_freep) struct err *err = NULL;
	make_disk(*state, &stream);
	assert_true(file_make_folders("taken", 0700, &err));
	assert_true(file_replace("taken/vda.raw", SPAN_TEXT("mine"), 0600, &err));
	assert_false(restore(*state, &stream, &(struct restore_options){.to = "taken"}, &code));
	assert_int_equal(code, ERR_EXISTS);
	assert_int_equal(files_in("taken"), 1);
	assert_true(restore(*state, &stream, &(struct restore_options){.to = "taken", .force = true}, &code));
	assert_is_disk("taken/vda.raw");
	assert_int_equal(files_in("taken"), 1);
}

static void a_link_in_the_folder_is_not_followed(void **state)
{
	struct stream stream;
	struct stat there;
	enum err_code code;
	AUTO(err_freep) struct err *err = NULL;
	make_disk(*state, &stream);
	assert_true(file_make_folders("links", 0700, &err));
	assert_int_equal(symlink("nowhere", "links/vda.raw"), 0);
	assert_false(restore(*state, &stream, &(struct restore_options){.to = "links"}, &code));
	assert_int_equal(code, ERR_EXISTS);
	assert_int_equal(unlink("links/vda.raw"), 0);
	assert_int_equal(symlink("/dev/loop0", "links/vda.raw"), 0);
	assert_true(restore(*state, &stream, &(struct restore_options){.to = "links", .force = true}, &code));
	assert_int_equal(lstat("links/vda.raw", &there), 0);
	assert_true(S_ISREG(there.st_mode));
}

static void a_cancelled_restore_leaves_nothing(void **state)
{
	struct stream stream;
	struct cancel cancel = {true};
	struct progress progress = {0};
	enum err_code code;
	make_disk(*state, &stream);
	assert_false(restore(*state, &stream,
			     &(struct restore_options){.to = "cancelled", .cancel = &cancel, .progress = &progress},
			     &code));
	assert_int_equal(progress.total, 0); /* what it will be was not read to the end */
	assert_int_equal(code, ERR_CANCELLED);
	assert_int_equal(files_in("cancelled"), 0);
}

/* Restores with damage and gives what it tells of the one disk. */
static void restore_damaged(struct store *store, const struct stream *streams, size_t n, const char *to, bool keep,
			    struct restore_result *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct point point = {.streams = (struct stream *)streams, .n_streams = n};
	const struct restore_options options = {.to = to, .keep_damaged = keep};
	if (!restore_point(store->repository, &point, &options, ret, &err))
		fail_msg("%s", err_message(err));
}

static void a_damaged_tree_leaves_nothing_and_is_told(void **state)
{
	struct stream stream;
	AUTO(restore_result_release) struct restore_result result = {0};
	make_disk(*state, &stream);
	stream.top.id.b[0] ^= 1;
	restore_damaged(*state, &stream, 1, "damaged", false, &result);
	assert_int_equal(result.n_damaged, 1);
	assert_false(result.files[0].made);
	assert_int_equal(result.files[0].damage.n, 1);
	assert_int_equal(result.files[0].damage.ranges[0].offset, 0);
	assert_int_equal(result.files[0].damage.ranges[0].len, SIZE);
	assert_memory_equal(result.files[0].damage.ranges[0].object, "m/", 2);
	assert_int_equal(files_in("damaged"), 0);
}

/* Flips a byte of the sealed bytes of a chunk. */
static void damage_chunk(struct store *store, const struct stream *stream, uint64_t index)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object = {0};
	AUTO(pack_footer_release) struct pack_footer footer = {0};
	struct tree_ref ref;
	char name[OBJECT_NAME_SIZE];
	AUTO(tree_reader_freep)
	struct tree_reader *tree = tree_reader_new(store->packs, &stream->shape, &stream->top, &err);
	assert_true(tree_find(tree, index, &ref, &err));
	assert_true(pack_footer_fetch(store->repository, PACK_CHUNKS, &ref.at.session, ref.at.seq, &footer, &err));
	object_name_pack(PACK_CHUNKS, &ref.at.session, ref.at.seq, name);
	assert_true(backend_get(repository_backend(store->repository), name, PACK_MAX_SIZE, &object, &err));
	object.data[footer.entries[ref.at.entry].offset] ^= 1;
	assert_true(backend_put(repository_backend(store->repository), name, bytes_span(&object), &err));
}

/* Chunks are alike every few hundred, so that each of these damages one place only. */
static void make_two_disks(struct store *store, struct stream streams[2])
{
	make_disk(store, &streams[1]);
	for (size_t i = 0; i < SIZE; i++)
		plain[i] = (uint8_t)(i * 13 + i / CHUNK * 7 + i / 509);
	store_stream(store, plain, SIZE, 16, &streams[0]);
	streams[0].kind = STREAM_DISK;
	memcpy(streams[0].name, "vda", 4);
	memcpy(streams[1].name, "vdb", 4);
	streams[1].number = 2;
}

static void damaged_chunks_are_told_and_other_disks_come_back(void **state)
{
	struct stream streams[2];
	AUTO(restore_result_release) struct restore_result result = {0};
	make_two_disks(*state, streams);
	damage_chunk(*state, &streams[0], 7);
	damage_chunk(*state, &streams[0], 8);
	damage_chunk(*state, &streams[0], 200);
	restore_damaged(*state, streams, 2, "partly", false, &result);
	assert_int_equal(result.n, 2);
	assert_int_equal(result.n_damaged, 1);
	const struct image_damage *damage = &result.files[0].damage;
	assert_int_equal(damage->n, 2);
	assert_int_equal(damage->ranges[0].offset, 7 * CHUNK);
	assert_int_equal(damage->ranges[0].len, 2 * CHUNK);
	assert_int_equal(damage->ranges[1].offset, 200 * CHUNK);
	assert_int_equal(damage->ranges[1].len, 4096);
	assert_int_equal(damage->bytes, 2 * CHUNK + 4096);
	assert_false(result.files[0].made);
	assert_true(result.files[1].made);
	assert_int_equal(files_in("partly"), 1);
	assert_int_equal(access("partly/vdb.raw", F_OK), 0);
}

static void damaged_chunks_are_zeros_on_the_users_word(void **state)
{
	struct stream streams[2];
	AUTO(restore_result_release) struct restore_result result = {0};
	make_two_disks(*state, streams);
	damage_chunk(*state, &streams[0], 3);
	restore_damaged(*state, streams, 1, "kept", true, &result);
	assert_int_equal(result.n_damaged, 1);
	assert_true(result.files[0].made);
	memset(plain + 3 * (size_t)CHUNK, 0, CHUNK);
	assert_is_disk("kept/vda.raw");
}

static void count_notes(void *arg, const char *text)
{
	assert_non_null(strstr(text, ".salvor-"));
	++*(unsigned *)arg;
}

static void write_text(const char *path)
{
	AUTO(err_freep) struct err *err = NULL;
	assert_true(file_replace(path, SPAN_TEXT("rest"), 0600, &err));
}

/* What a killed restore left goes; what somebody holds, and what has another name, stays. */
static void leftovers_are_removed(void **state)
{
	struct stream stream;
	AUTO(err_freep) struct err *err = NULL;
	enum err_code code;
	unsigned notes = 0;
	AUTO(file_closep) int held = -1;
	make_disk(*state, &stream);
	assert_true(file_make_folders("left", 0700, &err));
	write_text("left/vda.raw.salvor-abcdef");
	write_text("left/vda.raw.salvor-abc");
	write_text("left/vda.raw.partial-mine12");
	write_text("left/vdb.raw.salvor-abcdef");
	assert_true(file_lock("left/vda.raw.salvor-inuse1", &held, &err));
	assert_true(restore(*state, &stream,
			    &(struct restore_options){.to = "left", .note = count_notes, .note_arg = &notes}, &code));
	assert_int_equal(notes, 1);
	assert_int_equal(files_in("left"), 5);
	assert_int_equal(access("left/vda.raw.salvor-abcdef", F_OK), -1);
	assert_int_equal(access("left/vda.raw.salvor-inuse1", F_OK), 0);
}

/* Also while no program of QEMU's has it open. */
static void a_qcow2_file_is_held_from_the_start(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	const struct image_request request = {.path = "held.qcow2", .size = SIZE};
	unsigned notes = 0;
	glob_t found;
	AUTO(image_sink_freep) struct image_sink *sink = image_sink_qcow2(&request, &err);
	assert_non_null(sink);
	assert_int_equal(glob("held.qcow2.salvor-*", 0, NULL, &found), 0);
	AUTO(file_closep) int other = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC);
	globfree(&found);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
	image_temporary_sweep("held.qcow2", count_notes, &notes);
	assert_int_equal(notes, 0);
	assert_true(sink->ops->finish(sink, &err));
	assert_int_equal(access("held.qcow2", F_OK), 0);
}

static void a_name_never_leaves_the_folder(void **state)
{
	static const char *const names[] = {"../vda", "a/b", ".hidden", "", "-x"};
	struct stream stream;
	enum err_code code;
	make_disk(*state, &stream);
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		memcpy(stream.name, names[i], strlen(names[i]) + 1);
		assert_false(restore(*state, &stream, &(struct restore_options){.to = "names"}, &code));
		assert_int_equal(code, ERR_CORRUPT);
	}
	assert_int_equal(files_in("names"), 0);
}

static void a_disk_that_is_not_there_is_named(void **state)
{
	struct stream stream;
	enum err_code code;
	const struct restore_target target = {.disk = "vdb", .path = "image"};
	make_disk(*state, &stream);
	assert_false(restore(*state, &stream, &(struct restore_options){.targets = &target, .n_targets = 1}, &code));
	assert_int_equal(code, ERR_NOT_FOUND);
	assert_int_not_equal(access("image", F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_comes_back_with_its_holes),
		cmocka_unit_test(an_existing_file_is_replaced_only_by_force),
		cmocka_unit_test(a_link_in_the_folder_is_not_followed),
		cmocka_unit_test(a_cancelled_restore_leaves_nothing),
		cmocka_unit_test(a_damaged_tree_leaves_nothing_and_is_told),
		cmocka_unit_test(damaged_chunks_are_told_and_other_disks_come_back),
		cmocka_unit_test(damaged_chunks_are_zeros_on_the_users_word),
		cmocka_unit_test(leftovers_are_removed),
		cmocka_unit_test(a_qcow2_file_is_held_from_the_start),
		cmocka_unit_test(a_name_never_leaves_the_folder),
		cmocka_unit_test(a_disk_that_is_not_there_is_named),
	};
	return cmocka_run_group_tests(tests, store_setup, store_teardown);
}
