/* SPDX-License-Identifier: Apache-2.0 */
/* A flag that says "stop at the next safe place": set by SIGINT and SIGTERM, or by a failing stage. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/compiler.h"

struct err;

struct cancel {
	atomic_bool requested;
};

void cancel_request(struct cancel *cancel);
bool cancel_requested(const struct cancel *cancel);
/* False with ERR_CANCELLED once requested. */
NODISCARD bool cancel_check(const struct cancel *cancel, struct err **errp);
/* SIGINT and SIGTERM request this one, from now until the process ends; a second SIGINT kills. */
NODISCARD bool cancel_on_signals(struct cancel *cancel, struct err **errp);
