/* SPDX-License-Identifier: Apache-2.0 */
/* What salvor-vmm is told on its command line. */
#pragma once

#include <stdbool.h>

#include "base/text_list.h"

struct err;

struct vmm_options {
	const char *config, *control, *agent, *serial_log, *log; /* each but the first two may be NULL */
	int uid, gid;						 /* 0: as it is; gid 0: the number of uid */
	int ready, hold;					 /* descriptors, -1: none */
	bool paused, no_jail, verbose, help, version;

	struct text_list operands; /* it takes none */
	struct text_list owned;	   /* every text above is one of these */
};

enum vmm_options_outcome { VMM_GO, VMM_SAID, VMM_WRONG };

/* VMM_SAID: --help or --version is answered. ret is to be released in any case. */
enum vmm_options_outcome vmm_options_parse(int argc, char **argv, struct vmm_options *ret, struct err **errp);
void vmm_options_release(struct vmm_options *options);
