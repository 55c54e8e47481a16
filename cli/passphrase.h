/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner's passphrase: exact bytes, without one final LF or CRLF. From the file SALVOR_PASSPHRASE_FILE, from
 * SALVOR_PASSPHRASE, from the file that the configuration names, or typed at the terminal, in this order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/compiler.h"

struct err;

#define PASSPHRASE_MAX 4096

struct passphrase {
	size_t len;
	char bytes[PASSPHRASE_MAX + 3]; /* room to see that it is too long, behind a line's end */
};

/* Whether the environment names one. */
bool passphrase_in_environment(void);
/* conf_file may be NULL. ERR_DENIED when it is empty, and when there is neither a source nor a terminal; ERR_CANCELLED.
 */
NODISCARD bool passphrase_get(const char *conf_file, const struct cancel *cancel, struct passphrase *ret,
			      struct err **errp);
/* The same for a new one: what is typed is asked for twice. */
NODISCARD bool passphrase_get_new(const char *conf_file, const struct cancel *cancel, struct passphrase *ret,
				  struct err **errp);
struct span passphrase_span(const struct passphrase *passphrase);
void passphrase_wipe(struct passphrase *passphrase);
