/* SPDX-License-Identifier: Apache-2.0 */
/* What salvor-vmm takes, and what is to be said about it: pure data, for its parser, its help and its manual page. */
#pragma once

#include <stdio.h>

#include "base/manual.h"

extern const struct option_spec vmm_option_specs[];

void vmm_help_print(FILE *out);
void vmm_man_print(FILE *out);
