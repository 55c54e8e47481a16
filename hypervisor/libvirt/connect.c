/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/connect.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hypervisor/libvirt/error.h"
#include "hypervisor/libvirt/event_loop.h"

/* A libvirt that hangs ends our calls after a minute, and the guard takes over. */
enum { KEEPALIVE_S = 10, KEEPALIVE_MISSES = 5 };

static const char system_uri[] = "qemu:///system";

static bool explain(const char *uri, struct err **errp)
{
	const virError *error = virGetLastError();
	const char *said = error && error->message ? error->message : "";
	if (strstr(said, strerror(EACCES)) || (error && error->code == VIR_ERR_AUTH_FAILED))
		return err_set(errp, ERR_DENIED,
			       "no permission to use libvirt at %s: run as root or join the group 'libvirt' (%s)", uri,
			       said);
	if (strstr(said, strerror(ENOENT)) || strstr(said, strerror(ECONNREFUSED)))
		return err_set(errp, ERR_FAILED,
			       "libvirt does not answer at %s: start libvirtd or virtqemud, or name another with "
			       "--connect (%s)",
			       uri, said);
	return err_from_virt(errp, "cannot connect to libvirt at %s", uri);
}

virConnectPtr libvirt_connect(const char *uri, struct err **errp)
{
	if (!event_loop_start(errp))
		return NULL;
	if (!uri)
		uri = getenv("LIBVIRT_DEFAULT_URI");
	if (!uri || !*uri)
		uri = system_uri;
	virConnectPtr connection = virConnectOpen(uri);
	if (!connection)
		explain(uri, errp);
	else if (virConnectSetKeepAlive(connection, KEEPALIVE_S, KEEPALIVE_MISSES) != 0)
		virResetLastError(); /* a driver in this very process has nobody to ask */
	return connection;
}

void libvirt_disconnect(virConnectPtr connection)
{
	if (connection)
		virConnectClose(connection);
}

void libvirt_domain_free(virDomainPtr domain)
{
	if (domain)
		virDomainFree(domain);
}

void libvirt_checkpoint_free(virDomainCheckpointPtr checkpoint)
{
	if (checkpoint)
		virDomainCheckpointFree(checkpoint);
}
