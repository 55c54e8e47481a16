/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to libvirt, and AUTO releases for what libvirt gives out. */
#pragma once

#include <libvirt/libvirt.h>

#include "base/compiler.h"

struct err;

/* uri NULL: what the user's settings say, else qemu:///system. Starts the event loop. A failure says what a person can
 * do about it. */
NODISCARD virConnectPtr libvirt_connect(const char *uri, struct err **errp);

void libvirt_disconnect(virConnectPtr connection);
void libvirt_domain_free(virDomainPtr domain);
void libvirt_checkpoint_free(virDomainCheckpointPtr checkpoint);

static inline void libvirt_disconnectp(virConnectPtr *connection)
{
	libvirt_disconnect(*connection);
	*connection = NULL;
}

static inline void libvirt_domain_freep(virDomainPtr *domain)
{
	libvirt_domain_free(*domain);
	*domain = NULL;
}

static inline void libvirt_checkpoint_freep(virDomainCheckpointPtr *checkpoint)
{
	libvirt_checkpoint_free(*checkpoint);
	*checkpoint = NULL;
}
