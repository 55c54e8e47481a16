/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that is made under a temporary name beside its final one, NAME.salvor-XXXXXX. Who writes it holds a lock on
 * it, so what nobody holds was left by a restore that was killed.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

struct err;

struct image_temporary {
	char *path, *final; /* path is NULL when there is nothing to remove */
	int fd;
	bool force;
};

/* ERR_EXISTS when the final name is taken and force is not given. */
NODISCARD bool image_temporary_make(const char *final, bool force, struct image_temporary *ret, struct err **errp);
/* Lets a program that has locks of its own write to it, where ours would be in its way: then its locks tell instead. */
void image_temporary_share(struct image_temporary *temporary);
/* fsync, then the final name; without force only if it is still free. */
NODISCARD bool image_temporary_finish(struct image_temporary *temporary, struct err **errp);
/* Removes what was not finished. */
void image_temporary_release(struct image_temporary *temporary);
/* Removes what killed restores to this place left, and tells of each. What cannot be removed stays. note may be NULL.
 */
void image_temporary_sweep(const char *final, void (*note)(void *arg, const char *text), void *note_arg);
