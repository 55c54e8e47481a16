/* SPDX-License-Identifier: Apache-2.0 */
/* Asking for a secret at the terminal of this process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cancel.h"
#include "base/compiler.h"

struct err;

/*
 * One line, without its line feed, typed without an echo; the echo is back however it ends. ERR_NOT_FOUND without a
 * terminal; ERR_CANCELLED. Bytes beyond max are read and counted, and not kept.
 */
NODISCARD bool terminal_ask_secret(const char *question, const struct cancel *cancel, char *ret, size_t max,
				   size_t *ret_len, struct err **errp);
