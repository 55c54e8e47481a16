// SPDX-License-Identifier: Apache-2.0
/*
 * The witness of a disk: does to it what guests do, says what it was promised, and tells later whether that was kept.
 *
 *	verify work DEVICE SEED WORKERS OPERATIONS	0 OPERATIONS: until it is killed
 *	verify check DEVICE SEED WORKERS FLUSHED...	one number for each worker: the last that it said, or 0
 *
 * Each worker has a part of the disk for itself, and makes one operation after the other, by a row of random numbers
 * that grows from the seed: it writes, discards, zeroes, reads back, and flushes. "flushed W N" says that a flush came
 * back to worker W when it had made N operations.
 *
 * A block that was written holds its number, that of the operation, and bytes that grow from both. After a crash, and
 * what else may befall a disk, "check" goes through the same row again. What a block holds must be what the last
 * operation made of it of those that were flushed, or what a later one made of it; a discarded block may also be as it
 * was before. Nothing else: no block of another place, none half written, none that was never there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK 4096
#define BLOCK_WORDS (BLOCK / sizeof(uint64_t))
#define RUN_MAX 64U /* blocks of one operation */
#define WORKERS_MAX 16U
#define BEHIND_FLUSH \
	4096U /* a worker was never so many operations ahead of what it last said: one in twelve is a flush */
#define HOLDS_ZEROS UINT64_C(0)
#define HOLDS_NONSENSE UINT64_MAX

enum kind { WRITE, DISCARD, ZERO, READ, FLUSH };

struct operation {
	enum kind kind;
	uint64_t first, count; /* blocks */
};

struct part {
	const char *path;
	int fd;
	unsigned worker;
	uint64_t seed;
	uint64_t first, count; /* blocks of the disk that are this worker's */
	uint64_t *holds;       /* by block: the number of the operation that wrote it, or HOLDS_ZEROS */
	bool *discarded;       /* it may as well be zeros */
	uint8_t *buffer;       /* RUN_MAX blocks */
};

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static void fail(const char *path, const char *what)
{
	fprintf(stderr, "verify: %s: %s: %s\n", path, what, strerror(errno));
	exit(1);
}

/* ---- the row of operations ---- */

static enum kind kind_of(uint64_t random)
{
	const uint64_t percent = random % 100;

	if (percent < 56)
		return WRITE;
	if (percent < 64)
		return DISCARD;
	if (percent < 72)
		return ZERO;
	return percent < 92 ? READ : FLUSH;
}

/* Operation number n of a part, from 1 on. */
static struct operation operation_of(const struct part *part, uint64_t n)
{
	const uint64_t random = mix(part->seed ^ mix(((uint64_t)part->worker << 56) ^ n));
	struct operation op = {.kind = kind_of(random), .count = 1 + (random >> 8) % RUN_MAX};

	if ((random >> 16) % 4 == 0)
		op.count = 1;
	op.first = part->first + (random >> 24) % (part->count - op.count + 1);
	return op;
}

/* ---- blocks ---- */

static void fill_block(uint64_t *words, uint64_t block, uint64_t n)
{
	uint64_t x = mix(block ^ mix(n));

	words[0] = block;
	words[1] = n;
	for (size_t i = 2; i < BLOCK_WORDS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		words[i] = x;
	}
}

static uint64_t what_block_holds(const uint64_t *words, uint64_t block)
{
	uint64_t expected[BLOCK_WORDS] = {0};

	if (memcmp(words, expected, BLOCK) == 0)
		return HOLDS_ZEROS;
	fill_block(expected, block, words[1]);
	return memcmp(words, expected, BLOCK) == 0 ? words[1] : HOLDS_NONSENSE;
}

static void read_blocks(const struct part *part, uint64_t first, uint64_t count)
{
	const size_t size = count * BLOCK;

	if (pread(part->fd, part->buffer, size, (off_t)(first * BLOCK)) != (ssize_t)size)
		fail(part->path, "reading");
}

static const uint64_t *block_in_buffer(const struct part *part, uint64_t i)
{
	return (const uint64_t *)(const void *)(part->buffer + i * BLOCK);
}

static void complain(const struct part *part, uint64_t block, uint64_t holds, uint64_t n)
{
	fprintf(stderr, "verify: %s: at operation %" PRIu64 " of worker %u block %" PRIu64 " holds ", part->path, n,
		part->worker, block);
	if (holds == HOLDS_NONSENSE)
		fprintf(stderr, "what nobody wrote there\n");
	else
		fprintf(stderr, "operation %" PRIu64 ", not %" PRIu64 "\n", holds, part->holds[block - part->first]);
}

/* ---- work
 * --------------------------------------------------------------------------------------------------------------------
 */

static void remember(struct part *part, const struct operation *op, uint64_t n)
{
	for (uint64_t i = op->first - part->first; i < op->first - part->first + op->count; i++) {
		if (op->kind == DISCARD) {
			part->discarded[i] = true;
			continue;
		}
		part->holds[i] = op->kind == WRITE ? n : HOLDS_ZEROS;
		part->discarded[i] = false;
	}
}

static void do_write(struct part *part, const struct operation *op, uint64_t n)
{
	const size_t size = op->count * BLOCK;

	for (uint64_t i = 0; i < op->count; i++)
		fill_block((uint64_t *)(void *)(part->buffer + i * BLOCK), op->first + i, n);
	if (pwrite(part->fd, part->buffer, size, (off_t)(op->first * BLOCK)) != (ssize_t)size)
		fail(part->path, "writing");
	remember(part, op, n);
}

static void do_range(struct part *part, const struct operation *op, uint64_t n)
{
	uint64_t range[2] = {op->first * BLOCK, op->count * BLOCK};

	if (ioctl(part->fd, op->kind == DISCARD ? BLKDISCARD : BLKZEROOUT, range) != 0)
		fail(part->path, op->kind == DISCARD ? "discarding" : "zeroing");
	remember(part, op, n);
}

static void do_read(struct part *part, const struct operation *op, uint64_t n)
{
	read_blocks(part, op->first, op->count);
	for (uint64_t i = 0; i < op->count; i++) {
		const uint64_t block = op->first + i, at = block - part->first;
		const uint64_t holds = what_block_holds(block_in_buffer(part, i), block);

		if (holds == part->holds[at] || (part->discarded[at] && holds == HOLDS_ZEROS))
			continue;
		complain(part, block, holds, n);
		exit(1);
	}
}

static void do_flush(struct part *part, uint64_t n)
{
	if (fsync(part->fd) != 0)
		fail(part->path, "flushing");
	dprintf(STDOUT_FILENO, "flushed %u %" PRIu64 "\n", part->worker, n);
}

static void do_operation(struct part *part, const struct operation *op, uint64_t n)
{
	switch (op->kind) {
	case WRITE:
		do_write(part, op, n);
		return;
	case DISCARD:
	case ZERO:
		do_range(part, op, n);
		return;
	case READ:
		do_read(part, op, n);
		return;
	case FLUSH:
		do_flush(part, n);
		return;
	}
}

static void empty_part(struct part *part)
{
	uint64_t range[2] = {part->first * BLOCK, part->count * BLOCK};

	if (ioctl(part->fd, BLKZEROOUT, range) != 0)
		fail(part->path, "zeroing");
}

static void work(struct part *part, uint64_t operations)
{
	empty_part(part);
	do_flush(part, 0);
	for (uint64_t n = 1; operations == 0 || n <= operations; n++) {
		const struct operation op = operation_of(part, n);

		do_operation(part, &op, n);
	}
	do_flush(part, operations);
}

/* ---- check
 * -------------------------------------------------------------------------------------------------------------------
 */

/* Takes what is there into part->holds. */
static void look_at_part(struct part *part)
{
	for (uint64_t done = 0; done < part->count;) {
		const uint64_t count = part->count - done < RUN_MAX ? part->count - done : RUN_MAX;

		read_blocks(part, part->first + done, count);
		for (uint64_t i = 0; i < count; i++)
			part->holds[done + i] = what_block_holds(block_in_buffer(part, i), part->first + done + i);
		done += count;
	}
}

/* Whether the block may hold what it does, once this operation was made (or, if it was not flushed, perhaps made). */
static bool still_fine(const struct part *part, uint64_t at, const struct operation *op, uint64_t n, bool was_flushed,
		       bool fine)
{
	const bool made_by_it = part->holds[at] == (op->kind == WRITE ? n : HOLDS_ZEROS);

	if (op->kind == DISCARD || !was_flushed)
		return fine || made_by_it;
	return made_by_it;
}

static unsigned judge(const struct part *part, const bool *fine)
{
	unsigned wrong = 0;

	for (uint64_t i = 0; i < part->count; i++) {
		if (fine[i])
			continue;
		if (wrong++ < 8)
			fprintf(stderr, "verify: %s: block %" PRIu64 " of worker %u holds %s %" PRIu64 "\n", part->path,
				part->first + i, part->worker,
				part->holds[i] == HOLDS_NONSENSE ? "what nobody wrote there:" : "a wrong operation:",
				part->holds[i]);
	}
	return wrong;
}

static void check(struct part *part, uint64_t flushed)
{
	bool *const fine = part->discarded;
	unsigned wrong;

	look_at_part(part);
	for (uint64_t i = 0; i < part->count; i++)
		fine[i] = part->holds[i] == HOLDS_ZEROS;
	for (uint64_t n = 1; n <= flushed + BEHIND_FLUSH; n++) {
		const struct operation op = operation_of(part, n);

		if (op.kind == READ || op.kind == FLUSH)
			continue;
		for (uint64_t at = op.first - part->first; at < op.first - part->first + op.count; at++)
			fine[at] = still_fine(part, at, &op, n, n <= flushed, fine[at]);
	}
	wrong = judge(part, fine);
	printf("checked %u %" PRIu64 ": %s\n", part->worker, flushed, wrong == 0 ? "right" : "wrong");
	fflush(stdout);
	if (wrong > 0)
		exit(1);
}

/* ---- workers ---- */

static uint64_t blocks_of(const char *path, int fd)
{
	const off_t end = lseek(fd, 0, SEEK_END);

	if (end < 0)
		fail(path, "asking for its size");
	return (uint64_t)end / BLOCK;
}

static struct part part_of(const char *path, int fd, uint64_t seed, unsigned worker, unsigned workers)
{
	const uint64_t count = blocks_of(path, fd) / workers;
	struct part part = {
		.path = path, .fd = fd, .worker = worker, .seed = seed, .first = worker * count, .count = count};

	if (count < RUN_MAX) {
		fprintf(stderr, "verify: %s is too small for %u workers\n", path, workers);
		exit(2);
	}
	part.holds = calloc(count, sizeof(*part.holds));
	part.discarded = calloc(count, sizeof(*part.discarded));
	part.buffer = aligned_alloc(BLOCK, (size_t)RUN_MAX * BLOCK);
	if (part.holds == NULL || part.discarded == NULL || part.buffer == NULL)
		fail(path, "memory for a worker");
	return part;
}

static unsigned wait_for_all(unsigned workers)
{
	unsigned failed = 0;
	int status;

	for (unsigned i = 0; i < workers; i++) {
		if (wait(&status) < 0 || status != 0)
			failed++;
	}
	return failed;
}

static int usage(void)
{
	fputs("usage: verify work DEVICE SEED WORKERS OPERATIONS\n       verify check DEVICE SEED WORKERS FLUSHED...\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const bool checks = argc > 1 && strcmp(argv[1], "check") == 0;
	const unsigned workers = argc > 5 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
	int fd;

	if (workers < 1 || workers > WORKERS_MAX || argc != (checks ? 5 + (int)workers : 6))
		return usage();
	/* Past the page cache of the guest, whose business is not to be tested; a plain file may lie where that cannot
	 * be had. */
	fd = open(argv[2], checks ? O_RDONLY : O_RDWR | O_DIRECT);
	if (fd < 0)
		fail(argv[2], "opening");
	for (unsigned i = 0; i < workers; i++) {
		if (fork() == 0) {
			struct part part = part_of(argv[2], fd, strtoull(argv[3], NULL, 10), i, workers);
			const uint64_t n = strtoull(argv[checks ? 5 + (int)i : 5], NULL, 10);

			if (checks)
				check(&part, n);
			else
				work(&part, n);
			_exit(0);
		}
	}
	if (wait_for_all(workers) > 0)
		return 1;
	puts(checks ? "verify: right" : "verify: done");
	return 0;
}
