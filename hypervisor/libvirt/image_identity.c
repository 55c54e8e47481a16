/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/image_identity.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* FNV-1a, as a checkpoint's description has room for numbers only. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

static uint64_t add_bytes(uint64_t hash, const void *data, size_t length)
{
	const uint8_t *bytes = data;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * HASH_PRIME;
	return hash;
}

static uint64_t add_number(uint64_t hash, uint64_t number)
{
	return add_bytes(hash, &number, sizeof(number));
}

static uint64_t add_time(uint64_t hash, const struct statx_timestamp *time)
{
	return add_number(add_number(hash, (uint64_t)time->tv_sec), time->tv_nsec);
}

/* A device's inode is another one after each start of the host. A file system that knows no birth gives zeros. */
static uint64_t add_file(uint64_t hash, const char *path, bool written)
{
	struct statx st;
	if (statx(AT_FDCWD, path, 0, STATX_BASIC_STATS | STATX_BTIME, &st) < 0 || !S_ISREG(st.stx_mode))
		return add_bytes(hash, path, strlen(path) + 1);
	hash = add_time(add_number(hash, st.stx_ino), &st.stx_btime);
	return written ? add_time(add_number(hash, st.stx_size), &st.stx_mtime) : hash;
}

uint64_t image_identity(const struct domain_disk *disk)
{
	uint64_t hash = add_file(HASH_START, disk->source, false);
	for (size_t i = 0; i < disk->n_below; i++)
		hash = add_file(hash, disk->below[i], true);
	return hash;
}
