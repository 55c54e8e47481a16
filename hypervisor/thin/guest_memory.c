/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One private mapping holds all RAM, the part above 4 GiB right behind the part below. Around it lie pages that nobody
 * may touch, and it begins where huge pages begin, so that the kernel may use them.
 *
 * One bit a page says that this process wrote there. It is set behind the bytes, so who takes the bit sees them; a page
 * may be marked that holds what it held before, and none is written without a mark.
 */
#include "hypervisor/thin/guest_memory.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"

#define HUGE_PAGE (UINT64_C(2) << 20)
#define PAGES_A_WORD 64U

struct guest_memory {
	uint64_t bytes;
	uint8_t *ram;
	void *mapping; /* with what is around ram */
	size_t mapping_size;
	_Atomic uint64_t *written;
};

static bool map_ram(struct guest_memory *memory, struct err **errp)
{
	if (__builtin_add_overflow(memory->bytes, 3 * HUGE_PAGE, &memory->mapping_size))
		return err_set_no_memory(errp);
	void *mapping = mmap(NULL, memory->mapping_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapping == MAP_FAILED)
		return err_set_errno(errp, errno, "no room for %" PRIu64 " MiB of guest memory", memory->bytes >> 20);
	memory->mapping = mapping;
	uintptr_t begin = ((uintptr_t)mapping + 2 * HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
	memory->ram = (uint8_t *)mapping + (begin - (uintptr_t)mapping);
	if (mprotect(memory->ram, memory->bytes, PROT_READ | PROT_WRITE) != 0)
		return err_set_errno(errp, errno, "no room for %" PRIu64 " MiB of guest memory", memory->bytes >> 20);
	/* It holds the guest's secrets, and a core of its size helps nobody. */
	if (madvise(memory->ram, memory->bytes, MADV_DONTDUMP) != 0)
		return err_set_errno(errp, errno, "cannot keep guest memory out of core files");
	return true;
}

struct guest_memory *guest_memory_new(uint64_t bytes, struct err **errp)
{
	assert(bytes > 0 && bytes % GUEST_PAGE == 0);
	AUTO(guest_memory_freep) struct guest_memory *memory = calloc(1, sizeof(*memory));
	uint64_t words = (bytes / GUEST_PAGE + PAGES_A_WORD - 1) / PAGES_A_WORD;
	if (memory)
		memory->written = calloc(words, sizeof(memory->written[0]));
	if (!memory || !memory->written) {
		err_set_no_memory(errp);
		return NULL;
	}
	memory->bytes = bytes;
	return map_ram(memory, errp) ? STEAL(&memory) : NULL;
}

void guest_memory_free(struct guest_memory *memory)
{
	if (!memory)
		return;
	if (memory->mapping)
		munmap(memory->mapping, memory->mapping_size);
	free(memory->written);
	free(memory);
}

uint64_t guest_memory_size(const struct guest_memory *memory)
{
	return memory->bytes;
}

size_t guest_memory_parts(const struct guest_memory *memory, struct guest_memory_part ret[2])
{
	bool both = memory->bytes > GUEST_MEMORY_LOW_END;
	uint64_t low = both ? GUEST_MEMORY_LOW_END : memory->bytes;
	ret[0] = (struct guest_memory_part){.address = 0, .size = low, .host = memory->ram};
	if (!both)
		return 1;
	ret[1] = (struct guest_memory_part){GUEST_MEMORY_HIGH, memory->bytes - low, memory->ram + low};
	return 2;
}

/* Where in RAM a guest-physical range lies. */
static bool find(const struct guest_memory *memory, uint64_t address, uint64_t size, uint64_t *ret_offset)
{
	struct guest_memory_part parts[2];
	size_t n = guest_memory_parts(memory, parts);
	for (size_t i = 0; i < n; i++) {
		uint64_t in_part = address - parts[i].address;
		if (address < parts[i].address || in_part > parts[i].size || size > parts[i].size - in_part)
			continue;
		*ret_offset = (uint64_t)(parts[i].host - memory->ram) + in_part;
		return true;
	}
	return false;
}

static void mark(struct guest_memory *memory, uint64_t offset, uint64_t size)
{
	if (size == 0)
		return;
	uint64_t last = (offset + size - 1) / GUEST_PAGE;
	for (uint64_t page = offset / GUEST_PAGE; page <= last; page++)
		atomic_fetch_or_explicit(&memory->written[page / PAGES_A_WORD], UINT64_C(1) << page % PAGES_A_WORD,
					 memory_order_release);
}

bool guest_memory_read(const struct guest_memory *memory, uint64_t address, void *data, size_t size)
{
	const uint8_t *from = guest_memory_for_reading(memory, address, size);
	if (!from)
		return false;
	memcpy(data, from, size);
	return true;
}

bool guest_memory_write(struct guest_memory *memory, uint64_t address, const void *data, size_t size)
{
	uint64_t offset;
	if (!find(memory, address, size, &offset))
		return false;
	memcpy(memory->ram + offset, data, size);
	mark(memory, offset, size);
	return true;
}

bool guest_memory_load16(const struct guest_memory *memory, uint64_t address, uint16_t *ret)
{
	uint64_t offset;
	if (address % sizeof(uint16_t) != 0 || !find(memory, address, sizeof(uint16_t), &offset))
		return false;
	*ret = le16toh(__atomic_load_n((uint16_t *)(memory->ram + offset), __ATOMIC_ACQUIRE));
	return true;
}

bool guest_memory_store16(struct guest_memory *memory, uint64_t address, uint16_t value)
{
	uint64_t offset;
	if (address % sizeof(uint16_t) != 0 || !find(memory, address, sizeof(uint16_t), &offset))
		return false;
	__atomic_store_n((uint16_t *)(memory->ram + offset), htole16(value), __ATOMIC_RELEASE);
	mark(memory, offset, sizeof(uint16_t));
	return true;
}

const uint8_t *guest_memory_for_reading(const struct guest_memory *memory, uint64_t address, size_t size)
{
	uint64_t offset;
	return find(memory, address, size, &offset) ? memory->ram + offset : NULL;
}

uint8_t *guest_memory_for_writing(struct guest_memory *memory, uint64_t address, size_t size)
{
	uint64_t offset;
	return find(memory, address, size, &offset) ? memory->ram + offset : NULL;
}

void guest_memory_wrote(struct guest_memory *memory, uint64_t address, size_t size)
{
	uint64_t offset;
	bool found = find(memory, address, size, &offset);
	assert(found);
	mark(memory, offset, size);
}

bool guest_memory_take_written(struct guest_memory *memory, uint64_t page_address)
{
	uint64_t offset;
	if (!find(memory, page_address, 1, &offset))
		return false;
	uint64_t page = offset / GUEST_PAGE, bit = UINT64_C(1) << page % PAGES_A_WORD;
	return atomic_fetch_and_explicit(&memory->written[page / PAGES_A_WORD], ~bit, memory_order_acq_rel) & bit;
}
