/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each allocation of a backup, a restore and a scrub fails once, in a run of its own: it ends with "out of memory" or
 * with the whole result, leaks nothing and touches nothing that is not its own, and all points stay what they were.
 * Without SALVOR_TEST_FULL=1 one in STRIDE of them.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/backup.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/engine.h"
#include "restore/write_image.h"
#include "storage/scrub.h"
#include "tests/folder.h"
#include "tests/unit.h"

#define MIB (1u << 20)
#define DISK_SIZE (MIB + 4097u)
#define STRIDE 11
#define CHECK_EVERY 20

/* ---- the linker puts __wrap_ in the place of the name, and keeps the original as __real_ ---- */

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);
int __wrap_vasprintf(char **ret, const char *format, va_list args);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
int __real_vasprintf(char **ret, const char *format, va_list args);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);

static atomic_uint until_fault; /* 0: none is to fail any more */

static bool is_fault(void)
{
	unsigned left = atomic_load(&until_fault);
	while (left > 0 && !atomic_compare_exchange_weak(&until_fault, &left, left - 1))
		;
	return left == 1;
}

void *__wrap_malloc(size_t size)
{
	return is_fault() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return is_fault() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return is_fault() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	return is_fault() ? NULL : __real_reallocarray(old, n, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return is_fault() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
	return is_fault() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n)
{
	return is_fault() ? NULL : __real_strndup(text, n);
}

int __wrap_vasprintf(char **ret, const char *format, va_list args)
{
	return is_fault() ? -1 : __real_vasprintf(ret, format, args);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
	return is_fault() ? EAGAIN : __real_pthread_create(thread, attributes, run, arg);
}

/* ---- a repository and a disk ---- */

static uint8_t disk[DISK_SIZE];
static struct err *error;

/* A failure that no test expects is told before it ends the test. */
static void must(bool ok)
{
	if (!ok)
		fail_msg("%s", error ? err_message(error) : "failed without an error");
}

static struct repository *open_repository(struct err **errp)
{
	static const struct repository_options options = {
		.url = "repo", .key = {.key_file = "host.key"}, .state_dir = "state"};

	return repository_open(&options, errp);
}

/* New bytes in one chunk, so that each backup has something to store. */
static void change_disk(unsigned seed)
{
	disk[seed * 7919u % DISK_SIZE] ^= (uint8_t)(1 + seed % 255);
	must(file_replace("disk.raw", (struct span){disk, sizeof(disk)}, 0600, &error));
}

static void make_repository(void)
{
	const struct repository_init init = {.url = "repo", .passphrase = SPAN_TEXT("wind"), .owner_name = "owner"};
	const struct repository_options options = {.url = "repo", .key = {.passphrase = init.passphrase}};

	must(repository_init(&init, &error));
	AUTO(repository_freep) struct repository *owner = repository_open(&options, &error);
	must(owner && repository_add_key(owner, "host", ROLE_WRITE | ROLE_READ, "host.key", &error));
}

static int enter(void **state)
{
	if (folder_enter(state) != 0)
		return -1;
	make_repository();
	for (size_t i = 0; i < MIB / 2; i++)
		disk[i] = (uint8_t)(i * 7 + i / 251);
	change_disk(1);
	return 0;
}

/* ---- what is tried ---- */

static bool back_up(struct err **errp)
{
	static struct cancel never;
	const struct files_disk files = {.name = "vda", .path = "disk.raw"};
	const struct backup_options options = {.cancel = &never};
	struct backup_result result = {0};
	AUTO(repository_freep) struct repository *repository = open_repository(errp);
	struct engine *engine = repository ? engine_files_open("web01", &files, 1, errp) : NULL;
	bool ok = engine && backup_run(repository, engine, "web01", &options, &result, errp);

	backup_result_release(&result);
	engine_free(engine);
	return ok;
}

static bool restore(struct err **errp)
{
	const struct restore_options options = {.to = "restored", .force = true};
	AUTO(restore_result_release) struct restore_result result = {0};
	AUTO(point_release) struct point point = {0};
	AUTO(repository_freep) struct repository *repository = open_repository(errp);

	return repository && point_find(repository, "web01", &point, errp) &&
	       restore_point(repository, &point, &options, &result, errp);
}

static bool scrub(struct err **errp)
{
	const struct scrub_options options = {.level = SCRUB_CONTENTS, .anew = true};
	struct scrub_report report = {0};
	AUTO(repository_freep) struct repository *repository = open_repository(errp);
	bool ok = repository && scrub_run(repository, &options, &report, errp);

	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
	return ok;
}

static void restored_is_disk(void)
{
	AUTO(bytes_release) struct bytes image = {0};

	must(file_read_all("restored/vda.raw", DISK_SIZE, &image, &error));
	assert_int_equal(image.len, DISK_SIZE);
	assert_memory_equal(image.data, disk, DISK_SIZE);
}

typedef bool attempt(struct err **errp);

/* Returns whether the nth allocation was still one of the attempt. */
static bool fail_nth(attempt *run, unsigned n, bool *ret_ok)
{
	AUTO(err_freep) struct err *failure = NULL;

	atomic_store(&until_fault, n);
	*ret_ok = run(&failure);
	bool hit = atomic_exchange(&until_fault, 0) == 0;
	assert_int_equal(*ret_ok, failure == NULL);
	if (failure && err_code(failure) != ERR_NO_MEMORY && !strstr(err_message(failure), "unavailable"))
		fail_msg("without allocation %u: %s", n, err_message(failure));
	return hit;
}

/* Calls `check` behind some of the runs that came to an end all the same. */
static void fail_each(attempt *run, void (*check)(void))
{
	bool ok;
	const char *full = getenv("SALVOR_TEST_FULL");
	unsigned step = full && *full == '1' ? 1 : STRIDE, n = 1, tried = 0, survived = 0;

	for (; fail_nth(run, n, &ok); n += step) {
		tried++;
		survived += ok;
		if (ok && survived % CHECK_EVERY == 1)
			check();
	}
	assert_true(ok);
	check();
	print_message("%u of about %u allocations failed, %u of them without harm\n", tried, n, survived);
}

static void disk_comes_back(void)
{
	must(restore(&error));
	restored_is_disk();
}

/* ---- tests ---- */

static void first_backup(void **state)
{
	(void)state;
	fail_each(back_up, disk_comes_back);
	must(scrub(&error));
}

static void next_backup(void **state)
{
	(void)state;
	must(back_up(&error));
	change_disk(2);
	fail_each(back_up, disk_comes_back);
	must(scrub(&error));
}

static void restoring(void **state)
{
	(void)state;
	must(back_up(&error));
	fail_each(restore, restored_is_disk);
}

static void scrubbing(void **state)
{
	(void)state;
	must(back_up(&error));
	fail_each(scrub, disk_comes_back);
}

#define IN_REPOSITORY(test) cmocka_unit_test_setup_teardown(test, enter, folder_leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_REPOSITORY(first_backup),
		IN_REPOSITORY(next_backup),
		IN_REPOSITORY(restoring),
		IN_REPOSITORY(scrubbing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
