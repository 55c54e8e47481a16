/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of bare files on real ones: raw, sparse, qcow2 through a real qemu-nbd, and files that do not hold still.
 */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/engine.h"
#include "tests/folder.h"
#include "tests/unit.h"

enum { MIB = 1 << 20, SIZE = 8 * MIB };

static void run(const char *command)
{
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): the tests' own words */
}

/* A hole, a MiB of 'x' at 3 MiB, a hole. */
static void make_raw(const char *path)
{
	char *data = malloc(MIB);
	assert_non_null(data);
	memset(data, 'x', MIB);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(pwrite(fd, data, MIB, 3 * MIB), MIB);
	close(fd);
	free(data);
}

static struct cut *make_cut(struct engine *engine, struct err **errp)
{
	struct workload workload;
	struct cut *cut = NULL;
	if (!engine->ops->describe(engine, "files01", &workload, errp))
		return NULL;
	if (!engine->ops->cut(engine, &workload, &(struct cut_request){0}, &cut, errp))
		cut = NULL;
	workload_release(&workload);
	return cut;
}

static struct engine *open_one(const char *path)
{
	struct err *err = NULL;
	struct engine *engine = engine_files_open("files01", &(struct files_disk){.path = path}, 1, &err);
	assert_non_null(engine);
	return engine;
}

struct seen {
	uint64_t end, data;
};

static bool see(void *arg, const struct extent *extent, struct err **errp)
{
	(void)errp;
	struct seen *seen = arg;
	assert_int_equal(extent->offset, seen->end);
	assert_true(extent->length > 0 && extent->changed);
	seen->end += extent->length;
	seen->data += extent->zero ? 0 : extent->length;
	return true;
}

static void whole_disk_is_right(const char *path)
{
	struct err *err = NULL;
	struct engine *engine = open_one(path);
	struct cut *cut = make_cut(engine, &err);
	assert_non_null(cut);
	const struct cut_info *info = engine->ops->info(cut);
	assert_int_equal(info->consistency, CUT_OFFLINE);
	assert_string_equal(info->fallback_reason[0], FALLBACK_UNTRACKED);
	assert_int_equal(info->workload.disks[0].size, SIZE);
	struct seen seen = {0};
	assert_true(engine->ops->map(cut, 0, see, &seen, &err));
	assert_int_equal(seen.end, SIZE);
	assert_int_equal(seen.data, MIB);
	char *data = calloc(2, 2 * MIB);
	struct read_request requests[] = {{2 * MIB, 2 * MIB, data}, {4 * MIB - 1, 2, data + 2 * MIB}};
	struct cut_reader *reader = engine->ops->reader_new(cut, 0, &err);
	assert_non_null(reader);
	assert_true(engine->ops->read(reader, requests, ARRAY_LENGTH(requests), &err));
	assert_true(data[MIB - 1] == 0 && data[MIB] == 'x' && data[2 * MIB - 1] == 'x');
	assert_true(data[2 * MIB] == 'x' && data[2 * MIB + 1] == 0);
	free(data);
	engine->ops->reader_free(reader);
	assert_true(engine->ops->check(cut, &err));
	assert_true(engine->ops->keep(cut, &err));
	engine_free(engine);
}

static void test_raw(void **state)
{
	(void)state;
	make_raw("disk.raw");
	whole_disk_is_right("disk.raw");
}

static void test_qcow2(void **state)
{
	(void)state;
	make_raw("disk.raw");
	run("qemu-img convert -f raw -O qcow2 disk.raw 'a, b.qcow2'");
	whole_disk_is_right("a, b.qcow2");
}

/* Whoever is killed while it reads leaves no name behind. */
static void test_no_name_is_left(void **state)
{
	(void)state;
	struct err *err = NULL;
	glob_t before = {0}, during = {0};
	make_raw("disk.raw");
	run("qemu-img convert -f raw -O qcow2 disk.raw disk.qcow2");
	glob("/tmp/salvor-image-*", 0, NULL, &before);
	struct engine *engine = open_one("disk.qcow2");
	struct cut *cut = make_cut(engine, &err);
	assert_non_null(cut);
	glob("/tmp/salvor-image-*", 0, NULL, &during);
	for (size_t i = 0, old = 0; i < during.gl_pathc; i++) {
		while (old < before.gl_pathc && strcmp(before.gl_pathv[old], during.gl_pathv[i]) < 0)
			old++;
		bool is_old = old < before.gl_pathc && strcmp(before.gl_pathv[old], during.gl_pathv[i]) == 0;
		if (!is_old && access(during.gl_pathv[i], F_OK) == 0)
			fail_msg("%s", during.gl_pathv[i]);
	}
	globfree(&before);
	globfree(&during);
	engine->ops->drop(cut);
	engine_free(engine);
}

/* Cuts `path`, does `harm`, and returns what check() says. */
static void harm_is_found(const char *path, const char *harm, const char *said)
{
	struct err *err = NULL;
	make_raw("disk.raw");
	struct engine *engine = open_one(path);
	struct cut *cut = make_cut(engine, &err);
	assert_non_null(cut);
	run(harm);
	assert_false(engine->ops->check(cut, &err));
	assert_int_equal(err_code(err), ERR_BUSY);
	assert_non_null(strstr(err_message(err), said));
	assert_non_null(strstr(err_message(err), "disk 'vda': disk.raw"));
	err_clear(&err);
	engine->ops->drop(cut);
	engine_free(engine);
}

static void test_does_not_hold_still(void **state)
{
	(void)state;
	harm_is_found("disk.raw", "printf y >>disk.raw", "grew");
	unlink("disk.raw");
	harm_is_found("disk.raw", "truncate --size 1M disk.raw", "shrank");
	unlink("disk.raw");
	harm_is_found("disk.raw", "printf y | dd of=disk.raw conv=notrunc status=none", "was written to");
	unlink("disk.raw");
	harm_is_found("disk.raw", "cp disk.raw other && mv other disk.raw", "was replaced");
}

static void test_short_read(void **state)
{
	(void)state;
	struct err *err = NULL;
	char byte[4096];
	make_raw("disk.raw");
	struct engine *engine = open_one("disk.raw");
	struct cut *cut = make_cut(engine, &err);
	struct cut_reader *reader = engine->ops->reader_new(cut, 0, &err);
	assert_int_equal(truncate("disk.raw", MIB), 0);
	struct read_request request = {2 * MIB, sizeof(byte), byte};
	assert_false(engine->ops->read(reader, &request, 1, &err));
	assert_int_equal(err_code(err), ERR_BUSY);
	err_free(err);
	engine->ops->reader_free(reader);
	engine->ops->drop(cut);
	engine_free(engine);
}

static void is_refused(const char *path, const char *said)
{
	struct err *err = NULL;
	struct engine *engine = open_one(path);
	assert_null(make_cut(engine, &err));
	if (!strstr(err_message(err), said))
		fail_msg("said '%s'", err_message(err));
	err_free(err);
	engine_free(engine);
}

static void test_refused(void **state)
{
	(void)state;
	is_refused("missing.raw", "disk 'vda': missing.raw: No such file");
	is_refused(".", "neither a regular file nor a block device");
	assert_int_equal(mkfifo("pipe", 0600), 0);
	is_refused("pipe", "neither a regular file nor a block device");
	make_raw("disk.raw");
	run("qemu-img convert -f raw -O qcow2 disk.raw disk.img; cp disk.raw raw.qcow2");
	is_refused("disk.img", "does not end in .qcow2");
	is_refused("raw.qcow2", "not a qcow2 image");
	run("(printf 'QFI\\373'; head -c 64K /dev/zero) >broken.qcow2");
	is_refused("broken.qcow2", "broken.qcow2: ");
}

static void test_names(void **state)
{
	(void)state;
	struct err *err = NULL;
	const struct files_disk disks[] = {{.path = "a"}, {.name = "root", .path = "b"}, {.path = "c"}};
	struct engine *engine = engine_files_open("files01", disks, 3, &err);
	struct workload workload;
	assert_false(engine->ops->describe(engine, "web02", &workload, &err));
	assert_int_equal(err_code(err), ERR_NOT_FOUND);
	err_clear(&err);
	engine_free(engine);
	const struct files_disk same[] = {{.name = "vdb", .path = "a"}, {.path = "b"}};
	assert_null(engine_files_open("files01", same, 2, &err));
	assert_int_equal(err_code(err), ERR_USAGE);
	err_clear(&err);
	assert_null(engine_files_open("files01", &(struct files_disk){.name = "../x", .path = "a"}, 1, &err));
	assert_int_equal(err_code(err), ERR_USAGE);
	err_free(err);
}

static void test_workload_names(void **state)
{
	(void)state;
	static const char *const refused[] = {"", "-x", "two\nlines", "\xc2\x9b[name",
					      /* NOLINTNEXTLINE(misc-misleading-bidirectional): what nobody can type */
					      "web\xe2\x80\xae x", "web01@latest", "web01@2026-11-22", "not\xff text"};
	static const char *const fine[] = {"web01", "me@nas", "deadbeef", "a b", "größe", "srv/data", "web@home"};
	const struct files_disk disk = {.path = "a"};
	for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
		AUTO(err_freep) struct err *err = NULL;
		assert_null(engine_files_open(refused[i], &disk, 1, &err));
		assert_int_equal(err_code(err), ERR_USAGE);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(fine); i++) {
		struct err *err = NULL;
		struct engine *engine = engine_files_open(fine[i], &disk, 1, &err);
		assert_non_null(engine);
		engine_free(engine);
	}
}

/* The id is on repositories: it must never change. */
static void test_id(void **state)
{
	(void)state;
	static const uint8_t expected[16] = {0xbd, 0x3e, 0xc7, 0x80, 0x3e, 0x8f, 0x85, 0x50,
					     0x34, 0xbc, 0x8e, 0xe0, 0xf8, 0xe4, 0x53, 0xf5};
	struct err *err = NULL;
	make_raw("disk.raw");
	struct engine *engine = open_one("disk.raw");
	struct workload workload;
	assert_true(engine->ops->describe(engine, "files01", &workload, &err));
	assert_memory_equal(workload.id, expected, sizeof(expected));
	assert_string_equal(workload.disks[0].name, "vda");
	workload_release(&workload);
	engine_free(engine);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_enter, folder_leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_raw),
		IN_FOLDER(test_qcow2),
		IN_FOLDER(test_no_name_is_left),
		IN_FOLDER(test_does_not_hold_still),
		IN_FOLDER(test_short_read),
		IN_FOLDER(test_refused),
		IN_FOLDER(test_names),
		IN_FOLDER(test_id),
		IN_FOLDER(test_workload_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
