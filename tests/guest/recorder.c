// SPDX-License-Identifier: Apache-2.0
/*
 * The witness inside a test guest: it says what was really on disk when.
 *
 *	recorder write FILE...	appends record n to each FILE in turn, fsyncs each, then says "n"
 *	recorder check FILE...	says the last whole record of each FILE; fails on a gap or a wrong byte
 *
 * A record is RECORD_SIZE bytes: magic, number, pseudo-random payload grown from the number, checksum of all before.
 * Records never straddle a page. After the last whole record a crash may leave one record's worth of unfinished bytes,
 * since the file's size may reach the journal before the bytes that it counts; anything beyond that is a fault.
 *
 * "write" goes on where the file ends, so that a guest that boots again continues its own row.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_SIZE 512
#define RECORD_WORDS (RECORD_SIZE / sizeof(uint64_t))
#define RECORD_MAGIC UINT64_C(0x6472726f766c6173)
#define FILES_MAX 8

struct record {
	uint64_t magic;
	uint64_t number;
	uint64_t payload[RECORD_WORDS - 3];
	uint64_t checksum;
};

_Static_assert(sizeof(struct record) == RECORD_SIZE, "a record fills its size");

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static void record_fill(struct record *r, uint64_t number)
{
	const size_t n_payload = sizeof(r->payload) / sizeof(r->payload[0]);

	r->magic = RECORD_MAGIC;
	r->number = number;
	r->checksum = mix(RECORD_MAGIC ^ number);
	for (size_t i = 0; i < n_payload; i++) {
		r->payload[i] = mix(number * n_payload + i);
		r->checksum = mix(r->checksum ^ r->payload[i]);
	}
}

static bool complain(const char *path, const char *what)
{
	fprintf(stderr, "recorder: %s: %s\n", path, what);
	return false;
}

static bool append(int fd, const char *path, uint64_t number)
{
	struct record r;

	record_fill(&r, number);
	if (write(fd, &r, sizeof(r)) != sizeof(r))
		return complain(path, strerror(errno));
	if (fsync(fd) != 0)
		return complain(path, strerror(errno));
	return true;
}

static bool record_is(const struct record *r, uint64_t number)
{
	struct record expected;

	record_fill(&expected, number);
	return memcmp(r, &expected, sizeof(*r)) == 0;
}

static bool count_whole(int fd, const char *path, uint64_t *ret_count)
{
	struct record last;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return complain(path, strerror(errno));
	uint64_t count = (uint64_t)st.st_size / RECORD_SIZE;
	if (count > 0) {
		if (pread(fd, &last, sizeof(last), (off_t)((count - 1) * RECORD_SIZE)) != sizeof(last))
			return complain(path, strerror(errno));
		if (!record_is(&last, count))
			count--;
	}
	*ret_count = count;
	return true;
}

/* Brings all files back to the last record that each of them holds. */
static bool resume(const int *fds, char **paths, int n_paths, uint64_t *ret_number)
{
	uint64_t number = UINT64_MAX;

	for (int i = 0; i < n_paths; i++) {
		uint64_t count;

		if (!count_whole(fds[i], paths[i], &count))
			return false;
		number = count < number ? count : number;
	}
	for (int i = 0; i < n_paths; i++) {
		if (ftruncate(fds[i], (off_t)(number * RECORD_SIZE)) != 0)
			return complain(paths[i], strerror(errno));
	}
	*ret_number = number;
	return true;
}

static bool write_records(char **paths, int n_paths)
{
	int fds[FILES_MAX];
	uint64_t number;

	for (int i = 0; i < n_paths; i++) {
		fds[i] = open(paths[i], O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (fds[i] < 0)
			return complain(paths[i], strerror(errno));
	}
	if (!resume(fds, paths, n_paths, &number))
		return false;
	for (;;) {
		number++;
		for (int i = 0; i < n_paths; i++) {
			if (!append(fds[i], paths[i], number))
				return false;
		}
		if (printf("%" PRIu64 "\n", number) < 0 || fflush(stdout) != 0)
			return complain("standard output", strerror(errno));
	}
}

static bool check_records(const char *path)
{
	struct record r;
	uint64_t last = 0;
	size_t got;

	FILE *f = fopen(path, "re");
	if (!f)
		return complain(path, strerror(errno));
	while ((got = fread(&r, 1, sizeof(r), f)) == sizeof(r)) {
		if (!record_is(&r, last + 1))
			break;
		last++;
	}
	bool more = got == sizeof(r) && fgetc(f) != EOF;
	bool failed = ferror(f) != 0;
	fclose(f);
	if (failed)
		return complain(path, "cannot be read");
	if (more) {
		fprintf(stderr, "recorder: %s: record %" PRIu64 " is wrong, and more follows it\n", path, last + 1);
		return false;
	}
	printf("%" PRIu64 "\n", last);
	return true;
}

int main(int argc, char **argv)
{
	if (argc < 3 || argc - 2 > FILES_MAX) {
		fprintf(stderr, "usage: recorder write|check FILE...\n");
		return EXIT_FAILURE;
	}
	if (strcmp(argv[1], "write") == 0)
		return write_records(argv + 2, argc - 2) ? EXIT_SUCCESS : EXIT_FAILURE;
	if (strcmp(argv[1], "check") != 0) {
		fprintf(stderr, "recorder: unknown verb '%s'\n", argv[1]);
		return EXIT_FAILURE;
	}
	for (int i = 2; i < argc; i++) {
		if (!check_records(argv[i]))
			return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
