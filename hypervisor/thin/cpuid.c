/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of KVM's table, in which some leaves are emptied, some bits cleared, and those made anew that say where a
 * processor is in its package, and how much room its state takes. The APIC id of a vCPU is its number, and all are
 * cores of one package, with one thread each.
 */
#include "hypervisor/thin/cpuid.h"

#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/err.h"

#define BIT(n) (UINT32_C(1) << (n))

enum { ENTRIES_MAX = 256, TOPOLOGY_LEVELS = 3 };

/* Leaf 0xd (Intel SDM volume 1, chapter 13): subleaf n from 2 on is component n of the state. */
enum {
	XSAVE = 0xd,
	XSAVE_COMPONENTS = 2,
	XSAVE_COMPONENTS_END = 64,
	XSAVE_BEGIN = 512 + 64, /* the legacy area and the header */
	XSAVE_ALIGNED = 1 << 1, /* in ECX of a component: compacted, it begins at a multiple of XSAVE_ALIGNMENT */
	XSAVE_ALIGNMENT = 64,
	XSAVE_COMPACTS = 1 << 1 | 1 << 3, /* XSAVEC, XSAVES: in EAX of subleaf 1 */
};

/* What one leaf loses: bits of EAX, EBX, ECX, EDX. */
struct loss {
	uint32_t leaf, subleaf;
	uint32_t eax, ebx, ecx, edx;
};

static const struct loss losses[] = {
	{0x1, 0, .ecx = BIT(2) /* DTES64 */ | BIT(5) /* VMX */ | BIT(6) /* SMX */ | BIT(15) /* PDCM */,
	 .edx = BIT(21) /* debug store */},
	{0x7, 0, .ebx = BIT(2) /* SGX */ | BIT(25) /* processor trace */, .ecx = BIT(30) /* SGX launch control */,
	 .edx = BIT(22) | BIT(24) | BIT(25) /* AMX */},
	{0x7, 1, .eax = BIT(21) /* AMX-FP16 */, .edx = BIT(8) /* AMX-COMPLEX */},
	{XSAVE, 0, .eax = BIT(8) | BIT(17) | BIT(18) /* what XCR0 knows of trace and AMX */},
	{XSAVE, 1, .eax = BIT(4) /* faults at first use, which AMX alone has */, .ecx = BIT(8) /* trace in XSS */},
	{0x80000001, 0,
	 .ecx = BIT(2) /* SVM */ | BIT(10) /* IBS */ | BIT(12) /* SKINIT */ | BIT(15) /* LWP */ | BIT(23) | BIT(24) |
		BIT(28) /* performance counters */},
};

/* Leaves that describe only what is left out: they read as zeros. */
static bool is_emptied(const struct kvm_cpuid_entry2 *entry)
{
	switch (entry->function) {
	case 0xa:	 /* performance monitoring */
	case 0x12:	 /* SGX */
	case 0x14:	 /* processor trace */
	case 0x1d:	 /* AMX tiles */
	case 0x1e:	 /* AMX multiplication */
	case 0x1f:	 /* topology once more, with levels that there are none of */
	case 0x8000000a: /* SVM */
	case 0x8000001b: /* instruction based sampling */
	case 0x8000001f: /* memory encryption */
	case 0x80000022: /* performance monitoring */
	case 0x80000026: /* topology once more */
		return true;
	default:
		return false;
	}
}

/* How many bits number that many. */
static uint32_t bits_for(uint32_t n)
{
	uint32_t bits = 0;
	while ((UINT32_C(1) << bits) < n)
		bits++;
	return bits;
}

static void clear(struct kvm_cpuid_entry2 *entry)
{
	entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
}

static void lose(struct kvm_cpuid_entry2 *entry)
{
	for (size_t i = 0; i < ARRAY_LENGTH(losses); i++) {
		if (losses[i].leaf != entry->function || losses[i].subleaf != entry->index)
			continue;
		entry->eax &= ~losses[i].eax;
		entry->ebx &= ~losses[i].ebx;
		entry->ecx &= ~losses[i].ecx;
		entry->edx &= ~losses[i].edx;
	}
	if (is_emptied(entry))
		clear(entry);
}

static void set_bit(uint32_t *reg, unsigned bit, bool on)
{
	*reg = on ? *reg | BIT(bit) : *reg & ~BIT(bit);
}

static void set_field(uint32_t *reg, unsigned low, unsigned width, uint32_t value)
{
	uint32_t mask = (BIT(width) - 1) << low;
	*reg = (*reg & ~mask) | ((value << low) & mask);
}

static void place_basic(struct kvm_cpuid_entry2 *entry, const struct cpuid_place *place)
{
	set_field(&entry->ebx, 24, 8, place->vcpu);
	set_field(&entry->ebx, 16, 8, place->vcpus);
	set_bit(&entry->ecx, 24, place->tsc_deadline);
	set_bit(&entry->ecx, 31, true); /* there is a hypervisor */
	set_bit(&entry->edx, 28, place->vcpus > 1);
}

/* A cache of level 3 is shared by all, the others by nobody. 4 of Intel, 0x8000001d of AMD: same places. */
static void place_cache(struct kvm_cpuid_entry2 *entry, const struct cpuid_place *place)
{
	uint32_t type = entry->eax & 0x1f, level = (entry->eax >> 5) & 7;
	if (type == 0)
		return;
	set_field(&entry->eax, 14, 12, level >= 3 ? place->vcpus - 1 : 0);
	if (entry->function == 0x4)
		set_field(&entry->eax, 26, 6, BIT(bits_for(place->vcpus)) - 1);
}

static void place_level(struct kvm_cpuid_entry2 *entry, const struct cpuid_place *place)
{
	static const uint32_t kinds[] = {1 /* threads */, 2 /* cores */, 0};
	uint32_t level = entry->index < TOPOLOGY_LEVELS ? entry->index : TOPOLOGY_LEVELS - 1;
	entry->eax = level == 1 ? bits_for(place->vcpus) : 0;
	entry->ebx = level == 0 ? 1 : level == 1 ? place->vcpus : 0;
	entry->ecx = entry->index | kinds[level] << 8;
	entry->edx = place->vcpu;
}

static void place(struct kvm_cpuid_entry2 *entry, const struct cpuid_place *place)
{
	switch (entry->function) {
	case 0x1:
		place_basic(entry, place);
		break;
	case 0x4:
	case 0x8000001d:
		place_cache(entry, place);
		break;
	case 0xb:
		place_level(entry, place);
		break;
	case 0x80000001:
		set_bit(&entry->ecx, 1, place->vcpus > 1); /* more cores than one, told as of old */
		break;
	case 0x80000008:
		set_field(&entry->ecx, 0, 8, place->vcpus - 1);
		set_field(&entry->ecx, 12, 4, bits_for(place->vcpus));
		break;
	case 0x8000001e:
		entry->eax = entry->ebx = place->vcpu; /* APIC id; core, of one thread */
		entry->ecx = 0;
		break;
	default:
		break;
	}
}

/* ---- The room that a processor's state takes ---- */

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *table, uint32_t leaf, uint32_t subleaf)
{
	for (uint32_t i = 0; i < table->nent; i++)
		if (table->entries[i].function == leaf && table->entries[i].index == subleaf)
			return &table->entries[i];
	return NULL;
}

static bool is_component(const struct kvm_cpuid_entry2 *entry)
{
	return entry->function == XSAVE && entry->index >= XSAVE_COMPONENTS && entry->index < XSAVE_COMPONENTS_END;
}

/* KVM gives components in rising order, in which they also lie. */
static uint32_t xsave_size(const struct kvm_cpuid2 *table, uint64_t components, bool compacted)
{
	uint32_t size = XSAVE_BEGIN;
	for (uint32_t i = 0; i < table->nent; i++) {
		const struct kvm_cpuid_entry2 *entry = &table->entries[i];
		if (!is_component(entry) || !(components >> entry->index & 1))
			continue;
		uint32_t at = compacted ? size : entry->ebx;
		if (compacted && entry->ecx & XSAVE_ALIGNED)
			at = (at + XSAVE_ALIGNMENT - 1) & ~(XSAVE_ALIGNMENT - 1U);
		size = at + entry->eax > size ? at + entry->eax : size;
	}
	return size;
}

static void clear_components_but(struct kvm_cpuid2 *table, uint64_t components)
{
	for (uint32_t i = 0; i < table->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &table->entries[i];
		if (is_component(entry) && !(components >> entry->index & 1))
			clear(entry);
	}
}

/* As KVM does: EBX is said for all that can be enabled. KVM itself says it anew for what is, at each change of XCR0. */
static void size_xsave(struct kvm_cpuid2 *table)
{
	struct kvm_cpuid_entry2 *user = find(table, XSAVE, 0), *more = find(table, XSAVE, 1);
	if (!user || !more)
		return;
	uint64_t xcr0 = user->eax | (uint64_t)user->edx << 32, xss = more->ecx | (uint64_t)more->edx << 32;
	clear_components_but(table, xcr0 | xss);
	user->ebx = user->ecx = xsave_size(table, xcr0, false);
	more->ebx = more->eax & XSAVE_COMPACTS ? xsave_size(table, xcr0 | xss, true) : 0;
}

static struct kvm_cpuid2 *new_table(size_t entries, struct err **errp)
{
	struct kvm_cpuid2 *table = calloc(1, sizeof(*table) + entries * sizeof(table->entries[0]));
	if (table)
		table->nent = (uint32_t)entries;
	else
		err_set_no_memory(errp);
	return table;
}

struct kvm_cpuid2 *cpuid_supported(int kvm, struct err **errp)
{
	AUTO(freep) struct kvm_cpuid2 *table = new_table(ENTRIES_MAX, errp);
	if (!table)
		return NULL;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, table) != 0) {
		err_set_errno(errp, errno, "KVM does not tell which processor it can show to a guest");
		return NULL;
	}
	return STEAL(&table);
}

/* Intel's and AMD's way to tell of cores must be there with all its levels, also where KVM gave fewer. */
static bool is_level(const struct kvm_cpuid_entry2 *entry)
{
	return entry->function == 0xb;
}

static void add_levels(struct kvm_cpuid2 *table)
{
	for (uint32_t i = 0; i < TOPOLOGY_LEVELS; i++)
		table->entries[table->nent++] = (struct kvm_cpuid_entry2){
			.function = 0xb, .index = i, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX};
}

struct kvm_cpuid2 *cpuid_for(const struct kvm_cpuid2 *supported, const struct cpuid_place *where, struct err **errp)
{
	assert(where->vcpu < where->vcpus && where->vcpus <= UINT8_MAX);
	struct kvm_cpuid2 *table = new_table((size_t)supported->nent + TOPOLOGY_LEVELS, errp);
	if (!table)
		return NULL;
	bool levels = false;
	table->nent = 0;
	for (uint32_t i = 0; i < supported->nent; i++) {
		levels |= is_level(&supported->entries[i]);
		if (!is_level(&supported->entries[i]))
			table->entries[table->nent++] = supported->entries[i];
	}
	if (levels)
		add_levels(table);
	for (uint32_t i = 0; i < table->nent; i++) {
		lose(&table->entries[i]);
		place(&table->entries[i], where);
	}
	size_xsave(table);
	return table;
}
