/* SPDX-License-Identifier: Apache-2.0 */
/* The overlays that take what a throw-away machine writes. */
#pragma once

#include "hypervisor/libvirt/fit.h"
#include "hypervisor/runner.h"

struct err;

/* One for each disk of the request, in `folder`; ret has room for n_disks. The paths in it are freed by
 * run_overlays_release(). */
NODISCARD bool run_overlays_make(const struct run_request *request, const char *folder, struct fit_disk *ret,
				 struct err **errp);
void run_overlays_release(struct fit_disk *disks, size_t n);
