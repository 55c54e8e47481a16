/* SPDX-License-Identifier: Apache-2.0 */
/* The evidence: where a vCPU is, in which mode, what it was about to do, and what came out of it last. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "hypervisor/thin/board.h"
#include "hypervisor/thin/guest_memory.h"
#include "hypervisor/thin/vcpu_internal.h"

enum { INSTRUCTION_BYTES = 8 };

#define CR0_PROTECTED 1U
#define CR0_PAGING (1U << 31)
#define EFER_LONG (1U << 10)

/* A text that grows up to its end, and no further. */
struct words {
	char *text;
	size_t size, used;
};

static void say(struct words *words, const char *format, ...) PRINTF_LIKE(2, 3);

static void say(struct words *words, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(words->text + words->used, words->size - words->used, format, arguments);
	va_end(arguments);
	size_t left = words->size - words->used - 1;
	words->used += n > 0 && (size_t)n < left ? (size_t)n : n > 0 ? left : 0;
}

static const char *mode(const struct kvm_sregs *sregs)
{
	if (!(sregs->cr0 & CR0_PROTECTED))
		return "real mode";
	if (sregs->efer & EFER_LONG)
		return sregs->cs.l ? "64-bit mode" : "compatibility mode";
	return sregs->cr0 & CR0_PAGING ? "protected mode with paging" : "protected mode";
}

static void say_bytes(struct words *words, const struct vcpu *vcpu, uint64_t linear)
{
	struct kvm_translation at = {.linear_address = linear};
	uint8_t bytes[INSTRUCTION_BYTES];
	if (ioctl(vcpu->fd, KVM_TRANSLATE, &at) != 0 || !at.valid ||
	    !guest_memory_read(vcpu->options.board->memory, at.physical_address, bytes, sizeof(bytes)))
		return;
	say(words, ", code");
	for (size_t i = 0; i < sizeof(bytes); i++)
		say(words, " %02x", bytes[i]);
}

static void say_access(struct words *words, const struct vcpu_access *access)
{
	if (access->size == 0)
		return;
	say(words, " %s %s0x%" PRIx64 "%s0x%" PRIx64 ",", access->write ? "write" : "read", access->port ? "port " : "",
	    access->address, access->write ? "=" : ":", access->value & (UINT64_MAX >> (64 - 8 * access->size)));
}

void vcpu_describe(const struct vcpu *vcpu, char *text, size_t size)
{
	struct words words = {.text = text, .size = size};
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	say(&words, "vCPU %u", vcpu->options.index);
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) != 0 || ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) != 0) {
		say(&words, ", which KVM tells nothing of");
		return;
	}
	say(&words, " in %s, RIP 0x%llx, CS base 0x%llx, RSP 0x%llx, CR0 0x%llx, CR2 0x%llx, CR3 0x%llx, CR4 0x%llx",
	    mode(&sregs), regs.rip, sregs.cs.base, regs.rsp, sregs.cr0, sregs.cr2, sregs.cr3, sregs.cr4);
	say_bytes(&words, vcpu, sregs.cs.base + regs.rip);
	say(&words, "; last accesses, newest first:");
	for (uint64_t i = 1; i <= VCPU_TRAIL && i <= vcpu->exits; i++)
		say_access(&words, &vcpu->trail[(vcpu->exits - i) % VCPU_TRAIL]);
	if (vcpu->exits == 0)
		say(&words, " none");
	else if (words.text[words.used - 1] == ',')
		words.text[--words.used] = '\0';
}
