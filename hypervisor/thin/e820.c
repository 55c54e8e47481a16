/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/e820.h"

#include "hypervisor/thin/guest_memory.h"

enum { BIOS_DATA = 0x9fc00, FIRST_MIB = 0x100000 };

uint64_t e820_reserved_page(const struct guest_memory *memory)
{
	struct guest_memory_part parts[2];
	guest_memory_parts(memory, parts);
	return parts[0].size - GUEST_PAGE;
}

/* From RAM's begin on, with what is reserved behind it, and RAM above 4 GiB. */
static size_t add_rest(const struct guest_memory *memory, uint64_t begin, struct e820_range *ret)
{
	struct guest_memory_part parts[2];
	size_t n = guest_memory_parts(memory, parts);
	uint64_t page = e820_reserved_page(memory);
	ret[0] = (struct e820_range){begin, page - begin, E820_RAM};
	ret[1] = (struct e820_range){page, GUEST_PAGE, E820_RESERVED};
	if (n == 2)
		ret[2] = (struct e820_range){parts[1].address, parts[1].size, E820_RAM};
	return n + 1;
}

size_t e820_for_firmware(const struct guest_memory *memory, struct e820_range ret[E820_MAX])
{
	return add_rest(memory, 0, ret);
}

size_t e820_for_kernel(const struct guest_memory *memory, struct e820_range ret[E820_MAX])
{
	ret[0] = (struct e820_range){0, BIOS_DATA, E820_RAM};
	ret[1] = (struct e820_range){BIOS_DATA, FIRST_MIB - BIOS_DATA, E820_RESERVED};
	return 2 + add_rest(memory, FIRST_MIB, ret + 2);
}

void e820_write(struct bytes *to, const struct e820_range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bytes_u64(to, ranges[i].address);
		bytes_u64(to, ranges[i].size);
		bytes_u32(to, ranges[i].type);
	}
}
