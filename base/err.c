/* SPDX-License-Identifier: Apache-2.0 */
#define ERR_IMPLEMENTATION
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct err {
	enum err_code code;
	char *message;
	char *object; /* NULL where none was named */
};

/* What is left to say when there is no memory to say it in. Never changed, never freed, so any thread may point to it.
 */
static struct err no_memory = {.code = ERR_NO_MEMORY, .message = (char[]){"out of memory"}};

static const char *const code_names[] = {
	[ERR_FAILED] = "failed",
	[ERR_USAGE] = "usage",
	[ERR_NOT_FOUND] = "not-found",
	[ERR_EXISTS] = "exists",
	[ERR_DENIED] = "denied",
	[ERR_CORRUPT] = "corrupt",
	[ERR_BUSY] = "busy",
	[ERR_NO_SPACE] = "no-space",
	[ERR_NO_MEMORY] = "no-memory",
	[ERR_CANCELLED] = "cancelled",
	[ERR_UNSUPPORTED] = "unsupported",
	[ERR_GONE] = "gone",
};

/* Takes over message; NULL is lack of memory. */
static bool err_new(struct err **errp, enum err_code code, char *message)
{
	assert(errp && !*errp);
	struct err *err = message ? malloc(sizeof(*err)) : NULL;
	if (!err) {
		free(message);
		return err_set_no_memory(errp);
	}
	*err = (struct err){.code = code, .message = message};
	*errp = err;
	return false;
}

static PRINTF_LIKE(1, 0) char *format_text(const char *format, va_list args)
{
	char *text;
	return vasprintf(&text, format, args) < 0 ? NULL : text;
}

/* "head: tail" as a new string; takes over head. */
static char *join_text(char *head, const char *tail)
{
	char *joined = NULL;
	if (head && asprintf(&joined, "%s: %s", head, tail) < 0)
		joined = NULL;
	free(head);
	return joined;
}

bool err_set(struct err **errp, enum err_code code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *message = format_text(format, args);
	va_end(args);
	return err_new(errp, code, message);
}

static enum err_code code_of_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return ERR_NO_SPACE;
	case ENOMEM:
		return ERR_NO_MEMORY;
	case ENOENT:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	case EBUSY:
		return ERR_BUSY;
	default:
		return ERR_FAILED;
	}
}

bool err_set_errno(struct err **errp, int errnum, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *message = format_text(format, args);
	va_end(args);
	const char *reason = strerrordesc_np(errnum);
	return err_new(errp, code_of_errno(errnum), join_text(message, reason ? reason : "unknown error"));
}

bool err_set_no_memory(struct err **errp)
{
	assert(errp && !*errp);
	*errp = &no_memory;
	return false;
}

bool err_prefix(struct err **errp, const char *format, ...)
{
	assert(errp && *errp);
	struct err *err = *errp;
	if (err == &no_memory)
		return false;
	va_list args;
	va_start(args, format);
	char *message = join_text(format_text(format, args), err->message);
	va_end(args);
	if (message) {
		free(err->message);
		err->message = message;
	}
	return false;
}

bool err_about(struct err **errp, const char *format, ...)
{
	assert(errp && *errp);
	struct err *err = *errp;
	if (err == &no_memory || err->object)
		return false;
	va_list args;
	va_start(args, format);
	err->object = format_text(format, args);
	va_end(args);
	return false;
}

enum err_code err_code(const struct err *err)
{
	return err->code;
}

const char *err_message(const struct err *err)
{
	return err->message;
}

const char *err_object(const struct err *err)
{
	return err->object;
}

const char *err_code_name(enum err_code code)
{
	assert(code < ARRAY_LENGTH(code_names) && code_names[code]);
	return code_names[code];
}

int err_exit_status(enum err_code code)
{
	switch (code) {
	case ERR_USAGE:
		return 2;
	case ERR_CORRUPT:
		return 4;
	case ERR_CANCELLED:
		return 130;
	default:
		return 1;
	}
}

bool err_is_of_run(enum err_code code)
{
	return code == ERR_NO_MEMORY || code == ERR_CANCELLED || code == ERR_BUSY || code == ERR_GONE;
}

void err_free(struct err *err)
{
	if (!err || err == &no_memory)
		return;
	free(err->message);
	free(err->object);
	free(err);
}

void err_clear(struct err **errp)
{
	err_free(*errp);
	*errp = NULL;
}

bool err_move(struct err **to, struct err **from)
{
	assert(to && !*to && *from);
	*to = STEAL(from);
	return false;
}
