/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All state of a vCPU, out of KVM and back. The order matters, and is that of KVM's dependencies:
 *
 * - saving asks for MP_STATE first, since that lets pending INITs happen, and for events last;
 * - loading sets special registers before the local APIC, that before MSRs (its timer's deadline is one), and events
 * after registers, which clear what is pending.
 *
 * Of the events KVM takes what their flags name. Those that it set when it told them name all: NMI, shadow, SMM with a
 * pending INIT, and a triple fault (vm.c). So whatever a vCPU was about to meet goes with its old state. The flag of
 * the SIPI's vector is never set, and needs not be: without an INIT that SIPI is dropped.
 *
 * What a time stamp counter holds is not put back: all vCPUs begin again with zero, which KVM takes as the wish that
 * they run alike.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/err.h"
#include "hypervisor/thin/vcpu_internal.h"

#define MSR_TSC 0x10U
#define MSR_MTRR_DEFAULT 0x2ffU
#define MTRR_ON (1U << 11)
#define MTRR_WRITE_BACK 6U

struct range {
	uint32_t first, last;
};

/* Intel SDM volume 4; AMD APM volume 2, appendix A; Linux, Documentation/virt/kvm/x86/msr.rst. */
static const struct range kept[] = {
	{MSR_TSC, MSR_TSC},
	{0x11, 0x12},	/* KVM's clock, as of old */
	{0x3a, 0x3b},	/* feature control, TSC adjust */
	{0x48, 0x48},	/* speculation control */
	{0xe1, 0xe1},	/* UMWAIT */
	{0x122, 0x122}, /* TSX control */
	{0x140, 0x140}, /* faults of CPUID */
	{0x174, 0x176}, /* SYSENTER */
	{0x17a, 0x17b}, /* machine checks */
	{0x1a0, 0x1a0}, /* miscellaneous enables */
	{0x1fc, 0x1fc}, /* power */
	{0x200, 0x20f}, /* MTRRs of variable ranges */
	{0x250, 0x250}, /* MTRRs of fixed ranges */
	{0x258, 0x259},
	{0x268, 0x26f},
	{0x277, 0x277}, /* PAT */
	{MSR_MTRR_DEFAULT, MSR_MTRR_DEFAULT},
	{0x400, 0x47f},		  /* banks of machine checks */
	{0x6a0, 0x6a2},		  /* shadow stacks: whose, */
	{0x6a4, 0x6a8},		  /* and where they are */
	{0x6e0, 0x6e0},		  /* the APIC timer's deadline: behind the TSC */
	{0xda0, 0xda0},		  /* XSS */
	{0x4b564d00, 0x4b564d08}, /* KVM's own */
	{0xc0000081, 0xc0000084}, /* SYSCALL */
	{0xc0000102, 0xc0000103}, /* kernel's GS, TSC_AUX */
	{0xc0010015, 0xc0010015}, /* HWCR */
	{0xc001011f, 0xc001011f}, /* speculation control of AMD's */
};

struct vcpu_state {
	struct kvm_mp_state mp;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	_Alignas(struct kvm_xsave) uint8_t xsave[sizeof(struct kvm_xsave)];
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debug;
	struct kvm_lapic_state apic;
	struct kvm_vcpu_events events;
	struct kvm_msrs msrs; /* its entries follow */
};

static size_t msrs_size(uint32_t n)
{
	return n * sizeof(struct kvm_msr_entry);
}

static uint32_t count_kept(void)
{
	uint32_t n = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
		n += kept[i].last - kept[i].first + 1;
	return n;
}

/* Both requests stop at the first that KVM does not have: that one is dropped, and they are made again for those that
 * are left. */
static bool drop_unknown(struct vcpu *vcpu, unsigned long request, struct err **errp)
{
	struct kvm_msrs *msrs = vcpu->msrs;
	for (;;) {
		int known = ioctl(vcpu->fd, request, msrs);
		if (known < 0)
			return err_set_errno(errp, errno, "vCPU %u: KVM tells nothing of its registers",
					     vcpu->options.index);
		if ((uint32_t)known >= msrs->nmsrs)
			return true;
		memmove(&msrs->entries[known], &msrs->entries[known + 1], msrs_size(msrs->nmsrs - (uint32_t)known - 1));
		msrs->nmsrs--;
	}
}

static void begin_tsc_at_zero(struct kvm_msrs *msrs)
{
	for (uint32_t i = 0; i < msrs->nmsrs; i++)
		if (msrs->entries[i].index == MSR_TSC)
			msrs->entries[i].data = 0;
}

bool vcpu_choose_msrs(struct vcpu *vcpu, struct err **errp)
{
	vcpu->msrs = calloc(1, sizeof(*vcpu->msrs) + msrs_size(count_kept()));
	if (!vcpu->msrs)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
		for (uint32_t index = kept[i].first; index <= kept[i].last; index++)
			vcpu->msrs->entries[vcpu->msrs->nmsrs++].index = index;
	if (!drop_unknown(vcpu, KVM_GET_MSRS, errp))
		return false;
	begin_tsc_at_zero(vcpu->msrs);
	return drop_unknown(vcpu, KVM_SET_MSRS, errp);
}

bool vcpu_cache_memory(struct vcpu *vcpu, struct err **errp)
{
	AUTO(freep) struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + msrs_size(1));
	if (!msrs)
		return err_set_no_memory(errp);
	msrs->nmsrs = 1;
	msrs->entries[0] = (struct kvm_msr_entry){.index = MSR_MTRR_DEFAULT, .data = MTRR_ON | MTRR_WRITE_BACK};
	return ioctl(vcpu->fd, KVM_SET_MSRS, msrs) == 1 ||
	       err_set(errp, ERR_FAILED, "vCPU %u: KVM does not take the type of memory", vcpu->options.index);
}

static bool save_msrs(const struct vcpu *vcpu, struct kvm_msrs *msrs, struct err **errp)
{
	msrs->nmsrs = vcpu->msrs->nmsrs;
	memcpy(msrs->entries, vcpu->msrs->entries, msrs_size(msrs->nmsrs));
	int n = ioctl(vcpu->fd, KVM_GET_MSRS, msrs);
	if (n < 0 || (uint32_t)n < msrs->nmsrs)
		return err_set(errp, ERR_FAILED, "vCPU %u: KVM does not tell all registers any more",
			       vcpu->options.index);
	begin_tsc_at_zero(msrs);
	return true;
}

struct vcpu_state *vcpu_save(const struct vcpu *vcpu, struct err **errp)
{
	AUTO(freep) struct vcpu_state *state = calloc(1, sizeof(*state) + msrs_size(vcpu->msrs->nmsrs));
	if (!state) {
		err_set_no_memory(errp);
		return NULL;
	}
	bool ok = vcpu_call(vcpu, KVM_GET_MP_STATE, &state->mp, errp) &&
		  vcpu_call(vcpu, KVM_GET_REGS, &state->regs, errp) &&
		  vcpu_call(vcpu, KVM_GET_SREGS, &state->sregs, errp) &&
		  vcpu_call(vcpu, KVM_GET_XSAVE, state->xsave, errp) &&
		  vcpu_call(vcpu, KVM_GET_XCRS, &state->xcrs, errp) &&
		  vcpu_call(vcpu, KVM_GET_DEBUGREGS, &state->debug, errp) &&
		  vcpu_call(vcpu, KVM_GET_LAPIC, &state->apic, errp) && save_msrs(vcpu, &state->msrs, errp) &&
		  vcpu_call(vcpu, KVM_GET_VCPU_EVENTS, &state->events, errp);
	return ok ? STEAL(&state) : NULL;
}

static bool load_msrs(struct vcpu *vcpu, const struct kvm_msrs *msrs, struct err **errp)
{
	int n = ioctl(vcpu->fd, KVM_SET_MSRS, msrs);
	if (n >= 0 && (uint32_t)n >= msrs->nmsrs)
		return true;
	return err_set(errp, ERR_FAILED, "vCPU %u: KVM does not take register 0x%x", vcpu->options.index,
		       n < 0 ? 0 : msrs->entries[n].index);
}

bool vcpu_load(struct vcpu *vcpu, const struct vcpu_state *state, struct err **errp)
{
	vcpu->exits = 0;
	memset(vcpu->trail, 0, sizeof(vcpu->trail));
	return vcpu_call(vcpu, KVM_SET_MP_STATE, &state->mp, errp) &&
	       vcpu_call(vcpu, KVM_SET_REGS, &state->regs, errp) &&
	       vcpu_call(vcpu, KVM_SET_SREGS, &state->sregs, errp) &&
	       vcpu_call(vcpu, KVM_SET_XSAVE, state->xsave, errp) &&
	       vcpu_call(vcpu, KVM_SET_XCRS, &state->xcrs, errp) &&
	       vcpu_call(vcpu, KVM_SET_DEBUGREGS, &state->debug, errp) &&
	       vcpu_call(vcpu, KVM_SET_LAPIC, &state->apic, errp) && load_msrs(vcpu, &state->msrs, errp) &&
	       vcpu_call(vcpu, KVM_SET_VCPU_EVENTS, &state->events, errp);
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .s = 1, .g = 1};
}

/* The selectors of the boot protocol, for code and for data, and the task that entering a guest asks for. */
static void set_segments(struct kvm_sregs *sregs)
{
	struct kvm_segment data = flat_segment(0x18, 3);
	data.db = 1;
	sregs->cs = flat_segment(0x10, 11);
	sregs->cs.l = 1;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){.limit = 0x67, .selector = 0x20, .type = 11, .present = 1};
}

bool vcpu_enter_long_mode(struct vcpu *vcpu, const struct vcpu_long_mode *entry, struct err **errp)
{
	struct kvm_sregs sregs = {0};
	struct kvm_regs regs = {.rip = entry->rip, .rsp = entry->rsp, .rsi = entry->rsi, .rflags = 2};
	if (!vcpu_call(vcpu, KVM_GET_SREGS, &sregs, errp))
		return false;
	set_segments(&sregs);
	sregs.gdt = (struct kvm_dtable){.base = entry->gdt, .limit = 5 * 8 - 1};
	sregs.idt = (struct kvm_dtable){.limit = 0};
	sregs.cr3 = entry->cr3;
	sregs.cr4 |= 1U << 5;			       /* PAE */
	sregs.cr0 = 1U | 1U << 4 | 1U << 5 | 1U << 31; /* protected, ET, NE, paging */
	sregs.efer |= 1U << 8 | 1U << 10;	       /* long mode, enabled and active */
	return vcpu_call(vcpu, KVM_SET_SREGS, &sregs, errp) && vcpu_call(vcpu, KVM_SET_REGS, &regs, errp);
}
