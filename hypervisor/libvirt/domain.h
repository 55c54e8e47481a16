/* SPDX-License-Identifier: Apache-2.0 */
/* Domains: found by name, listed, and described as workloads. */
#pragma once

#include <libvirt/libvirt.h>

#include "hypervisor/engine.h"
#include "hypervisor/libvirt/domain_xml.h"

/* ERR_NOT_FOUND with the names that come nearest. */
NODISCARD virDomainPtr domain_find(virConnectPtr connection, const char *name, struct err **errp);
NODISCARD bool domain_list(virConnectPtr connection,
			   bool (*each)(void *arg, const char *name, const char *state, struct err **errp), void *arg,
			   struct err **errp);
/* What the definition says now goes to ret_xml as well. */
NODISCARD bool domain_describe(virDomainPtr domain, struct workload *ret, struct domain_xml *ret_xml,
			       struct err **errp);
/* VIR_DOMAIN_… state and reason; NOSTATE when it cannot be asked. */
int domain_state(virDomainPtr domain, int *ret_reason);
/* What such a state is called: "running", "paused". */
const char *domain_state_name(int state);
/* It was switched off, or is no more. */
bool domain_is_off(virDomainPtr domain);
/* QEMU paused it because a disk had no room, or failed. */
bool domain_is_stuck(virDomainPtr domain);
/* Lets it try again, if so. */
void domain_resume_stuck(virDomainPtr domain);
