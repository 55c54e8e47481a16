/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of verbs as text for a terminal, as manual pages in mdoc, and as completion for bash. */
#pragma once

#include <stdio.h>

#include "base/manual.h"

struct verb;

/* verb NULL: of salvor as a whole. */
void help_print(const struct verb *verb, FILE *out);
void man_print(const struct verb *verb, FILE *out);
void completion_print(FILE *out);

#define STATUSES_MAX 8
/* What it may exit with; the texts are borrowed from the verb. */
void verb_statuses(const struct verb *verb, struct status_spec ret[STATUSES_MAX]);
