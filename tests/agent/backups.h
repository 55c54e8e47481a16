/* SPDX-License-Identifier: Apache-2.0 */
/* A repository in the folder "repo", and backups of an engine in memory into it, for the tests of backups. */
#pragma once

#include "agent/backup.h"
#include "base/err.h"
#include "tests/hypervisor/engine_memory.h"

#define MIB (1u << 20)
#define CHUNK 65536u

/* Of whatever a test has just done. */
extern struct err *error;
/* A failure that no test expects is told before it ends the test. */
void must(bool ok);

/* Setup of a test: a folder of its own with the repository and a host's key in it. */
int enter(void **state);
#define IN_REPOSITORY(test) cmocka_unit_test_setup_teardown(test, enter, folder_leave)
struct repository *open_repository(void);

struct outcome {
	bool ok;
	enum err_code code;
	struct backup_result result;
};

struct outcome back_up_with(struct memory_engine *memory, const struct backup_options *options);
struct outcome back_up(struct memory_engine *memory);
/* The numbers and words of a backup that must have worked. */
struct backup_result done(struct outcome outcome);
enum err_code failed(struct outcome outcome);
/* The newest point is what the disks are now. */
void newest_is(struct memory_engine *memory, size_t n_disks);

/* What the guest writes. */
void write_noise(struct memory_engine *memory, size_t disk, uint64_t offset, size_t len);
void write_zeros(struct memory_engine *memory, size_t disk, uint64_t offset, size_t len);
/* Two disks whose ends are no multiple of a chunk, with data, holes and repetitions. */
struct memory_engine *make_machine(void);
