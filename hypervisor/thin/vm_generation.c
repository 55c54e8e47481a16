/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/vm_generation.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

#include "base/err.h"
#include "hypervisor/thin/e820.h"
#include "hypervisor/thin/guest_memory.h"

bool vm_generation_make(struct vm_generation *ret, struct err **errp)
{
	struct vm_generation generation;
	/* So few bytes come at once, or not at all. */
	if (getrandom(generation.id, sizeof(generation.id), 0) != sizeof(generation.id))
		return err_set_errno(errp, errno, "no random numbers for the machine's generation");
	*ret = generation;
	return true;
}

uint64_t vm_generation_address(const struct guest_memory *memory)
{
	return e820_reserved_page(memory);
}

void vm_generation_place(const struct vm_generation *generation, struct guest_memory *memory)
{
	bool there = guest_memory_write(memory, vm_generation_address(memory), generation->id, sizeof(generation->id));
	assert(there);
}
