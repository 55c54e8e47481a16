/* SPDX-License-Identifier: Apache-2.0 */
/* What this host offers to a throw-away machine. */
#pragma once

#include <libvirt/libvirt.h>

#include "hypervisor/libvirt/fit.h"

struct err;

/* accelerator as in run_request. Asks libvirt, which asks QEMU when it does not remember. Release with
 * run_host_release(). */
NODISCARD bool run_host_ask(virConnectPtr connection, const char *accelerator, struct fit_host *ret, struct err **errp);
void run_host_release(struct fit_host *host);

/* UEFI of this host and where the machine's variables are. */
struct run_firmware {
	const char *code; /* NULL: the machine starts by BIOS */
	char *variables;  /* made in the run's folder */
	bool secure;
};

/* Chooses by what the definition wants and by the size of its variables, and writes those to `folder`. */
NODISCARD bool run_firmware_make(const struct run_request *request, const char *folder, struct run_firmware *ret,
				 struct err **errp);
