/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that are run as children. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct err;

/* ERR_UNSUPPORTED with a sentence when it is not on PATH. */
NODISCARD bool program_require(const char *name, const char *what_for, struct err **errp);
/* The absolute path of a file that is built or installed together with this program, from the path to it out of this
 * program's folder; a new string, whether the file is there or not. NULL with an error. */
NODISCARD char *program_near(const char *path, struct err **errp);
/* Runs it to its end; a failure has what it said. arguments end with NULL. */
NODISCARD bool program_run(const char *const *arguments, struct err **errp);
/* What a program says on fd until it closes, as one line of at most size - 1 letters. */
void program_said(int fd, char *text, size_t size);
