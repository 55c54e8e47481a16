/* SPDX-License-Identifier: Apache-2.0 */
/* What a restore says of damage that it met, and of what was made before it failed. */
#pragma once

#include "base/json.h"
#include "cli/context.h"
#include "restore/write_image.h"

/*
 * ERR_CORRUPT in one sentence: which parts of which streams, by what object; what is whole; what to type next. Returns
 * false.
 */
bool restore_damage_explain(const struct repository *repository, const struct point *point,
			    const struct restore_result *result, const struct context *context, struct err **errp);
/* Adds to the failure what is whole all the same, and which device is not any more. Returns false. */
bool restore_failure_explain(const struct restore_result *result, struct err **errp);
/* [{name, path, bytes, ranges: [{offset, length, object, reason}]}]; path is null where no file was made. */
struct json *restore_damage_to_json(const struct restore_result *result);
