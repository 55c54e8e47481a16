/* SPDX-License-Identifier: Apache-2.0 */
/* After a restore that met damage: what to type next. */
#pragma once

#include <stdio.h>

#include "cli/context.h"
#include "restore/write_image.h"

/*
 * Adds a clause to a sentence: the command that restores the newest other point of the workload that is not known to be
 * hurt, and needs nothing of what this restore found damaged; or that there is none. Points that failed their
 * verification come last. Where nothing can be found out, nothing is said.
 */
void restore_next_print(FILE *text, const struct repository *repository, const struct point *point,
			const struct restore_result *result, const struct context *context);
