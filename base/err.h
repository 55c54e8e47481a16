/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error object. A function that can fail takes `struct err **errp` last, never NULL and pointing to NULL,
 * and says by its return value (false, NULL, -1) that it failed; then *errp is set, and only then.
 * The message is written for a person where the failure is known, and each layer that adds a noun (workload,
 * disk, offset, object) prefixes it: "workload 'web01': disk 'vda': read at 4096: Input/output error".
 * Who returns an error does not log it. Only main() and job loops report.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

enum err_code {
	ERR_FAILED = 1, /* anything a caller only reports */
	ERR_USAGE,	/* the command line or configuration is wrong */
	ERR_NOT_FOUND,	/* the named thing is not there */
	ERR_EXISTS,	/* create-once found another */
	ERR_DENIED,	/* wrong passphrase, no permission, a key without the role */
	ERR_CORRUPT,	/* bytes are not what they must be: damage, exit status 4 */
	ERR_BUSY,	/* somebody else holds it */
	ERR_NO_SPACE,	/* disk or quota full */
	ERR_NO_MEMORY,
	ERR_CANCELLED,	 /* the user interrupted, exit status 130 */
	ERR_UNSUPPORTED, /* newer format, missing program or feature */
	ERR_GONE,	 /* what was in use is no longer there, as a file system that was taken away */
};

struct err;

/* All of these return false, so that `return err_set(…)` reads well. */
bool err_set(struct err **errp, enum err_code code, const char *format, ...) PRINTF_LIKE(3, 4);
/* Appends ": " and the text of errnum; codes for space, memory, missing, existing, denied and busy follow from it. */
bool err_set_errno(struct err **errp, int errnum, const char *format, ...) PRINTF_LIKE(3, 4);
/* A static object: needs no memory. */
bool err_set_no_memory(struct err **errp);
/* Puts "text: " before the message. Keeps the code. */
bool err_prefix(struct err **errp, const char *format, ...) PRINTF_LIKE(2, 3);
/* Names the damaged or missing object, for --json; the first one named stays. */
bool err_about(struct err **errp, const char *format, ...) PRINTF_LIKE(2, 3);

/* Getters borrow until err_free(). err_object() is NULL where none was named. */
enum err_code err_code(const struct err *err);
const char *err_message(const struct err *err);
const char *err_object(const struct err *err);
/* The lower-case word of a code for --json, as "not-found". */
const char *err_code_name(enum err_code code);
/* What a command exits with: 1, 2, 4 or 130. */
int err_exit_status(enum err_code code);
/* The failure is of this run (no memory, interrupted, too early, the place itself gone), and not of the one thing that
 * was looked at. */
bool err_is_of_run(enum err_code code);

void err_free(struct err *err);
DEFINE_AUTO_FREE(struct err, err_free);
/* Frees and resets to NULL, to go on after a failure that was dealt with. */
void err_clear(struct err **errp);
/* Moves an error from one place to another; the target must be empty. Returns false. */
bool err_move(struct err **to, struct err **from);

/* clang's analyzer does not look into err.c: this tells it which way a failure goes. */
#if defined(__clang_analyzer__) && !defined(ERR_IMPLEMENTATION)
#define ERR_IS_FALSE(call)             \
	({                             \
		bool r_ = (call);      \
		__builtin_assume(!r_); \
		r_;                    \
	})
#define err_set(...) ERR_IS_FALSE(err_set(__VA_ARGS__))
#define err_set_errno(...) ERR_IS_FALSE(err_set_errno(__VA_ARGS__))
#define err_set_no_memory(errp) ERR_IS_FALSE(err_set_no_memory(errp))
#define err_prefix(...) ERR_IS_FALSE(err_prefix(__VA_ARGS__))
#define err_about(...) ERR_IS_FALSE(err_about(__VA_ARGS__))
#define err_move(to, from) ERR_IS_FALSE(err_move(to, from))
#endif
