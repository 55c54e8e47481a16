/* SPDX-License-Identifier: Apache-2.0 */
/* What went through: sums by kind and class, and a line in the log for each request. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/s3/proxy/request.h"

/* What became of a request. */
struct outcome {
	const char *action;
	int status; /* as the client got it; 0: none */
	uint64_t sent, received;
};

bool counts_open_log(const char *path);
void counts_add(const struct request *request, const struct outcome *outcome);
void counts_reset(void);
/* "kind class requests sent received" a line, of what there was; the bytes are those of bodies, as the client sees
 * them. */
void counts_print(FILE *to);
