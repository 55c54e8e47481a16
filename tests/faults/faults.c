/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/faults/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ERRNO_END = 134, NOT_UNDERSTOOD = 99 };

static const struct {
	const char *name;
	int error;
} kinds[FAULT_KINDS] = {
	[FAULT_WRITE] = {"write", EIO},	    [FAULT_SYNC] = {"sync", EIO},	 [FAULT_SIZE] = {"size", ENOSPC},
	[FAULT_LINK] = {"link", EIO},	    [FAULT_RENAME] = {"rename", EIO},	 [FAULT_UNLINK] = {"unlink", EIO},
	[FAULT_FOLDER] = {"folder", EIO},   [FAULT_MODE] = {"mode", EROFS},	 [FAULT_OPEN] = {"open", EMFILE},
	[FAULT_LOCK] = {"lock", ENOLCK},    [FAULT_READ] = {"read", EIO},	 [FAULT_MAP] = {"map", ENOMEM},
	[FAULT_ALLOC] = {"alloc", ENOMEM},  [FAULT_THREAD] = {"thread", EAGAIN}, [FAULT_NBD] = {"nbd", EIO},
	[FAULT_LIBVIRT] = {"libvirt", EIO},
};

enum how { HOW_FAIL, HOW_SHORT, HOW_LOST, HOW_KILL, HOW_STOP };

/* What SALVOR_FAULT asks for. */
static struct plan {
	bool any_kind;
	enum fault_kind kind;
	uint64_t n; /* 0: no fault, only counting */
	enum how how;
	int error; /* 0: the kind's own */
	bool from_then_on;
	bool seeded; /* about one call in n, chosen by the seed */
	uint64_t seed;
} plan;

static pid_t armed; /* 0: this program is left alone */
static const char *under, *log_path;
static atomic_uint_fast64_t calls[FAULT_KINDS];
static uintptr_t program_start, program_end;

/* The caller's errno stays, and no call of ours is counted. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	int kept = errno;
	long fd = log_path ? syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666)
			   : -1;
	if (fd >= 0) {
		va_list args;
		va_start(args, format);
		vdprintf((int)fd, format, args);
		va_end(args);
		syscall(SYS_close, fd);
	}
	errno = kept;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static bool is_due(enum fault_kind kind, uint64_t call)
{
	if (plan.n == 0 || (!plan.any_kind && plan.kind != kind))
		return false;
	if (plan.seeded)
		return mix(plan.seed + mix((uint64_t)kind + 1) + call * UINT64_C(0x9e3779b97f4a7c15)) % plan.n == 0;
	return plan.from_then_on ? call >= plan.n : call == plan.n;
}

bool fault_armed(void)
{
	return armed != 0 && armed == getpid();
}

enum fault fault_next(enum fault_kind kind, const char *call, const char *object)
{
	if (!fault_armed())
		return FAULT_NONE;
	uint64_t number = atomic_fetch_add(&calls[kind], 1) + 1;
	if (!is_due(kind, number))
		return FAULT_NONE;
	say("fault %s %" PRIu64 " %s %s\n", kinds[kind].name, number, call, object);
	if (plan.how == HOW_KILL || plan.how == HOW_STOP)
		kill(getpid(), plan.how == HOW_KILL ? SIGKILL : SIGSTOP);
	if (plan.how == HOW_STOP)
		return FAULT_NONE;
	if (plan.how == HOW_SHORT)
		return FAULT_SHORT;
	errno = plan.error ? plan.error : kinds[kind].error;
	return plan.how == HOW_LOST ? FAULT_LOST : FAULT_FAIL;
}

enum fault fault_next_by(const void *caller, enum fault_kind kind, const char *call)
{
	uintptr_t address = (uintptr_t)caller;
	if (address < program_start || address >= program_end || !fault_armed())
		return FAULT_NONE;
	char object[32];
	snprintf(object, sizeof(object), "at 0x%" PRIxPTR, address - program_start);
	return fault_next(kind, call, object);
}

/* `under` is a list of folders, separated by colons; without one, every path. */
bool fault_under(const char *path)
{
	for (const char *folder = under; folder; folder = strchr(folder, ':')) {
		folder += *folder == ':';
		size_t length = strcspn(folder, ":");
		if (strncmp(path, folder, length) == 0 &&
		    (path[length] == '/' || path[length] == '\0' || path[length] == ' '))
			return true;
	}
	return !under;
}

static bool parse_kind(const char *word)
{
	plan.any_kind = strcmp(word, "any") == 0;
	for (int kind = 0; !plan.any_kind && kind < FAULT_KINDS; kind++) {
		plan.kind = (enum fault_kind)kind;
		if (strcmp(word, kinds[kind].name) == 0)
			return true;
	}
	return plan.any_kind;
}

/* What is done and not told of gives nothing back that would have to be let go again. */
static bool can_get_lost(void)
{
	return !plan.any_kind && (plan.kind == FAULT_LINK || plan.kind == FAULT_RENAME || plan.kind == FAULT_UNLINK ||
				  plan.kind == FAULT_FOLDER || plan.kind == FAULT_LIBVIRT);
}

static bool parse_how(const char *word)
{
	if (strcmp(word, "on") == 0)
		return plan.from_then_on = true;
	if (strcmp(word, "kill") == 0 || strcmp(word, "stop") == 0) {
		plan.how = *word == 'k' ? HOW_KILL : HOW_STOP;
		return true;
	}
	if (strcmp(word, "short") == 0) {
		plan.how = HOW_SHORT;
		return !plan.any_kind && (plan.kind == FAULT_WRITE || plan.kind == FAULT_READ);
	}
	if (strcmp(word, "lost") == 0) {
		plan.how = HOW_LOST;
		return can_get_lost();
	}
	for (int error = 1; error < ERRNO_END; error++) {
		const char *name = strerrorname_np(error);
		if (name && strcmp(word, name) == 0)
			return (plan.error = error) != 0;
	}
	return false;
}

/* KIND:N[:HOW][:on] */
static bool parse_plan(const char *text)
{
	char copy[64], *rest = copy, *end;
	if (strlen(text) >= sizeof(copy))
		return false;
	memcpy(copy, text, strlen(text) + 1);
	const char *kind = strsep(&rest, ":"), *number = strsep(&rest, ":");
	if (!parse_kind(kind) || !number)
		return false;
	plan.n = strtoull(number, &end, 10);
	if (end == number || *end || plan.n == 0)
		return false;
	while (rest)
		if (!parse_how(strsep(&rest, ":")))
			return false;
	return true;
}

/* The first object is the program itself. */
static int note_program(struct dl_phdr_info *object, size_t size, void *arg)
{
	(void)size, (void)arg;
	program_start = object->dlpi_addr;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];
		if (part->p_type == PT_LOAD)
			program_end = object->dlpi_addr + part->p_vaddr + part->p_memsz;
	}
	return 1;
}

__attribute__((constructor)) static void arm(void)
{
	const char *program = getenv("SALVOR_FAULT_PROGRAM"), *text = getenv("SALVOR_FAULT"),
		   *seed = getenv("SALVOR_FAULT_SEED");
	if (strcmp(program_invocation_short_name, program ? program : "salvor") != 0)
		return;
	if (text && !parse_plan(text)) {
		dprintf(STDERR_FILENO, "SALVOR_FAULT=%s is no fault, see tests/faults/README.md\n", text);
		_exit(NOT_UNDERSTOOD);
	}
	plan.seeded = seed != NULL;
	plan.seed = seed ? strtoull(seed, NULL, 0) : 0;
	under = getenv("SALVOR_FAULT_UNDER");
	log_path = getenv("SALVOR_FAULT_LOG");
	dl_iterate_phdr(note_program, NULL);
	armed = getpid();
}

__attribute__((destructor)) static void say_calls(void)
{
	if (!fault_armed())
		return;
	for (int kind = 0; kind < FAULT_KINDS; kind++)
		say("calls %s %" PRIu64 "\n", kinds[kind].name, (uint64_t)atomic_load(&calls[kind]));
}
