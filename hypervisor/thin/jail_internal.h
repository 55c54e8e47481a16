/* SPDX-License-Identifier: Apache-2.0 */
/* What the jail's parts have of each other: the rules of a role, and the filter that the kernel is given for them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "hypervisor/thin/jail.h"

struct err;

enum jail_condition {
	JAIL_ALWAYS,
	JAIL_ONE_OF,  /* the argument's lower 32 bits are one of the values */
	JAIL_WITHOUT, /* none of the bits of values[0] is set in the argument's lower 32 */
};

/* A system call that is allowed. All others are not. */
struct jail_rule {
	int call;
	enum jail_condition condition;
	unsigned argument; /* 0 to 5 */
	const uint32_t *values;
	size_t n;
};

struct jail_rules {
	const struct jail_rule *rules;
	size_t n;
};

/* What a role may do beyond what all may. A call is in one of both at most. */
struct jail_rules jail_rules_of_role(enum jail_role role);
/* What every role may do. */
struct jail_rules jail_rules_of_all(void);
/* What JAIL_DISK may do beyond, where it connects to a server again. */
struct jail_rules jail_rules_of_connecting(void);

/* Puts the filter on the calling thread: the sets in this order, so that the first is quickest. */
NODISCARD bool jail_filter_install(const struct jail_rules *sets, size_t n, struct err **errp);
