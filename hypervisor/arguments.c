/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/arguments.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

void arguments_add(struct arguments *arguments, const char *format, ...)
{
	char *argument;
	va_list values;
	assert(arguments->n < ARGUMENTS_MAX);
	va_start(values, format);
	if (vasprintf(&argument, format, values) >= 0)
		arguments->items[arguments->n++] = argument;
	else
		arguments->no_memory = true;
	va_end(values);
}

bool arguments_check(const struct arguments *arguments, struct err **errp)
{
	return !arguments->no_memory || err_set_no_memory(errp);
}

void arguments_release(struct arguments *arguments)
{
	for (size_t i = 0; i < arguments->n; i++)
		free(arguments->items[i]);
	*arguments = (struct arguments){0};
}
