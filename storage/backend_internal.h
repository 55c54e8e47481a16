/* SPDX-License-Identifier: Apache-2.0 */
/* What the backends share. */
#pragma once

#include "storage/backend.h"

/*
 * Letters a-z, digits, '-', '.', and '/' between parts; no part is empty or begins with '.' or "tmp". So a name can
 * neither leave the repository nor meet a temporary file.
 */
bool backend_name_is_valid(const char *name);

/* Messages that both backends must say alike. All return false. */
bool backend_err_not_found(struct err **errp, const char *name);
bool backend_err_short(struct err **errp, const char *name, uint64_t size, uint64_t offset, size_t len);
bool backend_err_exists(struct err **errp, const char *name);
