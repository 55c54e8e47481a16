/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each verb does, one file each. A verb prints its result, as text or as its one JSON object, sets context->status
 * where a success is more than that, and returns its failure; main() alone reports it.
 */
#pragma once

#include "cli/context.h"

typedef bool run_function(struct context *context, struct err **errp);

run_function run_init, run_backup, run_points, run_show, run_diff, run_restore, run_export, run_boot, run_verify,
	run_receipt, run_scrub, run_vm, run_key, run_status, run_help;
