/* SPDX-License-Identifier: Apache-2.0 */
/* What a scrub found, on standard output. */
#pragma once

#include "base/json.h"
#include "storage/scrub.h"

struct json *scrub_report_to_json(const struct repository *repository, const struct scrub_report *report,
				  enum scrub_level level);
NODISCARD bool scrub_report_print(const struct repository *repository, const struct scrub_report *report,
				  enum scrub_level level, struct err **errp);
