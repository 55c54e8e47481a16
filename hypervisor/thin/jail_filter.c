/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules as a program for seccomp (Linux, Documentation/userspace-api/seccomp_filter.rst): one block a rule,
 * each of which either passes on to the next block or ends the program.
 *
 *	the processor's own calling convention, or kill
 *	A = number of the call
 *	A == rule.call? no: next block            A == rule.call? no: next block
 *	allow                                     A = argument, lower half
 *	                                          A == values[0]? yes: allow …
 *	                                          trap
 *	trap
 *
 * The kernel finds by itself the calls that are allowed whatever their arguments are, and does not run the
 * program for them.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "hypervisor/thin/jail_internal.h"

enum { PROGRAM_MAX = 1024, X32_CALLS = 0x40000000, JUMP_MAX = 255 };

struct program {
	struct sock_filter code[PROGRAM_MAX];
	size_t n;
	bool too_long;
};

static void put(struct program *program, struct sock_filter instruction)
{
	if (program->n == PROGRAM_MAX) {
		program->too_long = true;
		return;
	}
	program->code[program->n++] = instruction;
}

static void load(struct program *program, size_t offset)
{
	put(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void end(struct program *program, uint32_t action)
{
	put(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* Passes over so many instructions where the comparison (BPF_JEQ …) of A with the value says no. */
static void skip_unless(struct program *program, uint16_t comparison, uint32_t value, size_t instructions)
{
	program->too_long = program->too_long || instructions > JUMP_MAX;
	put(program, (struct sock_filter)BPF_JUMP(BPF_JMP | comparison | BPF_K, value, 0, (uint8_t)instructions));
}

static void put_condition(struct program *program, const struct jail_rule *rule)
{
	/* x86-64 is little-endian: the lower half comes first. */
	load(program, offsetof(struct seccomp_data, args) + rule->argument * sizeof(uint64_t));
	if (rule->condition == JAIL_WITHOUT) {
		skip_unless(program, BPF_JSET, rule->values[0], 1);
		end(program, SECCOMP_RET_TRAP);
		end(program, SECCOMP_RET_ALLOW);
		return;
	}
	for (size_t i = 0; i < rule->n; i++) {
		skip_unless(program, BPF_JEQ, rule->values[i], 1);
		end(program, SECCOMP_RET_ALLOW);
	}
	end(program, SECCOMP_RET_TRAP);
}

static size_t block_length(const struct jail_rule *rule)
{
	switch (rule->condition) {
	case JAIL_ONE_OF:
		return 2 * rule->n + 2;
	case JAIL_WITHOUT:
		return 4;
	default:
		return 1;
	}
}

static void put_rule(struct program *program, const struct jail_rule *rule)
{
	skip_unless(program, BPF_JEQ, (uint32_t)rule->call, block_length(rule));
	if (rule->condition == JAIL_ALWAYS)
		end(program, SECCOMP_RET_ALLOW);
	else
		put_condition(program, rule);
}

/* Calls in another convention have other numbers, and could pass for allowed ones. */
static void put_convention(struct program *program)
{
	load(program, offsetof(struct seccomp_data, arch));
	skip_unless(program, BPF_JEQ, AUDIT_ARCH_X86_64, 2);
	load(program, offsetof(struct seccomp_data, nr));
	skip_unless(program, BPF_JGE, X32_CALLS, 1);
	end(program, SECCOMP_RET_KILL_PROCESS);
}

bool jail_filter_install(const struct jail_rules *sets, size_t n, struct err **errp)
{
	AUTO(freep) struct program *program = calloc(1, sizeof(*program));
	if (!program)
		return err_set_no_memory(errp);
	put_convention(program);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < sets[i].n; j++)
			put_rule(program, &sets[i].rules[j]);
	end(program, SECCOMP_RET_TRAP);
	if (program->too_long)
		return err_set(errp, ERR_FAILED, "the jail's rules are too many for a filter");
	const struct sock_fprog whole = {.len = (unsigned short)program->n, .filter = program->code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole) != 0)
		return err_set_errno(errp, errno, "cannot filter the system calls of a thread (seccomp)");
	return true;
}
