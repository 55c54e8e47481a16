/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regions sorted by base, under a lock that every access holds for reading: so a region is never withdrawn under an
 * access.
 *
 * Lock order: a region's ops run under this lock, so who claims or withdraws holds no lock that an access on the same
 * bus waits for.
 */
#include "hypervisor/thin/bus.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct bus {
	pthread_rwlock_t lock;
	struct bus_region *regions;
	size_t n;
};

struct bus *bus_new(struct err **errp)
{
	struct bus *bus = calloc(1, sizeof(*bus));
	if (bus)
		pthread_rwlock_init(&bus->lock, NULL);
	else
		err_set_no_memory(errp);
	return bus;
}

void bus_free(struct bus *bus)
{
	if (!bus)
		return;
	pthread_rwlock_destroy(&bus->lock);
	free(bus->regions);
	free(bus);
}

/* How many regions begin at or below the address. The lock is held. */
static size_t count_up_to(const struct bus *bus, uint64_t address)
{
	size_t low = 0, high = bus->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (bus->regions[middle].base <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has_last_byte(const struct bus_region *region)
{
	return region->size > 0 && region->size - 1 <= UINT64_MAX - region->base;
}

static bool insert(struct bus *bus, const struct bus_region *region, struct err **errp)
{
	size_t at = count_up_to(bus, region->base);
	const struct bus_region *below = at > 0 ? &bus->regions[at - 1] : NULL;
	const struct bus_region *above = at < bus->n ? &bus->regions[at] : NULL;
	if ((below && region->base - below->base < below->size) || (above && above->base - region->base < region->size))
		return err_set(errp, ERR_EXISTS, "somebody else answers in 0x%" PRIx64 "-0x%" PRIx64, region->base,
			       region->base + (region->size - 1));
	struct bus_region *grown = reallocarray(bus->regions, bus->n + 1, sizeof(grown[0]));
	if (!grown)
		return err_set_no_memory(errp);
	bus->regions = grown;
	memmove(grown + at + 1, grown + at, (bus->n - at) * sizeof(grown[0]));
	grown[at] = *region;
	bus->n++;
	return true;
}

bool bus_claim(struct bus *bus, const struct bus_region *region, struct err **errp)
{
	assert(has_last_byte(region) && region->ops);
	pthread_rwlock_wrlock(&bus->lock);
	bool ok = insert(bus, region, errp);
	pthread_rwlock_unlock(&bus->lock);
	return ok;
}

void bus_withdraw(struct bus *bus, uint64_t base)
{
	pthread_rwlock_wrlock(&bus->lock);
	size_t behind = count_up_to(bus, base);
	assert(behind > 0 && bus->regions[behind - 1].base == base);
	memmove(bus->regions + behind - 1, bus->regions + behind, (bus->n - behind) * sizeof(bus->regions[0]));
	bus->n--;
	pthread_rwlock_unlock(&bus->lock);
}

/* Who answers the whole access; NULL for nobody. The lock is held. */
static const struct bus_region *find(const struct bus *bus, uint64_t address, unsigned size)
{
	size_t up_to = count_up_to(bus, address);
	if (up_to == 0)
		return NULL;
	const struct bus_region *region = &bus->regions[up_to - 1];
	uint64_t offset = address - region->base;
	return offset < region->size && size <= region->size - offset ? region : NULL;
}

static uint64_t all_ones(unsigned size)
{
	return UINT64_MAX >> (64 - 8 * size);
}

static bool is_size(unsigned size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

uint64_t bus_read(struct bus *bus, uint64_t address, unsigned size)
{
	assert(is_size(size));
	uint64_t value = UINT64_MAX;
	pthread_rwlock_rdlock(&bus->lock);
	const struct bus_region *region = find(bus, address, size);
	if (region && region->ops->read)
		value = region->ops->read(region->device, address - region->base, size);
	pthread_rwlock_unlock(&bus->lock);
	return value & all_ones(size);
}

void bus_write(struct bus *bus, uint64_t address, unsigned size, uint64_t value)
{
	assert(is_size(size));
	pthread_rwlock_rdlock(&bus->lock);
	const struct bus_region *region = find(bus, address, size);
	if (region && region->ops->write)
		region->ops->write(region->device, address - region->base, size, value & all_ones(size));
	pthread_rwlock_unlock(&bus->lock);
}
