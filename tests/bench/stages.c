/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages of a first backup and nothing around them: ids, compression, sealing, digests and durable packs, on all
 * processors, from memory. Whatever does the same work on this machine cannot be quicker; what Salvor needs beyond it
 * is its own.
 *
 *	stages DISK FOLDER        prints seconds; the packs stay in FOLDER, which must be there
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/pool.h"
#include "storage/chunk.h"

#define CHUNK ((size_t)1 << CHUNK_EXPONENT_DISK)
#define PACK ((size_t)32 << 20)
#define BATCH 16

struct stages {
	const char *folder;
	uint8_t *plain; /* all chunks of the disk that are not zero, one behind the other */
	size_t n;
	struct metadata_keys keys;
	uint8_t domain[DOMAIN_SIZE], dek[KEY_SIZE];
	atomic_size_t next;
	atomic_uint packs;
};

/* One thread's pack. */
struct pack {
	uint8_t *bytes;
	size_t len;
};

static bool put_pack(struct stages *stages, struct pack *pack, struct err **errp)
{
	uint8_t digest[HASH_SIZE];
	AUTO(freep) char *name = file_format("%08x", atomic_fetch_add(&stages->packs, 1));
	struct span bytes = SPAN(pack->bytes, pack->len);
	if (!name || !crypto_sha256(&bytes, 1, digest, errp))
		return false;
	pack->len = 0;
	return file_create_once(stages->folder, name, stages->folder, bytes, 0400, errp);
}

static bool add_chunk(struct stages *stages, struct pack *pack, struct span plain, struct err **errp)
{
	uint8_t packed[CHUNK];
	struct chunk_id id;
	enum chunk_codec codec;
	size_t len;
	if (pack->len + CHUNK + TAG_SIZE > PACK && !put_pack(stages, pack, errp))
		return false;
	if (!chunk_identify(&stages->keys, plain, &id, errp) || !chunk_compress(plain, packed, &codec, &len, errp))
		return false;
	struct span stored = codec == CODEC_RAW ? plain : SPAN(packed, len);
	uint8_t *to = pack->bytes + pack->len;
	pack->len += stored.len + TAG_SIZE;
	return chunk_seal(stages->dek, stages->domain, &id, (uint32_t)plain.len, codec, stored, to, errp);
}

static bool work(struct stages *stages, struct pack *pack, struct err **errp)
{
	for (size_t at; (at = atomic_fetch_add(&stages->next, BATCH)) < stages->n;)
		for (size_t i = at; i < at + BATCH && i < stages->n; i++)
			if (!add_chunk(stages, pack, SPAN(stages->plain + i * CHUNK, CHUNK), errp))
				return false;
	return pack->len == 0 || put_pack(stages, pack, errp);
}

static bool run_thread(void *arg, struct err **errp)
{
	struct pack pack = {.bytes = aligned_alloc(4096, PACK)};
	bool ok = pack.bytes ? work(arg, &pack, errp) : err_set_no_memory(errp);
	free(pack.bytes);
	return ok;
}

/* Keeps what is not zero; a last chunk that is short is not measured. */
static bool load(struct stages *stages, const char *path, struct err **errp)
{
	struct stat st;
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(errp, errno, "%s", path);
	size_t room = (size_t)st.st_size;
	void *memory = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return err_set_errno(errp, errno, "memory for %s", path);
	stages->plain = memory;
	for (off_t at = 0; (at = lseek(fd, at, SEEK_DATA)) >= 0; at += (off_t)CHUNK) {
		uint8_t *to = stages->plain + stages->n * CHUNK;
		at -= at % (off_t)CHUNK;
		if (at + (off_t)CHUNK > st.st_size || (stages->n + 1) * CHUNK > room)
			break;
		if (!file_read_at(fd, to, CHUNK, (uint64_t)at, path, errp))
			return false;
		stages->n += !bytes_all_zero(to, CHUNK);
	}
	return true;
}

static bool measure(struct stages *stages, const char *disk, struct err **errp)
{
	if (!load(stages, disk, errp) || !crypto_random(stages->dek, sizeof(stages->dek), errp) ||
	    !crypto_random(stages->keys.id, sizeof(stages->keys.id), errp))
		return false;
	uint64_t start = clock_monotonic_ns();
	struct pool *pool = pool_start("stages", pool_processors(), run_thread, NULL, stages, errp);
	if (!pool || !pool_join(pool, errp))
		return false;
	printf("%.2f\n", (double)(clock_monotonic_ns() - start) / 1e9);
	return true;
}

int main(int argc, char **argv)
{
	AUTO(err_freep) struct err *err = NULL;
	if (argc != 3) {
		fprintf(stderr, "usage: stages DISK FOLDER\n");
		return 2;
	}
	struct stages stages = {.folder = argv[2]};
	if (measure(&stages, argv[1], &err))
		return 0;
	fprintf(stderr, "stages: %s\n", err_message(err));
	return 1;
}
