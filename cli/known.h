/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of points before anybody relies on them: as they were last scrubbed from here, and last verified. */
#pragma once

#include "base/json.h"
#include "storage/findings.h"
#include "storage/receipt.h"

struct known {
	struct findings findings;
	bool verifications;	   /* this key may know of them */
	struct receipt **receipts; /* of each point of the list, the newest that counts; NULL: none */
	size_t n;
};

/* Of each point of the list. Reads one file of this machine, and the first kilobytes of receipts. */
NODISCARD bool known_load(const struct repository *repository, const struct point_list *list, struct known *ret,
			  struct err **errp);
void known_release(struct known *known);

/* "whole", "hurt", "may be hurt"; "-" where no scrub from here has looked at it. */
const char *known_scrub_text(const struct findings_verdict *verdict);
/* "passed", "failed", "never"; "?" where this key cannot know. */
const char *known_verified_text(const struct known *known, size_t i);
/* {verdict, level, time, streams, damaged: [{object, reason, level, time}]}; null where nothing is known. */
struct json *known_scrub_to_json(const struct findings *findings, const struct point *point);
/* The point is known to be hurt, or may be. */
bool known_hurt(const struct known *known, const struct point *point);
/* Its newest verification passed; or failed. */
bool known_passed(const struct known *known, size_t i);
bool known_failed(const struct known *known, size_t i);
/* Warns where scrubs from here found that the point is hurt, or may be; says nothing where nothing can be found out. */
void known_warn_of_damage(const struct repository *repository, const struct point *point);
