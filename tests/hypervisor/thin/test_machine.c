/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole machines on the real /dev/kvm: SeaBIOS as Debian has it, and a boot sector of ours on a raw disk, which counts
 * how often it was booted, on the disk.
 */
#include "hypervisor/thin/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/machine_config.h"
#include "tests/error.h"
#include "tests/folder.h"
#include "tests/full_disk.h"
#include "tests/hypervisor/thin/kernel_image.h"
#include "tests/hypervisor/thin/kvm.h"

enum { SECTOR = 512, SECTORS = 2048, SAID_MAX = 65536, PATIENCE_MS = 120000 };

static int kvm = -1;

/* ---- what the machine asks of the host's disk ---- */

static struct {
	unsigned n;
	bool fails;
} syncs;

int __wrap_fdatasync(int fd);
int __real_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
	syncs.n++;
	if (!syncs.fails)
		return __real_fdatasync(fd);
	errno = EIO;
	return -1;
}

/* ---- machines ---- */

/* What a machine says on its serial line, as a person at it sees it. */
struct listener {
	pthread_mutex_t lock;
	char said[SAID_MAX];
	size_t n;
	int heard; /* eventfd */
};

static void hear(void *arg, const uint8_t *data, size_t size)
{
	struct listener *listener = arg;
	pthread_mutex_lock(&listener->lock);
	size_t left = sizeof(listener->said) - 1 - listener->n;
	memcpy(listener->said + listener->n, data, size < left ? size : left);
	listener->n += size < left ? size : left;
	pthread_mutex_unlock(&listener->lock);
	if (write(listener->heard, &(uint64_t){1}, 8) != 8)
		abort();
}

static unsigned times_said(struct listener *listener, const char *words)
{
	unsigned n = 0;
	pthread_mutex_lock(&listener->lock);
	for (const char *at = listener->said; (at = strstr(at, words)); at++)
		n++;
	pthread_mutex_unlock(&listener->lock);
	return n;
}

/* Serves the machine until it has ended, or (where words are given) has said them that often. */
static struct machine_status serve_until(struct machine *machine, struct listener *listener, const char *words,
					 unsigned times)
{
	struct machine_status status;
	for (;;) {
		machine_look(machine, &status);
		if (status.state != MACHINE_RUNNING || (words && times_said(listener, words) >= times))
			return status;
		struct pollfd ready[] = {{.fd = machine_event_fd(machine), .events = POLLIN},
					 {.fd = listener->heard, .events = POLLIN}};
		if (poll(ready, ARRAY_LENGTH(ready), PATIENCE_MS) <= 0)
			fail_msg("nothing happens any more; the machine said: %s", listener->said);
		uint64_t count;
		if (ready[1].revents && read(listener->heard, &count, 8) != 8)
			abort();
		machine_serve(machine);
	}
}

static void assert_end(const struct machine_status *status, enum machine_end end)
{
	if (status->end != end)
		fail_msg("ended as %d, not %d: %s", status->end, end, status->sentence);
}

static struct machine *start(const struct machine_config *config, struct listener *listener)
{
	AUTO(err_freep) struct err *err = NULL;
	memset(listener, 0, sizeof(*listener));
	pthread_mutex_init(&listener->lock, NULL);
	listener->heard = eventfd(0, EFD_NONBLOCK);
	struct machine *machine = machine_new(config, kvm, &err);
	if (!machine)
		fail_msg("%s", err_message(err));
	machine_listen(machine, hear, listener);
	if (!machine_start(machine, &err))
		fail_msg("%s", err_message(err));
	return machine;
}

static void end(struct machine *machine, struct listener *listener)
{
	machine_free(machine);
	close(listener->heard);
	pthread_mutex_destroy(&listener->lock);
}

static void firmware_shows_itself_and_is_restarted(void **state)
{
	static char name[] = "m";
	const struct machine_config config = {.name = name, .memory = 64 << 20, .vcpus = 2};
	struct listener listener;
	struct machine_status status;
	(void)state;
	struct machine *machine = start(&config, &listener);
	machine_look(machine, &status);
	assert_int_equal(status.state, MACHINE_PAUSED);
	machine_go_on(machine);
	status = serve_until(machine, &listener, "SeaBIOS", 1);
	assert_end(&status, MACHINE_GOES_ON);
	for (int i = 0; i < 20; i++) {
		machine_pause(machine);
		machine_pause(machine);
		machine_go_on(machine);
	}
	machine_restart(machine);
	serve_until(machine, &listener, "SeaBIOS", 2);
	machine_pause(machine);
	machine_restart(machine);
	machine_look(machine, &status);
	assert_int_equal(status.state, MACHINE_PAUSED);
	assert_int_equal(status.restarts, 2);
	assert_end(&status, MACHINE_GOES_ON);
	machine_go_on(machine);
	serve_until(machine, &listener, "SeaBIOS", 3);
	end(machine, &listener);
}

enum { PACKET = 0x41 }; /* where the code below has that of int 0x13 */

/* Reads sector 1, counts its first byte up, and writes it back; says the number on the serial line; restarts by port
 * 0xcf9 until it is 3, and then switches off by ACPI's port. */
static const char counts_boots[] =
	"\x31\xc0\x8e\xd8\x8e\xd0\xbc\x00\x7c" /* ds = ss = 0, sp = 0x7c00 */
	"\xbe\x41\x7c\xb4\x42\xcd\x13\x72\x24" /* si = packet; ah = 0x42; int 0x13; jc hang */
	"\xfe\x06\x00\x80"		       /* incb [0x8000] */
	"\xbe\x41\x7c\xb8\x00\x43\xcd\x13\x72\x16"
	"\xa0\x00\x80\x04\x30\xba\xf8\x03\xee" /* al = [0x8000] + '0'; out 0x3f8, al */
	"\x80\x3e\x00\x80\x03\x73\x08"	       /* cmpb [0x8000], 3; jae off */
	"\xba\xf9\x0c\xb0\x06\xee"	       /* out 0xcf9, 6 */
	"\xeb\xfe"			       /* hang: jmp hang */
	"\xba\x04\x06\xb8\x00\x20\xef\xeb\xf5" /* off: out 0x604, 0x2000; jmp hang */
	"\x10\0\1\0\0\x80\0\0\1\0\0\0\0\0\0\0";

static void make_disk(const char *path, const char *code, size_t size)
{
	uint8_t sector[SECTOR] = {0};
	memcpy(sector, code, size);
	sector[510] = 0x55;
	sector[511] = 0xaa;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SECTORS * SECTOR), 0);
	assert_int_equal(pwrite(fd, sector, sizeof(sector), 0), sizeof(sector));
	close(fd);
}

static uint8_t byte_of_disk(const char *path, off_t offset)
{
	uint8_t byte = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	close(fd);
	return byte;
}

static struct machine_config config_with_disk(const char *code, size_t size)
{
	static char name[] = "m", disk[] = "vda", path[] = "disk.img";
	make_disk(path, code, size);
	return (struct machine_config){
		.name = name, .memory = 32 << 20, .vcpus = 1, .disks = {{.name = disk, .path = path}}, .n_disks = 1};
}

static void a_disk_is_booted_restarts_and_switches_off(void **state)
{
	const struct machine_config config = config_with_disk(counts_boots, sizeof(counts_boots) - 1);
	struct listener listener;
	(void)state;
	struct machine *machine = start(&config, &listener);
	machine_go_on(machine);
	struct machine_status status = serve_until(machine, &listener, NULL, 0);
	assert_end(&status, MACHINE_POWERED_OFF);
	assert_int_equal(status.restarts, 2);
	machine_go_on(machine);
	machine_restart(machine);
	machine_pause(machine);
	machine_look(machine, &status);
	assert_int_equal(status.state, MACHINE_ENDED);
	syncs.n = 0;
	machine_finish(machine);
	assert_int_equal(syncs.n, 1);
	end(machine, &listener);
	assert_int_equal(byte_of_disk("disk.img", SECTOR), 3);
}

/* On a file system of its own, which has no room for the byte that the guest writes, and then has. */
static void without_room_it_pauses_and_says_what_to_do(void **state)
{
	char code[sizeof(counts_boots) - 1];
	struct listener listener;
	(void)state;
	AUTO(file_closep) int disk = full_disk_new();
	if (disk < 0)
		skip();
	assert_int_equal(chdir("full"), 0);
	memcpy(code, counts_boots, sizeof(code));
	code[PACKET + 8] = 16; /* its sector: in another page than the boot sector */
	const struct machine_config config = config_with_disk(code, sizeof(code));
	full_disk_fill(disk);
	struct machine *machine = start(&config, &listener);
	machine_go_on(machine);
	struct machine_status status = serve_until(machine, &listener, NULL, 0);
	assert_int_equal(status.state, MACHINE_PAUSED);
	if (!strstr(status.sentence, "disk vda: write disk.img") ||
	    !strstr(status.sentence, "No space left on device; make room, then 'salvor vm start m'"))
		fail_msg("%s", status.sentence);
	full_disk_make_room(disk);
	machine_go_on(machine);
	status = serve_until(machine, &listener, NULL, 0);
	assert_end(&status, MACHINE_POWERED_OFF);
	end(machine, &listener);
	assert_int_equal(byte_of_disk("disk.img", 16 * SECTOR), 3);
}

/* As by the order `end`, or a second signal. */
static void one_that_runs_is_parked_and_its_disks_flushed(void **state)
{
	const struct machine_config config = config_with_disk(counts_boots, sizeof(counts_boots) - 1);
	struct listener listener;
	(void)state;
	struct machine *machine = start(&config, &listener);
	machine_go_on(machine);
	serve_until(machine, &listener, "SeaBIOS", 1);
	syncs.n = 0;
	syncs.fails = true;
	machine_finish(machine); /* which the log has */
	syncs.fails = false;
	assert_int_equal(syncs.n, 1);
	end(machine, &listener);
}

static void a_crash_ends_it_with_evidence(void **state)
{
	static const char code[] =
		"\xb0\x2a\xe6\x10"				   /* mov al, 42; out 0x10, al */
		"\x2e\x66\x0f\x01\x16\x24\x7c"			   /* lgdt */
		"\x0f\x20\xc0\x0c\x01\x0f\x22\xc0"		   /* protected mode */
		"\x66\xea\x1b\x7c\x00\x00\x08\x00"		   /* far jump to 32-bit code */
		"\x0f\x01\x1d\x2a\x7c\x00\x00\x0f\x0b"		   /* lidt of nothing; ud2 */
		"\x0f\x00\x30\x7c\x00\x00\x00\x00\x00\x00\x00\x00" /* where the GDT is; no IDT */
		"\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x9b\xcf\x00" /* the GDT: flat code */;
	const struct machine_config config = config_with_disk(code, sizeof(code) - 1);
	struct listener listener;
	(void)state;
	struct machine *machine = start(&config, &listener);
	machine_go_on(machine);
	struct machine_status status = serve_until(machine, &listener, NULL, 0);
	assert_end(&status, MACHINE_CRASHED);
	assert_non_null(strstr(status.sentence, "triple fault"));
	end(machine, &listener);
}

static void a_disk_with_nothing_to_boot_pauses_it(void **state)
{
	struct machine_config config = config_with_disk("", 0);
	struct listener listener;
	(void)state;
	assert_int_equal(truncate(config.disks[0].path, 0), 0);
	assert_int_equal(truncate(config.disks[0].path, SECTORS * SECTOR), 0); /* not even the mark of a boot sector */
	struct machine *machine = start(&config, &listener);
	machine_go_on(machine);
	struct machine_status status = serve_until(machine, &listener, NULL, 0);
	assert_int_equal(status.state, MACHINE_PAUSED);
	assert_non_null(strstr(status.sentence, "nothing to boot"));
	end(machine, &listener);
}

/*
 * A kernel for the 64-bit boot protocol. It says a line for its registers and one for each run of bytes that a loader
 * has put, but for the page tables, in which the processor writes: a sum, as 16 letters. Then it copies its second part
 * to where nothing was put, which overwrites all of that and restarts.
 */
enum { KERNEL_LINE = 17, KERNEL_LINES = 9 };
extern const uint8_t kernel_begin[], kernel_end[];
__asm__("	.pushsection .rodata\n"
	"kernel_begin:\n"
	"	lea	(%rsp, %rsi), %rbx\n"
	"	mov	%cr0, %rax\n"
	"	add	%rax, %rbx\n"
	"	mov	%cr3, %rax\n"
	"	add	%rax, %rbx\n"
	"	mov	%cr4, %rax\n"
	"	add	%rax, %rbx\n"
	"	lea	ranges(%rip), %rdi\n"
	"0:	mov	$16, %ecx\n"
	"	mov	$0x3f8, %edx\n"
	"1:	rol	$4, %rbx\n"
	"	mov	%ebx, %eax\n"
	"	and	$15, %al\n"
	"	add	$'A', %al\n"
	"	out	%al, %dx\n"
	"	loop	1b\n"
	"	mov	$'\\n', %al\n"
	"	out	%al, %dx\n"
	"	mov	(%rdi), %rsi\n"
	"	mov	8(%rdi), %rcx\n"
	"	add	$16, %rdi\n"
	"	jrcxz	3f\n"
	"2:	lodsb\n"
	"	rol	$7, %rbx\n"
	"	add	%al, %bl\n"
	"	loop	2b\n"
	"	jmp	0b\n"
	"3:	lea	second_part(%rip), %rsi\n"
	"	mov	$0x1400000, %edi\n"
	"	mov	$kernel_end - second_part, %ecx\n"
	"	rep movsb\n"
	"	mov	$0x1400000, %eax\n"
	"	jmp	*%rax\n"
	"second_part:\n"
	"	lea	ranges(%rip), %rsi\n"
	"4:	mov	(%rsi), %rdi\n"
	"	mov	8(%rsi), %rcx\n"
	"	add	$16, %rsi\n"
	"	jrcxz	5f\n"
	"	mov	$0xcc, %al\n"
	"	rep stosb\n"
	"	jmp	4b\n"
	"5:	mov	$0xcf9, %edx\n"
	"	mov	$6, %al\n"
	"	out	%al, %dx\n"
	"	jmp	.\n"
	"ranges:\n"
	"	.quad	0x500, 32\n"	    /* GDT */
	"	.quad	0x7000, 0x1000\n"   /* parameters */
	"	.quad	0x20000, 8\n"	    /* command line */
	"	.quad	0xe0000, 36\n"	    /* ACPI, */
	"	.quad	0xe0040, 512\n"	    /* and the begin of its tables */
	"	.quad	0x1000000, 10000\n" /* kernel */
	"	.quad	0x1ffd000, 5000\n"  /* initrd */
	"	.quad	0x1fff000, 16\n"    /* generation */
	"	.quad	0, 0\n"
	"kernel_end:\n"
	"	.popsection\n");

static void put_file(const char *path, const void *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	assert_true(file_replace(path, SPAN(data, size), 0600, &err));
}

static void a_kernel_begins_anew_whatever_it_overwrote(void **state)
{
	static char name[] = "m", kernel[] = "vmlinuz", initrd[] = "initrd.img", command_line[] = "console";
	static uint8_t image[KERNEL_IMAGE], archive[5000] = "an initrd";
	const struct machine_config config = {.name = name,
					      .memory = 32 << 20,
					      .vcpus = 1,
					      .kernel = kernel,
					      .initrd = initrd,
					      .command_line = command_line};
	struct listener listener;
	(void)state;
	kernel_image_make(image);
	memcpy(image + KERNEL_BODY_AT + KERNEL_ENTRY, kernel_begin, (size_t)(kernel_end - kernel_begin));
	put_file(kernel, image, sizeof(image));
	put_file(initrd, archive, sizeof(archive));
	struct machine *machine = start(&config, &listener);
	machine_go_on(machine);
	struct machine_status status = serve_until(machine, &listener, "\n", 3 * KERNEL_LINES);
	assert_end(&status, MACHINE_GOES_ON);
	machine_pause(machine);
	assert_true(status.restarts >= 2);
	for (size_t i = KERNEL_LINES; i < (size_t)3 * KERNEL_LINES; i++)
		assert_memory_equal(listener.said + i * KERNEL_LINE, listener.said + i % KERNEL_LINES * KERNEL_LINE,
				    KERNEL_LINE);
	end(machine, &listener);
}

/* A kernel that says its MTRRs' default type, and begins the other processor, which does so too, and restarts. */
extern const uint8_t smp_begin[], smp_end[];
__asm__("	.macro	say_memory_type\n"
	"	mov	$0x2ff, %ecx\n"
	"	rdmsr\n"
	"	mov	$0x3f8, %dx\n"
	"	mov	%al, %cl\n"
	"	mov	%ah, %al\n"
	"	add	$'A', %al\n"
	"	out	%al, %dx\n"
	"	mov	%cl, %al\n"
	"	add	$'A', %al\n"
	"	out	%al, %dx\n"
	"	mov	$'\\n', %al\n"
	"	out	%al, %dx\n"
	"	.endm\n"
	"	.pushsection .rodata\n"
	"smp_begin:\n"
	"	say_memory_type\n"
	"	lea	other(%rip), %rsi\n"
	"	mov	$0x10000, %edi\n"
	"	mov	$smp_end - other, %ecx\n"
	"	rep movsb\n"
	"	mov	$0xfee00300, %ebx\n"
	"	movl	$0xc4500, (%rbx)\n" /* to all others: INIT, and begin at 0x10000 */
	"	movl	$0xc4610, (%rbx)\n"
	"0:	hlt\n"
	"	jmp	0b\n"
	"	.code16\n"
	"other:	say_memory_type\n"
	"	mov	$0xcf9, %dx\n"
	"	mov	$6, %al\n"
	"	out	%al, %dx\n"
	"1:	jmp	1b\n"
	"	.code64\n"
	"smp_end:\n"
	"	.popsection\n");

/* 0x806: MTRRs are on, and without another word memory is of the type that is written back. */
static void all_processors_of_a_kernel_cache_memory(void **state)
{
	static char name[] = "m", kernel[] = "vmlinuz";
	static uint8_t image[KERNEL_IMAGE];
	const struct machine_config config = {.name = name, .memory = 32 << 20, .vcpus = 2, .kernel = kernel};
	struct listener listener;
	(void)state;
	kernel_image_make(image);
	memcpy(image + KERNEL_BODY_AT + KERNEL_ENTRY, smp_begin, (size_t)(smp_end - smp_begin));
	put_file(kernel, image, sizeof(image));
	struct machine *machine = start(&config, &listener);
	machine_go_on(machine);
	serve_until(machine, &listener, "\n", 4);
	machine_pause(machine);
	assert_memory_equal(listener.said, "IG\nIG\nIG\nIG\n", 12);
	end(machine, &listener);
}

static void what_is_missing_is_named(void **state)
{
	static char nowhere[] = "nowhere.img";
	struct machine_config config = config_with_disk("", 0);
	AUTO(err_freep) struct err *err = NULL;
	(void)state;
	config.disks[0].path = nowhere;
	assert_null(machine_new(&config, kvm, &err));
	assert_error_about(&err, ERR_NOT_FOUND, "vda", "nowhere.img");
	config.n_disks = 0;
	config.kernel = nowhere;
	assert_null(machine_new(&config, kvm, &err));
	assert_error(&err, ERR_NOT_FOUND, "nowhere.img");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(firmware_shows_itself_and_is_restarted),
		cmocka_unit_test_setup_teardown(a_disk_is_booted_restarts_and_switches_off, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(without_room_it_pauses_and_says_what_to_do, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(one_that_runs_is_parked_and_its_disks_flushed, folder_enter,
						folder_leave),
		cmocka_unit_test_setup_teardown(a_crash_ends_it_with_evidence, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(a_disk_with_nothing_to_boot_pauses_it, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(a_kernel_begins_anew_whatever_it_overwrote, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(all_processors_of_a_kernel_cache_memory, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(what_is_missing_is_named, folder_enter, folder_leave),
	};
	kvm = kvm_open(true);
	if (kvm < 0)
		return KVM_SKIPPED;
	int failures = cmocka_run_group_tests(tests, NULL, NULL);
	close(kvm);
	return failures;
}
