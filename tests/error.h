/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <string.h>

#include "base/err.h"
#include "tests/unit.h"

/* Its code, by which callers go, and some words of what a person reads. Frees it. */
static inline void assert_error(struct err **errp, enum err_code code, const char *words)
{
	assert_non_null(*errp);
	if (err_code(*errp) != code || !strstr(err_message(*errp), words))
		fail_msg("'%s' (%s) does not say '%s' (%s)", err_message(*errp), err_code_name(err_code(*errp)), words,
			 err_code_name(code));
	err_clear(errp);
}

/* Of an error that also names what it is about. */
static inline void assert_error_about(struct err **errp, enum err_code code, const char *object, const char *words)
{
	assert_non_null(*errp);
	if (!strstr(err_message(*errp), object))
		fail_msg("'%s' does not name '%s'", err_message(*errp), object);
	assert_error(errp, code, words);
}
