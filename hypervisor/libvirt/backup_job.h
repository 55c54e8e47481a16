/* SPDX-License-Identifier: Apache-2.0 */
/* The backup job of a domain: libvirt allows one at a time. */
#pragma once

#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "hypervisor/libvirt/backup_xml.h"

struct err;

/*
 * Begins the job. Where a bitmap turns out unusable, its disk's fallback is set and the job begun without it; where
 * libvirt makes no checkpoint at all, plan->checkpoint becomes empty.
 */
NODISCARD bool backup_job_begin(virDomainPtr domain, struct plan *plan, struct err **errp);
/* Ends the job and waits until it is gone. True when there is none. */
NODISCARD bool backup_job_end(virDomainPtr domain, struct err **errp);
/* The same of a job of ours; another's is left alone. */
NODISCARD bool backup_job_end_ours(virDomainPtr domain, struct err **errp);
/* Ends a job of ours that a crash left. ERR_BUSY when a job of somebody else runs, as a migration: it is never touched.
 */
NODISCARD bool backup_job_end_left_over(virDomainPtr domain, struct err **errp);
