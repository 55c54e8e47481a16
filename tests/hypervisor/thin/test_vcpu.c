/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machines of one vCPU on the real /dev/kvm, with a few instructions in the place of firmware: what comes out of the
 * guest, how it is parked and put back, and in which words it ends.
 */
#include "hypervisor/thin/vcpu.h"

#include <linux/kvm.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/bus.h"
#include "hypervisor/thin/cpuid.h"
#include "hypervisor/thin/guest_memory.h"
#include "hypervisor/thin/vm.h"
#include "tests/error.h"
#include "tests/hypervisor/thin/kvm.h"

#define ROM 0xfffff000U
#define RESET_VECTOR 0xff0U
#define RAM 0x80000U
#define MMIO 0xa0000U

enum { PORT = 0x10, PORTS = 16, PORT_DONE = 0x1f, PORT_PARK = 0x1e, LOG_MAX = 32 };

static int kvm = -1;

struct access {
	uint64_t address, value;
	unsigned size;
	bool write;
};

struct rig {
	struct guest_memory *memory;
	struct vm *vm;
	struct board board;
	struct vcpu *vcpu;
	struct vcpu_state *begin;
	uint8_t *rom;
	struct access log[LOG_MAX];
	unsigned n;
	int done; /* eventfd: the guest wrote to PORT_DONE, or failed */
	enum vcpu_failure failure;
	char sentence[512], evidence[512];
};

static void assert_done(bool ok, struct err **errp)
{
	if (!ok)
		fail_msg("%s", err_message(*errp));
}

static void ring(int fd)
{
	if (write(fd, &(uint64_t){1}, 8) != 8)
		abort();
}

static void wait_for(int fd)
{
	uint64_t count;
	assert_int_equal(read(fd, &count, 8), 8);
}

static void note(struct rig *rig, struct access access)
{
	if (rig->n < LOG_MAX)
		rig->log[rig->n++] = access;
}

static uint64_t read_port(void *arg, uint64_t offset, unsigned size)
{
	struct rig *rig = arg;
	note(rig, (struct access){.address = PORT + offset, .size = size});
	if (PORT + offset == PORT_PARK) {
		vcpu_ask_to_park(rig->vcpu);
		ring(rig->done);
	}
	return 0x5a;
}

static void write_port(void *arg, uint64_t offset, unsigned size, uint64_t value)
{
	struct rig *rig = arg;
	note(rig, (struct access){PORT + offset, value, size, true});
	if (PORT + offset == PORT_DONE)
		ring(rig->done);
}

static uint64_t read_mmio(void *arg, uint64_t offset, unsigned size)
{
	note(arg, (struct access){.address = MMIO + offset, .size = size});
	return 0x7766;
}

static void write_mmio(void *arg, uint64_t offset, unsigned size, uint64_t value)
{
	note(arg, (struct access){MMIO + offset, value, size, true});
}

static const struct bus_ops port_ops = {read_port, write_port}, mmio_ops = {read_mmio, write_mmio};

static void failed(void *arg, enum vcpu_failure failure, const char *sentence, const char *evidence)
{
	struct rig *rig = arg;
	rig->failure = failure;
	snprintf(rig->sentence, sizeof(rig->sentence), "%s", sentence);
	snprintf(rig->evidence, sizeof(rig->evidence), "%s", evidence);
	ring(rig->done);
}

static void build_board(struct rig *rig, struct err **errp)
{
	assert_non_null(rig->memory = guest_memory_new(RAM, errp));
	assert_non_null(rig->vm = vm_new(kvm, rig->memory, errp));
	assert_true(vm_add_read_only(rig->vm, ROM, rig->rom, GUEST_PAGE, errp));
	assert_non_null(rig->board.ports = bus_new(errp));
	assert_non_null(rig->board.mmio = bus_new(errp));
	rig->board.memory = rig->memory;
	rig->board.chips = vm_chips(rig->vm);
	assert_true(bus_claim(rig->board.ports, &(struct bus_region){PORT, PORTS, &port_ops, rig}, errp));
	assert_true(bus_claim(rig->board.mmio, &(struct bus_region){MMIO, 0x100, &mmio_ops, rig}, errp));
}

static void build_vcpu(struct rig *rig, struct err **errp)
{
	AUTO(freep) struct kvm_cpuid2 *supported = cpuid_supported(kvm, errp);
	assert_non_null(supported);
	AUTO(freep) struct kvm_cpuid2 *cpuid = cpuid_for(supported, &(struct cpuid_place){.vcpus = 1}, errp);
	assert_non_null(cpuid);
	const struct vcpu_options options = {
		.vm = rig->vm, .board = &rig->board, .cpuid = cpuid, .failed = failed, .arg = rig};
	assert_non_null(rig->vcpu = vcpu_new(&options, errp));
	assert_non_null(rig->begin = vcpu_save(rig->vcpu, errp));
	assert_done(vcpu_start(rig->vcpu, errp), errp);
}

/* The code begins at CS:F000 after reset, where CS has the base 0xffff0000; a jump brings the processor there. */
static void rig_new(struct rig *rig, const void *code, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	*rig = (struct rig){.done = eventfd(0, 0)};
	rig->rom = mmap(NULL, GUEST_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(rig->rom != MAP_FAILED && size <= RESET_VECTOR);
	memcpy(rig->rom, code, size);
	memcpy(rig->rom + RESET_VECTOR, "\xe9\x0d\xf0", 3);
	build_board(rig, &err);
	build_vcpu(rig, &err);
}

static void rig_free(struct rig *rig)
{
	vcpu_free(rig->vcpu);
	free(rig->begin);
	vm_free(rig->vm);
	bus_free(rig->board.ports);
	bus_free(rig->board.mmio);
	guest_memory_free(rig->memory);
	munmap(rig->rom, GUEST_PAGE);
	close(rig->done);
}

#define RIG_NEW(rig, code) rig_new((rig), (code), sizeof(code) - 1)

static void assert_access(const struct rig *rig, unsigned i, struct access expected)
{
	assert_true(i < rig->n);
	assert_int_equal(rig->log[i].address, expected.address);
	assert_int_equal(rig->log[i].size, expected.size);
	assert_int_equal(rig->log[i].write, expected.write);
	assert_int_equal(rig->log[i].value, expected.value);
}

/* Writes to a port and to MMIO, reads both, and halts. */
static const char talks[] = "\xba\x10\x00"	       /* mov dx, 0x10 */
			    "\xb0\x41\xee"	       /* mov al, 'A'; out dx, al */
			    "\xb8\x00\xa0\x8e\xd8"     /* mov ax, 0xa000; mov ds, ax */
			    "\xc7\x06\x20\x00\x34\x12" /* mov word [0x20], 0x1234 */
			    "\xa1\x22\x00\xe7\x12"     /* mov ax, [0x22]; out 0x12, ax */
			    "\xe4\x13\xe6\x14"	       /* in al, 0x13; out 0x14, al */
			    "\xe5\x40\xe6\x15"	       /* in ax, 0x40 (KVM's timer); out 0x15, al */
			    "\xe4\x80\xe6\x16"	       /* in al, 0x80 (nobody); out 0x16, al */
			    "\xe6\x1f\xf4\xeb\xfd";    /* out 0x1f, al; hlt; again */

static void check_talk(const struct rig *rig, unsigned i)
{
	assert_access(rig, i, (struct access){0x10, 'A', 1, true});
	assert_access(rig, i + 1, (struct access){MMIO + 0x20, 0x1234, 2, true});
	assert_access(rig, i + 2, (struct access){MMIO + 0x22, 0, 2, false});
	assert_access(rig, i + 3, (struct access){0x12, 0x7766, 2, true});
	assert_access(rig, i + 4, (struct access){0x13, 0, 1, false});
	assert_access(rig, i + 5, (struct access){0x14, 0x5a, 1, true});
	assert_access(rig, i + 7, (struct access){0x16, 0xff, 1, true});
	assert_int_equal(rig->log[i + 8].address, PORT_DONE);
}

static void run_to_end(struct rig *rig)
{
	vcpu_go_on(rig->vcpu);
	wait_for(rig->done);
	vcpu_park(rig->vcpu);
}

/* It begins anew, and talks as at first. */
static void check_next_life(struct rig *rig)
{
	AUTO(err_freep) struct err *err = NULL;
	assert_done(vcpu_load(rig->vcpu, rig->begin, &err), &err);
	run_to_end(rig);
	check_talk(rig, 0);
}

static void accesses_arrive_at_the_buses(void **state)
{
	struct rig rig;
	(void)state;
	RIG_NEW(&rig, talks);
	vcpu_go_on(rig.vcpu);
	wait_for(rig.done);
	vcpu_park(rig.vcpu); /* out of hlt */
	check_talk(&rig, 0);
	rig_free(&rig);
}

static void it_begins_again_as_it_began(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) struct vm_state *chips = NULL;
	struct rig rig;
	(void)state;
	RIG_NEW(&rig, talks);
	assert_non_null(chips = vm_save(rig.vm, &err));
	for (unsigned i = 0; i < 3; i++) {
		vcpu_go_on(rig.vcpu);
		wait_for(rig.done);
		vcpu_park(rig.vcpu);
		check_talk(&rig, i * 9);
		assert_done(vm_load(rig.vm, chips, &err), &err);
		assert_done(vcpu_load(rig.vcpu, rig.begin, &err), &err);
	}
	rig_free(&rig);
}

static void strings_come_whole_and_in_order(void **state)
{
	static const char code[] = "\xbe\x0e\xf0" /* mov si, text */
				   "\xb9\x04\x00" /* mov cx, 4 */
				   "\xba\x10\x00" /* mov dx, 0x10 */
				   "\x2e\xf3\x6e" /* rep outsb, from cs */
				   "\xeb\x04"
				   "ABCD"	   /* jmp over */
				   "\xe6\x1f\xf4"; /* out 0x1f, al; hlt */
	struct rig rig;
	(void)state;
	RIG_NEW(&rig, code);
	run_to_end(&rig);
	for (unsigned i = 0; i < 4; i++)
		assert_access(&rig, i, (struct access){0x10, "ABCD"[i], 1, true});
	rig_free(&rig);
}

static void firmware_cannot_be_written_to(void **state)
{
	static const char code[] = "\xc7\xc3\x00\xf0"	  /* mov bx, 0xf000 */
				   "\x2e\xc6\x07\x90"	  /* mov byte [cs:bx], nop */
				   "\x2e\x8a\x07\xe6\x10" /* mov al, [cs:bx]; out 0x10, al */
				   "\xe6\x1f\xf4";
	struct rig rig;
	(void)state;
	RIG_NEW(&rig, code);
	run_to_end(&rig);
	assert_access(&rig, 0, (struct access){0x10, 0xc7, 1, true});
	assert_int_equal(rig.rom[0], 0xc7);
	rig_free(&rig);
}

/* Waits for a byte in its memory, then tells. */
static const char waits[] = "\x31\xc0\x8e\xd8"	    /* xor ax, ax; mov ds, ax */
			    "\xa0\x00\x05\x84\xc0"  /* mov al, [0x500]; test al, al */
			    "\x74\xf9\xe6\x1f\xf4"; /* jz back; out 0x1f, al; hlt */

static void a_loop_is_left_parked_and_gone_on_with(void **state)
{
	struct rig rig;
	(void)state;
	RIG_NEW(&rig, waits);
	for (int i = 0; i < 100; i++) {
		vcpu_go_on(rig.vcpu);
		vcpu_park(rig.vcpu);
		vcpu_park(rig.vcpu);
	}
	vcpu_go_on(rig.vcpu);
	vcpu_ask_to_park(rig.vcpu);
	vcpu_park(rig.vcpu);
	assert_int_equal(rig.n, 0);
	assert_true(guest_memory_write(rig.memory, 0x500, "!", 1));
	run_to_end(&rig);
	assert_access(&rig, 0, (struct access){PORT_DONE, '!', 1, true});
	rig_free(&rig);
}

/* One that has just been told to go on may still be parked, and gives none. */
static struct vcpu_glance glance_at(struct vcpu *vcpu)
{
	struct vcpu_glance glance;
	for (vcpu_ask_for_glance(vcpu); !vcpu_take_glance(vcpu, &glance); vcpu_ask_for_glance(vcpu))
		sched_yield();
	return glance;
}

static void glances_tell_a_loop_from_a_halt(void **state)
{
	static const char code[] = "\xeb\xfe";
	struct vcpu_glance glance = {0}, again = {0};
	struct rig rig;
	(void)state;
	RIG_NEW(&rig, code);
	assert_false(vcpu_take_glance(rig.vcpu, &glance));
	vcpu_go_on(rig.vcpu);
	do
		glance = glance_at(rig.vcpu);
	while (glance.rip != 0xf000);
	again = glance_at(rig.vcpu);
	assert_int_equal(again.rip, 0xf000);
	assert_int_equal(again.exits, glance.exits);
	assert_false(again.waits || again.interruptible);
	rig_free(&rig); /* while it runs */
}

/* The read asks for parking: that comes behind the whole instruction, and what was read is in the register. */
static void parking_is_behind_the_instruction_that_came_out(void **state)
{
	static const char code[] = "\xb0\x00\xe4\x1e\xe6\x1f\xf4"; /* mov al, 0; in al, PARK; out DONE, al; hlt */
	AUTO(err_freep) struct err *err = NULL;
	struct rig rig;
	(void)state;
	RIG_NEW(&rig, code);
	run_to_end(&rig);
	assert_int_equal(rig.n, 1);
	AUTO(freep) struct vcpu_state *there = vcpu_save(rig.vcpu, &err);
	assert_non_null(there);
	assert_done(vcpu_load(rig.vcpu, rig.begin, &err), &err);
	assert_done(vcpu_load(rig.vcpu, there, &err), &err);
	run_to_end(&rig);
	assert_access(&rig, 1, (struct access){PORT_DONE, 0x5a, 1, true});
	rig_free(&rig);
}

static void a_triple_fault_ends_with_evidence(void **state)
{
	static const char to_ram[] = "\xea\x00\x7c\x00\x00"; /* jmp 0:0x7c00 */
	static const char code[] =
		"\xb0\x2a\xe6\x10"				   /* mov al, 42; out 0x10, al */
		"\x2e\x66\x0f\x01\x16\x24\x7c"			   /* lgdt */
		"\x0f\x20\xc0\x0c\x01\x0f\x22\xc0"		   /* protected mode */
		"\x66\xea\x1b\x7c\x00\x00\x08\x00"		   /* far jump to 32-bit code */
		"\x0f\x01\x1d\x2a\x7c\x00\x00\x0f\x0b"		   /* lidt of nothing; ud2 */
		"\x0f\x00\x30\x7c\x00\x00\x00\x00\x00\x00\x00\x00" /* where the GDT is; no IDT */
		"\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x9b\xcf\x00" /* the GDT: flat code */;
	struct rig rig;
	(void)state;
	RIG_NEW(&rig, to_ram);
	assert_true(guest_memory_write(rig.memory, 0x7c00, code, sizeof(code)));
	run_to_end(&rig);
	assert_int_equal(rig.failure, VCPU_CRASHED);
	assert_non_null(strstr(rig.sentence, "triple fault"));
	assert_non_null(strstr(rig.evidence, "vCPU 0 in "));
	assert_non_null(strstr(rig.evidence, "write port 0x10=0x2a"));
	memcpy(rig.rom, talks, sizeof(talks) - 1); /* and it can begin again */
	rig.n = 0;
	check_next_life(&rig);
	rig_free(&rig);
}

/* As of a guest that is left between its fault and the exit that would tell of it. */
static void pend_triple_fault(const struct rig *rig)
{
	struct kvm_vcpu_events events;
	assert_int_equal(ioctl(vcpu_fd(rig->vcpu), KVM_GET_VCPU_EVENTS, &events), 0);
	assert_int_equal(events.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT, KVM_VCPUEVENT_VALID_TRIPLE_FAULT);
	events.triple_fault.pending = true;
	assert_int_equal(ioctl(vcpu_fd(rig->vcpu), KVM_SET_VCPU_EVENTS, &events), 0);
}

static void a_pending_triple_fault_is_not_of_the_next_life(void **state)
{
	struct rig rig;
	(void)state;
	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_X86_TRIPLE_FAULT_EVENT) <= 0)
		skip();
	RIG_NEW(&rig, talks);
	pend_triple_fault(&rig);
	run_to_end(&rig);
	assert_int_equal(rig.n, 0);
	assert_non_null(strstr(rig.sentence, "triple fault"));
	pend_triple_fault(&rig);
	check_next_life(&rig);
	rig_free(&rig);
}

/* Its handler would be heard at port 0x17. */
static void a_pending_nmi_is_not_of_the_next_life(void **state)
{
	static const char vector[] = "\x00\x06\x00\x00", handler[] = "\xe6\x17\xcf"; /* out 0x17, al; iret */
	struct rig rig;
	(void)state;
	RIG_NEW(&rig, talks);
	assert_true(guest_memory_write(rig.memory, 2 * 4, vector, 4));
	assert_true(guest_memory_write(rig.memory, 0x600, handler, 3));
	assert_int_equal(ioctl(vcpu_fd(rig.vcpu), KVM_NMI), 0);
	check_next_life(&rig);
	rig_free(&rig);
}

/* Where KVM emulates real mode, the access takes another way, and reads all ones. */
static void pages_that_the_host_does_not_have_are_tried_again(void **state)
{
	struct rig rig;
	(void)state;
	RIG_NEW(&rig, waits);
	uint8_t *page = guest_memory_for_writing(rig.memory, 0, GUEST_PAGE);
	page[0x500] = '!';
	assert_int_equal(mprotect(page, GUEST_PAGE, PROT_NONE), 0);
	run_to_end(&rig);
	bool emulated = rig.n == 1 && rig.log[0].value == 0xff;
	if (!emulated) {
		assert_int_equal(rig.failure, VCPU_NO_MEMORY);
		assert_non_null(strstr(rig.sentence, "no memory"));
		assert_int_equal(mprotect(page, GUEST_PAGE, PROT_READ | PROT_WRITE), 0);
		vcpu_go_on(rig.vcpu);
		wait_for(rig.done);
		vcpu_park(rig.vcpu);
		assert_access(&rig, 0, (struct access){PORT_DONE, '!', 1, true});
	}
	rig_free(&rig);
	if (emulated)
		skip();
}

static void a_doorbell_rings_without_leaving_the_guest(void **state)
{
	static const char code[] = "\xb8\x00\xa0\x8e\xd8"     /* mov ax, 0xa000; mov ds, ax */
				   "\xa3\x40\x00\xa2\x40\x00" /* mov [0x40], ax; mov [0x40], al */
				   "\xa3\x42\x00\xe6\x1f\xf4";
	struct rig rig;
	(void)state;
	RIG_NEW(&rig, code);
	int bell = eventfd(0, 0);
	uint64_t rings = 0;
	const struct chips *chips = &rig.board.chips;
	if (!chips->ring_at(chips->arg, MMIO + 0x40, bell, true))
		skip();
	run_to_end(&rig);
	assert_int_equal(read(bell, &rings, 8), 8);
	assert_int_equal(rings, 2);
	assert_access(&rig, 0, (struct access){MMIO + 0x42, 0xa000, 2, true});
	assert_true(chips->ring_at(chips->arg, MMIO + 0x40, bell, false));
	assert_false(chips->ring_at(chips->arg, MMIO + 0x40, bell, false));
	close(bell);
	rig_free(&rig);
}

static void what_is_no_kvm_is_said_in_words(void **state)
{
	struct err *err = NULL;
	(void)state;
	assert_int_equal(vm_open_kvm("/nonexistent/kvm", &err), -1);
	assert_error(&err, ERR_UNSUPPORTED, "no hardware virtualization");
	assert_int_equal(vm_open_kvm("/dev/null", &err), -1);
	assert_string_equal(err_message(err), "/dev/null is not KVM");
	err_clear(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_kvm_is_said_in_words),
		cmocka_unit_test(accesses_arrive_at_the_buses),
		cmocka_unit_test(it_begins_again_as_it_began),
		cmocka_unit_test(strings_come_whole_and_in_order),
		cmocka_unit_test(firmware_cannot_be_written_to),
		cmocka_unit_test(a_loop_is_left_parked_and_gone_on_with),
		cmocka_unit_test(glances_tell_a_loop_from_a_halt),
		cmocka_unit_test(parking_is_behind_the_instruction_that_came_out),
		cmocka_unit_test(a_triple_fault_ends_with_evidence),
		cmocka_unit_test(a_pending_triple_fault_is_not_of_the_next_life),
		cmocka_unit_test(a_pending_nmi_is_not_of_the_next_life),
		cmocka_unit_test(pages_that_the_host_does_not_have_are_tried_again),
		cmocka_unit_test(a_doorbell_rings_without_leaving_the_guest),
	};
	kvm = kvm_open(false);
	if (kvm < 0)
		return KVM_SKIPPED;
	int failures = cmocka_run_group_tests(tests, NULL, NULL);
	close(kvm);
	return failures;
}
