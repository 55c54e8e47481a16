/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/firmware.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"

enum {
	SMALLEST = 128 << 10,
	LARGEST = 4 << 20,
	STEP = 64 << 10,
	LOW_COPY = 128 << 10,
	FIRST_MIB = 1 << 20,
	FIRST_INSTRUCTION = 16, /* from the end */
	FAR_JUMP = 0xea,
};

#define END (UINT64_C(1) << 32)

/* A mapping of its own, as a memory slot wants pages. */
struct firmware {
	uint8_t *rom;
	size_t size;
};

static bool check(const struct bytes *image, const char *path, struct err **errp)
{
	if (image->len < SMALLEST || image->len > LARGEST || image->len % STEP != 0)
		return err_set(errp, ERR_CORRUPT,
			       "firmware '%s': %zu bytes are no BIOS image, which has 128 KiB to 4 MiB in steps of 64",
			       path, image->len);
	if (image->data[image->len - FIRST_INSTRUCTION] != FAR_JUMP)
		return err_set(errp, ERR_CORRUPT,
			       "firmware '%s': it is no BIOS image, as the first instruction of those is a far jump",
			       path);
	return true;
}

static bool map(struct firmware *firmware, const struct bytes *image, const char *path, struct err **errp)
{
	void *rom = mmap(NULL, image->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (rom == MAP_FAILED)
		return err_set_errno(errp, errno, "firmware '%s'", path);
	memcpy(rom, image->data, image->len);
	firmware->rom = rom;
	firmware->size = image->len;
	return true;
}

struct firmware *firmware_new(const char *path, struct err **errp)
{
	AUTO(bytes_release) struct bytes image = {0};
	if (!file_read_all(path, LARGEST + 1, &image, errp)) {
		err_prefix(errp, "firmware");
		return NULL;
	}
	AUTO(firmware_freep) struct firmware *firmware = calloc(1, sizeof(*firmware));
	if (!firmware) {
		err_set_no_memory(errp);
		return NULL;
	}
	return check(&image, path, errp) && map(firmware, &image, path, errp) ? STEAL(&firmware) : NULL;
}

void firmware_free(struct firmware *firmware)
{
	if (!firmware)
		return;
	if (firmware->rom)
		munmap(firmware->rom, firmware->size);
	free(firmware);
}

struct guest_memory_part firmware_rom(const struct firmware *firmware)
{
	return (struct guest_memory_part){
		.address = END - firmware->size, .size = firmware->size, .host = firmware->rom};
}

void firmware_place(const struct firmware *firmware, struct guest_memory *memory)
{
	const uint8_t *from = firmware->rom + firmware->size - LOW_COPY;
	bool there = guest_memory_write(memory, FIRST_MIB - LOW_COPY, from, LOW_COPY);
	assert(there);
}
