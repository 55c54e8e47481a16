/* SPDX-License-Identifier: Apache-2.0 */
/* The processor a guest sees, made over a table in which KVM supports everything. */
#include "hypervisor/thin/cpuid.h"

#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit.h"

#define ALL UINT32_MAX

static const struct kvm_cpuid_entry2 everything[] = {
	{.function = 0x0, .eax = 0x1f, .ebx = 0x756e6547},
	{.function = 0x1, .eax = ALL, .ebx = ALL, .ecx = ALL, .edx = ALL},
	{.function = 0x4, .index = 0, .eax = 0x1c004121, .ebx = 1},
	{.function = 0x4, .index = 1, .eax = 0x1c03c163, .ebx = 1},
	{.function = 0x4, .index = 2, .eax = 0, .ebx = 0},
	{.function = 0x7, .index = 0, .eax = 1, .ebx = ALL, .ecx = ALL, .edx = ALL},
	{.function = 0x7, .index = 1, .eax = ALL, .edx = ALL},
	{.function = 0xa, .eax = ALL, .ebx = ALL, .ecx = ALL, .edx = ALL},
	{.function = 0xb, .index = 0, .eax = ALL},
	{.function = 0xd, .index = 0, .eax = ALL, .ecx = ALL},
	{.function = 0xd, .index = 1, .eax = ALL, .ecx = 0x1900},
	{.function = 0xd, .index = 2, .eax = 256, .ebx = 576},
	{.function = 0xd, .index = 17, .eax = 64, .ebx = 2752},
	{.function = 0x12, .eax = ALL, .ebx = ALL},
	{.function = 0x14, .eax = ALL, .ebx = ALL},
	{.function = 0x1d, .eax = ALL},
	{.function = 0x1e, .ebx = ALL},
	{.function = 0x1f, .ebx = ALL},
	{.function = 0x40000000, .eax = 0x40000001, .ebx = 0x4b4d564b},
	{.function = 0x40000001, .eax = 0x0100007b},
	{.function = 0x80000001, .ecx = ALL, .edx = ALL},
	{.function = 0x80000008, .eax = 0x3030, .ecx = ALL},
	{.function = 0x8000000a, .eax = ALL, .edx = ALL},
	{.function = 0x8000001d, .index = 3, .eax = 0x4163},
	{.function = 0x8000001e, .eax = ALL, .ebx = ALL, .ecx = ALL},
	{.function = 0x8000001f, .eax = ALL},
};

static struct kvm_cpuid2 *table_for(unsigned vcpu, unsigned vcpus, bool tsc_deadline)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) struct kvm_cpuid2 *supported = calloc(1, sizeof(*supported) + sizeof(everything));
	assert_non_null(supported);
	supported->nent = ARRAY_LENGTH(everything);
	memcpy(supported->entries, everything, sizeof(everything));
	struct kvm_cpuid2 *table = cpuid_for(supported, &(struct cpuid_place){vcpu, vcpus, tsc_deadline}, &err);
	assert_non_null(table);
	return table;
}

static struct kvm_cpuid_entry2 leaf(const struct kvm_cpuid2 *table, uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 found = {0};
	int n = 0;
	for (uint32_t i = 0; i < table->nent; i++) {
		if (table->entries[i].function != function || table->entries[i].index != index)
			continue;
		found = table->entries[i];
		n++;
	}
	assert_int_equal(n, 1);
	return found;
}

static void assert_empty(const struct kvm_cpuid2 *table, uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 entry = leaf(table, function, index);
	assert_int_equal(entry.eax | entry.ebx | entry.ecx | entry.edx, 0);
}

static void what_cannot_be_carried_is_not_shown(void **state)
{
	AUTO(freep) struct kvm_cpuid2 *table = table_for(0, 1, true);
	(void)state;
	assert_int_equal(leaf(table, 0x1, 0).ecx & (1U << 5 | 1U << 6), 0);  /* VMX, SMX */
	assert_int_equal(leaf(table, 0x7, 0).ebx & (1U << 2 | 1U << 25), 0); /* SGX, PT */
	assert_int_equal(leaf(table, 0x7, 0).edx & (7U << 22), 1U << 23);    /* AMX, and a neighbour that stays */
	assert_int_equal(leaf(table, 0x7, 1).eax, ALL & ~(1U << 21));
	assert_int_equal(leaf(table, 0xd, 0).eax, ALL & ~(1U << 8 | 3U << 17));
	assert_int_equal(leaf(table, 0xd, 1).ecx, 0x1800);
	assert_int_equal(leaf(table, 0xd, 1).eax, ALL & ~(1U << 4));   /* XFD */
	assert_int_equal(leaf(table, 0x80000001, 0).ecx & 1U << 2, 0); /* SVM */
	assert_int_equal(leaf(table, 0xd, 2).ebx, 576);
	assert_empty(table, 0xd, 17);
	for (uint32_t i = 0; i < 7; i++)
		assert_empty(table, (uint32_t[]){0xa, 0x12, 0x14, 0x1d, 0x1e, 0x8000000a, 0x8000001f}[i], 0);
}

static void one_vcpu_is_a_package_of_one_core(void **state)
{
	AUTO(freep) struct kvm_cpuid2 *table = table_for(0, 1, false);
	struct kvm_cpuid_entry2 basic = leaf(table, 0x1, 0);
	(void)state;
	assert_int_equal(basic.ebx >> 16, 1);
	assert_int_equal(basic.edx & 1U << 28, 0);
	assert_int_equal(basic.ecx & 1U << 24, 0); /* TSC deadline */
	assert_int_equal(basic.ecx >> 31, 1);	   /* hypervisor */
	assert_int_equal(leaf(table, 0xb, 1).eax, 0);
	assert_int_equal(leaf(table, 0xb, 1).ebx, 1);
	assert_int_equal(leaf(table, 0x80000008, 0).ecx & 0xf0ff, 0);
	assert_int_equal(leaf(table, 0x4, 0).eax >> 26, 0);
}

static void each_vcpu_is_a_core_with_its_number(void **state)
{
	AUTO(freep) struct kvm_cpuid2 *table = table_for(5, 6, true);
	struct kvm_cpuid_entry2 basic = leaf(table, 0x1, 0);
	(void)state;
	assert_int_equal(basic.ebx >> 24, 5);
	assert_int_equal((basic.ebx >> 16) & 0xff, 6);
	assert_int_equal(basic.ecx >> 24 & 1, 1);
	assert_int_equal(basic.edx >> 28 & 1, 1);
	assert_int_equal(leaf(table, 0x4, 0).eax >> 26, 7);
	assert_int_equal((leaf(table, 0x4, 0).eax >> 14) & 0xfff, 0);
	assert_int_equal((leaf(table, 0x4, 1).eax >> 14) & 0xfff, 5);
	assert_int_equal(leaf(table, 0x4, 2).eax, 0);
	assert_int_equal((leaf(table, 0x8000001d, 3).eax >> 14) & 0xfff, 5);
	assert_int_equal(leaf(table, 0x80000008, 0).ecx & 0xf0ff, 0x3005);
	assert_int_equal(leaf(table, 0x8000001e, 0).eax, 5);
	assert_int_equal(leaf(table, 0x8000001e, 0).ebx, 5);
}

static void topology_has_all_levels(void **state)
{
	AUTO(freep) struct kvm_cpuid2 *table = table_for(2, 16, true);
	struct kvm_cpuid_entry2 threads = leaf(table, 0xb, 0), cores = leaf(table, 0xb, 1), end = leaf(table, 0xb, 2);
	(void)state;
	assert_int_equal(threads.eax, 0);
	assert_int_equal(threads.ebx, 1);
	assert_int_equal(threads.ecx, 0x100);
	assert_int_equal(cores.eax, 4);
	assert_int_equal(cores.ebx, 16);
	assert_int_equal(cores.ecx, 0x201);
	assert_int_equal(end.ebx, 0);
	assert_int_equal(end.ecx, 2);
	assert_int_equal(threads.edx, 2);
	assert_int_equal(cores.edx, 2);
	assert_int_equal(end.edx, 2);
}

static void a_table_without_topology_gets_none(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) struct kvm_cpuid2 *supported = calloc(1, sizeof(*supported) + sizeof(everything[0]));
	(void)state;
	assert_non_null(supported);
	supported->nent = 1;
	supported->entries[0] = everything[0];
	AUTO(freep) struct kvm_cpuid2 *table = cpuid_for(supported, &(struct cpuid_place){0, 1, false}, &err);
	assert_non_null(table);
	assert_int_equal(table->nent, 1);
}

/* A server's processor with AMX, as KVM tells of it. */
static const struct kvm_cpuid_entry2 state_of_a_server[] = {
	{.function = 0xd, .index = 0, .eax = 0x602e7, .ebx = 0x2b00, .ecx = 0x2b00},
	{.function = 0xd, .index = 1, .eax = 0x1f, .ebx = 0x2a00, .ecx = 0x1900},
	{.function = 0xd, .index = 2, .eax = 256, .ebx = 576},	/* AVX */
	{.function = 0xd, .index = 5, .eax = 64, .ebx = 1088},	/* masks of AVX-512 */
	{.function = 0xd, .index = 6, .eax = 512, .ebx = 1152}, /* and both its halves */
	{.function = 0xd, .index = 7, .eax = 1024, .ebx = 1664},
	{.function = 0xd, .index = 8, .eax = 128, .ecx = 1},	 /* trace */
	{.function = 0xd, .index = 9, .eax = 8, .ebx = 2688},	 /* protection keys */
	{.function = 0xd, .index = 11, .eax = 16, .ecx = 1},	 /* shadow stacks */
	{.function = 0xd, .index = 12, .eax = 24, .ecx = 1 | 2}, /* the same, as if it were to be aligned */
	{.function = 0xd, .index = 17, .eax = 64, .ebx = 2752, .ecx = 2},
	{.function = 0xd, .index = 18, .eax = 8192, .ebx = 2816, .ecx = 6},
};

static struct kvm_cpuid2 *server_table(uint32_t lost_features)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) struct kvm_cpuid2 *supported = calloc(1, sizeof(*supported) + sizeof(state_of_a_server));
	assert_non_null(supported);
	supported->nent = ARRAY_LENGTH(state_of_a_server);
	memcpy(supported->entries, state_of_a_server, sizeof(state_of_a_server));
	supported->entries[1].eax &= ~lost_features;
	struct kvm_cpuid2 *table = cpuid_for(supported, &(struct cpuid_place){0, 1, true}, &err);
	assert_non_null(table);
	return table;
}

static void state_takes_the_room_of_what_is_left(void **state)
{
	AUTO(freep) struct kvm_cpuid2 *table = server_table(0);
	struct kvm_cpuid_entry2 user = leaf(table, 0xd, 0), more = leaf(table, 0xd, 1);
	(void)state;
	assert_int_equal(user.eax, 0x2e7);
	assert_int_equal(user.ebx, 2688 + 8);
	assert_int_equal(user.ecx, 2688 + 8);
	assert_int_equal(more.eax, 0x0f);
	assert_int_equal(more.ecx, 0x1800);
	assert_int_equal(more.ebx, 39 * 64 + 24); /* 576 + 256 + 64 + 512 + 1024 + 8 + 16, up to a multiple of 64 */
	assert_empty(table, 0xd, 8);
	assert_empty(table, 0xd, 17);
	assert_empty(table, 0xd, 18);
	assert_int_equal(leaf(table, 0xd, 12).eax, 24);
}

static void only_what_is_compacted_has_a_compacted_size(void **state)
{
	AUTO(freep) struct kvm_cpuid2 *table = server_table(1U << 1 | 1U << 3);
	(void)state;
	assert_int_equal(leaf(table, 0xd, 1).ebx, 0);
	assert_int_equal(leaf(table, 0xd, 0).ecx, 2688 + 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_carried_is_not_shown),
		cmocka_unit_test(one_vcpu_is_a_package_of_one_core),
		cmocka_unit_test(each_vcpu_is_a_core_with_its_number),
		cmocka_unit_test(topology_has_all_levels),
		cmocka_unit_test(a_table_without_topology_gets_none),
		cmocka_unit_test(state_takes_the_room_of_what_is_left),
		cmocka_unit_test(only_what_is_compacted_has_a_compacted_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
