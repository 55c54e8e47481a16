/* SPDX-License-Identifier: Apache-2.0 */
/* Names of streams are foreign, and become names of files and exports. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

struct err;
struct stream;

/* Letters, digits, '.', '_' and '-', not beginning with '.' or '-'. ERR_CORRUPT. */
NODISCARD bool stream_name_check(const struct stream *stream, struct err **errp);
