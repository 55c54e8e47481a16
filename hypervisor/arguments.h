/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of a program that is to be run, one after the other; whether there was memory for all is asked once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct err;

#define ARGUMENTS_MAX 32

/* Begins as zeros. */
struct arguments {
	char *items[ARGUMENTS_MAX + 1]; /* ends with NULL */
	size_t n;
	bool no_memory;
};

void arguments_add(struct arguments *arguments, const char *format, ...) PRINTF_LIKE(2, 3);
NODISCARD bool arguments_check(const struct arguments *arguments, struct err **errp);
void arguments_release(struct arguments *arguments);
