/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/file_identity.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* FNV-1a, since what remembers it has room for numbers only. */
#define HASH_PRIME UINT64_C(0x100000001b3)

uint64_t file_identity_add_bytes(uint64_t identity, const void *data, size_t length)
{
	const uint8_t *bytes = data;
	for (size_t i = 0; i < length; i++)
		identity = (identity ^ bytes[i]) * HASH_PRIME;
	return identity;
}

static uint64_t add_number(uint64_t hash, uint64_t number)
{
	return file_identity_add_bytes(hash, &number, sizeof(number));
}

static uint64_t add_time(uint64_t hash, const struct statx_timestamp *time)
{
	return add_number(add_number(hash, (uint64_t)time->tv_sec), time->tv_nsec);
}

/* A device's inode is another one after each start of the host. A file system that knows no birth gives zeros. */
uint64_t file_identity_add(uint64_t identity, const char *path, bool written)
{
	struct statx st;
	if (statx(AT_FDCWD, path, 0, STATX_BASIC_STATS | STATX_BTIME, &st) < 0 || !S_ISREG(st.stx_mode))
		return file_identity_add_bytes(identity, path, strlen(path) + 1);
	identity = add_time(add_number(identity, st.stx_ino), &st.stx_btime);
	return written ? add_time(add_number(identity, st.stx_size), &st.stx_mtime) : identity;
}
