/* SPDX-License-Identifier: Apache-2.0 */
/* The SHA-256 (FIPS 180-4) of all before it, in which the configuration and the files of a machine's state end. */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/compiler.h"

struct err;

/* Fails only for lack of room or memory. */
NODISCARD bool checksum_append(struct bytes *file, struct err **errp);
/*
 * *ret_body is the file without its checksum, borrowed from it; *ret_holds whether there is one, and it is right. Fails
 * only for lack of memory.
 */
NODISCARD bool checksum_split(struct span file, struct span *ret_body, bool *ret_holds, struct err **errp);
