/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hypervisor/engine.h"
#include "hypervisor/libvirt/connect.h"
#include "hypervisor/libvirt/cut_internal.h"
#include "hypervisor/libvirt/domain.h"

static struct libvirt_engine *of_engine(struct engine *engine)
{
	return (struct libvirt_engine *)engine;
}

static bool libvirt_list(struct engine *engine,
			 bool (*each)(void *arg, const char *name, const char *state, struct err **errp), void *arg,
			 struct err **errp)
{
	return domain_list(of_engine(engine)->connection, each, arg, errp);
}

static bool libvirt_describe(struct engine *engine, const char *name, struct workload *ret, struct err **errp)
{
	AUTO(libvirt_domain_freep) virDomainPtr domain = domain_find(of_engine(engine)->connection, name, errp);
	struct domain_xml xml;
	if (!domain || !domain_describe(domain, ret, &xml, errp))
		return false;
	domain_xml_release(&xml);
	return true;
}

static void libvirt_free(struct engine *engine)
{
	libvirt_disconnect(of_engine(engine)->connection);
	free(engine);
}

const struct engine_ops libvirt_engine_ops = {
	.name = "libvirt",
	.list = libvirt_list,
	.describe = libvirt_describe,
	.cut = libvirt_cut_new,
	.info = libvirt_cut_info,
	.map = libvirt_cut_map,
	.reader_new = libvirt_reader_new,
	.read = libvirt_reader_read,
	.reader_free = libvirt_reader_free,
	.check = libvirt_cut_check,
	.keep = libvirt_cut_keep,
	.drop = libvirt_cut_drop,
	.free = libvirt_free,
};

/* "qemu+ssh://host/system", "qemu://host/system": a host stands between "://" and the path. */
static bool is_elsewhere(const char *uri)
{
	const char *host = strstr(uri, "://");
	return host && host[3] != '/' && host[3] != '\0';
}

struct engine *engine_libvirt_open(const char *uri, struct err **errp)
{
	if (uri && is_elsewhere(uri)) {
		err_set(errp, ERR_UNSUPPORTED,
			"%s is another host: disks are read through a local socket, so back up on that host itself",
			uri);
		return NULL;
	}
	struct libvirt_engine *libvirt = calloc(1, sizeof(*libvirt));
	if (!libvirt) {
		err_set_no_memory(errp);
		return NULL;
	}
	libvirt->engine.ops = &libvirt_engine_ops;
	libvirt->connection = libvirt_connect(uri, errp);
	if (libvirt->connection)
		return &libvirt->engine;
	free(libvirt);
	return NULL;
}
