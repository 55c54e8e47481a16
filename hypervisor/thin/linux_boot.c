/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things lie. The kernel is put where it prefers to be, and nothing else into the memory that it says it needs
 * there until it has found its own (init_size):
 *
 *	0x500      GDT                      pref_address   kernel, init_size bytes
 *	0x7000     boot parameters          …
 *	0x8ff0     stack, downwards         as high as the kernel allows, below the reserved page: initrd
 *	0x9000     page tables
 *	0x20000    command line
 *	0xe0000    ACPI tables (acpi.h)
 *
 * The image is not to be trusted. Its head is read once, and all that is decided upon is taken from that copy; the
 * addresses in it are checked against the memory of the machine each time.
 */
#include "hypervisor/thin/linux_boot.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/e820.h"
#include "hypervisor/thin/guest_memory.h"

/* Offsets in the image, and the same in the boot parameters (boot.rst, "The real-mode kernel header"; zero-page.rst).
 */
enum {
	SETUP_SECTS = 0x1f1,
	BOOT_FLAG = 0x1fe,
	HEADER_END = 0x201, /* this byte, counted from the next one */
	HEADER_MAGIC = 0x202,
	VERSION = 0x206,
	TYPE_OF_LOADER = 0x210,
	LOADFLAGS = 0x211,
	RAMDISK_IMAGE = 0x218,
	RAMDISK_SIZE = 0x21c,
	CMD_LINE_PTR = 0x228,
	INITRD_ADDR_MAX = 0x22c,
	XLOADFLAGS = 0x236,
	CMDLINE_SIZE = 0x238,
	PREF_ADDRESS = 0x258,
	INIT_SIZE = 0x260,
	HEADER_LAST = 0x264,

	PARAMETERS_RSDP = 0x70,
	PARAMETERS_E820_N = 0x1e8,
	PARAMETERS_E820 = 0x2d0,
	PARAMETERS_SIZE = 4096,
};

enum {
	SECTOR = 512,
	SETUP_SECTS_DEFAULT = 4,
	BOOT_FLAG_VALUE = 0xaa55,
	OLDEST_VERSION = 0x020c,
	LOADED_HIGH = 0x01,
	XLF_KERNEL_64 = 0x01,
	UNKNOWN_LOADER = 0xff,
	ENTRY_64 = 0x200,
	COMMAND_LINE_MAX = 65536, /* what there is room for */
};

#define FIRST_MIB (UINT64_C(1) << 20)

struct linux_boot {
	char *kernel, *initrd, *command_line;
	int kernel_fd, initrd_fd;
	uint8_t head[HEADER_LAST];
	uint64_t body_at, body_size; /* of the kernel proper in its file */
	uint64_t initrd_size;
};

/* ---- The files ---- */

static uint32_t field(const struct linux_boot *boot, unsigned offset)
{
	return bytes_load_le32(boot->head + offset);
}

static bool refuse(const struct linux_boot *boot, struct err **errp, const char *why)
{
	return err_set(errp, ERR_CORRUPT, "kernel '%s': %s", boot->kernel, why);
}

static bool check_head(const struct linux_boot *boot, struct err **errp)
{
	const uint8_t *head = boot->head;
	if (bytes_load_le16(head + BOOT_FLAG) != BOOT_FLAG_VALUE || memcmp(head + HEADER_MAGIC, "HdrS", 4) != 0)
		return refuse(boot, errp, "it is no bzImage of Linux");
	if (bytes_load_le16(head + VERSION) < OLDEST_VERSION)
		return refuse(boot, errp, "its boot protocol is older than 2.12");
	if (!(head[LOADFLAGS] & LOADED_HIGH) || !(bytes_load_le16(head + XLOADFLAGS) & XLF_KERNEL_64))
		return refuse(boot, errp, "it cannot be entered in 64-bit mode");
	if (head[HEADER_END] + HEADER_MAGIC < HEADER_LAST)
		return refuse(boot, errp, "its head is shorter than its version says");
	return true;
}

/* Where the kernel proper is in its file: behind the boot sector and the code for 16 bits. */
static bool find_body(struct linux_boot *boot, uint64_t file_size, struct err **errp)
{
	unsigned sectors = boot->head[SETUP_SECTS] ? boot->head[SETUP_SECTS] : SETUP_SECTS_DEFAULT;
	boot->body_at = (sectors + 1) * (uint64_t)SECTOR;
	if (boot->body_at + ENTRY_64 >= file_size)
		return refuse(boot, errp, "it is cut off");
	boot->body_size = file_size - boot->body_at;
	if (bytes_load_le64(boot->head + PREF_ADDRESS) < FIRST_MIB || boot->body_size > field(boot, INIT_SIZE))
		return refuse(boot, errp, "it says of itself where it cannot lie");
	return true;
}

/* -1 for what is no regular file. */
static int open_file(const char *what, const char *path, uint64_t *ret_size, struct err **errp)
{
	struct stat st;
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		err_set_errno(errp, errno, "%s '%s'", what, path);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(errp, ERR_USAGE, "%s '%s': it is no regular file", what, path);
		return -1;
	}
	*ret_size = (uint64_t)st.st_size;
	return STEAL_FD(&fd);
}

static bool open_kernel(struct linux_boot *boot, struct err **errp)
{
	uint64_t size;
	boot->kernel_fd = open_file("kernel", boot->kernel, &size, errp);
	if (boot->kernel_fd < 0)
		return false;
	if (size < sizeof(boot->head))
		return refuse(boot, errp, "it is too short for a kernel");
	return file_read_at(boot->kernel_fd, boot->head, sizeof(boot->head), 0, boot->kernel, errp) &&
	       check_head(boot, errp) && find_body(boot, size, errp);
}

static bool open_initrd(struct linux_boot *boot, struct err **errp)
{
	if (!boot->initrd)
		return true;
	boot->initrd_fd = open_file("initrd", boot->initrd, &boot->initrd_size, errp);
	if (boot->initrd_fd >= 0 && boot->initrd_size > UINT32_MAX)
		return err_set(errp, ERR_CORRUPT, "initrd '%s': it is larger than 4 GiB", boot->initrd);
	return boot->initrd_fd >= 0;
}

static bool check_command_line(const struct linux_boot *boot, struct err **errp)
{
	size_t length = strlen(boot->command_line), most = field(boot, CMDLINE_SIZE);
	most = most < COMMAND_LINE_MAX ? most : COMMAND_LINE_MAX;
	if (length > most)
		return err_set(errp, ERR_USAGE, "kernel '%s': its command line has %zu bytes, and it takes %zu",
			       boot->kernel, length, most);
	return true;
}

static bool copy_options(struct linux_boot *boot, const struct linux_boot_options *options, struct err **errp)
{
	boot->kernel = strdup(options->kernel);
	boot->initrd = options->initrd ? strdup(options->initrd) : NULL;
	boot->command_line = strdup(options->command_line ? options->command_line : "");
	bool ok = boot->kernel && boot->command_line && !boot->initrd == !options->initrd;
	return ok || err_set_no_memory(errp);
}

struct linux_boot *linux_boot_new(const struct linux_boot_options *options, struct err **errp)
{
	AUTO(linux_boot_freep) struct linux_boot *boot = calloc(1, sizeof(*boot));
	if (!boot) {
		err_set_no_memory(errp);
		return NULL;
	}
	boot->kernel_fd = boot->initrd_fd = -1;
	if (!copy_options(boot, options, errp) || !open_kernel(boot, errp) || !open_initrd(boot, errp) ||
	    !check_command_line(boot, errp))
		return NULL;
	return STEAL(&boot);
}

void linux_boot_free(struct linux_boot *boot)
{
	if (!boot)
		return;
	file_closep(&boot->kernel_fd);
	file_closep(&boot->initrd_fd);
	free(boot->kernel);
	free(boot->initrd);
	free(boot->command_line);
	free(boot);
}

size_t linux_boot_descriptors(const struct linux_boot *boot, int ret[2])
{
	ret[0] = boot->kernel_fd;
	ret[1] = boot->initrd_fd;
	return boot->initrd ? 2 : 1;
}

/* ---- Into memory ---- */

static bool too_small(const struct linux_boot *boot, struct err **errp, const char *what)
{
	return err_set(errp, ERR_USAGE, "kernel '%s': the machine's memory is too small for %s", boot->kernel, what);
}

static bool load_file(struct guest_memory *memory, uint64_t address, int fd, uint64_t offset, uint64_t size,
		      const char *name, struct err **errp)
{
	uint8_t *to = guest_memory_for_writing(memory, address, size);
	assert(to); /* it was seen to fit */
	bool ok = file_read_at(fd, to, size, offset, name, errp);
	guest_memory_wrote(memory, address, size);
	return ok;
}

/* The end of what the kernel needs for itself. */
static bool load_kernel(const struct linux_boot *boot, struct guest_memory *memory, uint64_t *ret_end,
			struct err **errp)
{
	uint64_t address = bytes_load_le64(boot->head + PREF_ADDRESS), limit = e820_reserved_page(memory);
	if (address > limit || field(boot, INIT_SIZE) > limit - address)
		return too_small(boot, errp, "it");
	*ret_end = address + field(boot, INIT_SIZE);
	return load_file(memory, address, boot->kernel_fd, boot->body_at, boot->body_size, boot->kernel, errp);
}

static bool load_initrd(const struct linux_boot *boot, struct guest_memory *memory, uint64_t kernel_end,
			uint64_t *ret_address, struct err **errp)
{
	uint64_t limit = e820_reserved_page(memory), most = (uint64_t)field(boot, INITRD_ADDR_MAX) + 1;
	limit = most < limit ? most : limit;
	if (boot->initrd_size > limit)
		return too_small(boot, errp, "its initrd");
	uint64_t address = (limit - boot->initrd_size) & ~(uint64_t)(GUEST_PAGE - 1);
	if (address < kernel_end)
		return too_small(boot, errp, "its initrd");
	*ret_address = address;
	return load_file(memory, address, boot->initrd_fd, 0, boot->initrd_size, boot->initrd, errp);
}

static void put(struct guest_memory *memory, uint64_t address, const void *data, size_t size)
{
	bool there = guest_memory_write(memory, address, data, size);
	assert(there); /* every machine has RAM below 1 MiB */
}

/* Flat segments of code and data for 64 bits, where the protocol wants them: selectors 0x10 and 0x18. */
static void put_gdt(struct guest_memory *memory)
{
	static const uint64_t entries[] = {0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff};
	uint8_t gdt[sizeof(entries)];
	for (size_t i = 0; i < ARRAY_LENGTH(entries); i++)
		bytes_store_le64(gdt + 8 * i, entries[i]);
	put(memory, LINUX_BOOT_GDT, gdt, sizeof(gdt));
}

/* One table of each upper level, and four of pages of 2 MiB: each address is its own. */
static void put_page_tables(struct guest_memory *memory)
{
	enum { TABLES = 6, ENTRIES = 512, PRESENT_WRITABLE = 0x03, LARGE = 0x80, LARGE_SHIFT = 21, GIBS = 4 };
	uint8_t tables[TABLES * GUEST_PAGE] = {0};
	bytes_store_le64(tables, LINUX_BOOT_PAGE_TABLES + GUEST_PAGE + PRESENT_WRITABLE);
	for (uint64_t i = 0; i < GIBS; i++)
		bytes_store_le64(tables + GUEST_PAGE + 8 * i,
				 LINUX_BOOT_PAGE_TABLES + (2 + i) * GUEST_PAGE + PRESENT_WRITABLE);
	for (uint64_t i = 0; i < GIBS * ENTRIES; i++)
		bytes_store_le64(tables + 2 * GUEST_PAGE + 8 * i, i << LARGE_SHIFT | LARGE | PRESENT_WRITABLE);
	put(memory, LINUX_BOOT_PAGE_TABLES, tables, sizeof(tables));
}

static void put_e820(uint8_t *parameters, const struct guest_memory *memory)
{
	struct e820_range ranges[E820_MAX];
	size_t n = e820_for_kernel(memory, ranges);
	AUTO(bytes_release) struct bytes table;
	bytes_init(&table, sizeof(ranges) + 1);
	e820_write(&table, ranges, n);
	if (!bytes_ok(&table))
		return;
	memcpy(parameters + PARAMETERS_E820, table.data, table.len);
	parameters[PARAMETERS_E820_N] = (uint8_t)n;
}

/* Zeros, the kernel's own header, and what a loader has to say. */
static void put_parameters(const struct linux_boot *boot, struct guest_memory *memory, uint64_t rsdp, uint64_t initrd)
{
	uint8_t parameters[PARAMETERS_SIZE] = {0};
	memcpy(parameters + SETUP_SECTS, boot->head + SETUP_SECTS, HEADER_LAST - SETUP_SECTS);
	parameters[TYPE_OF_LOADER] = UNKNOWN_LOADER;
	bytes_store_le32(parameters + CMD_LINE_PTR, LINUX_BOOT_COMMAND_LINE);
	bytes_store_le32(parameters + RAMDISK_IMAGE, (uint32_t)initrd);
	bytes_store_le32(parameters + RAMDISK_SIZE, (uint32_t)boot->initrd_size);
	bytes_store_le64(parameters + PARAMETERS_RSDP, rsdp);
	put_e820(parameters, memory);
	put(memory, LINUX_BOOT_PARAMETERS, parameters, sizeof(parameters));
}

bool linux_boot_place(const struct linux_boot *boot, struct guest_memory *memory, uint64_t rsdp,
		      struct vcpu_long_mode *ret, struct err **errp)
{
	uint64_t kernel_end = 0, initrd = 0;
	if (!load_kernel(boot, memory, &kernel_end, errp))
		return false;
	if (boot->initrd && !load_initrd(boot, memory, kernel_end, &initrd, errp))
		return false;
	put_gdt(memory);
	put_page_tables(memory);
	put(memory, LINUX_BOOT_COMMAND_LINE, boot->command_line, strlen(boot->command_line) + 1);
	put_parameters(boot, memory, rsdp, initrd);
	*ret = (struct vcpu_long_mode){.rip = bytes_load_le64(boot->head + PREF_ADDRESS) + ENTRY_64,
				       .rsp = LINUX_BOOT_STACK,
				       .rsi = LINUX_BOOT_PARAMETERS,
				       .cr3 = LINUX_BOOT_PAGE_TABLES,
				       .gdt = LINUX_BOOT_GDT};
	return true;
}
