/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of libvirt, which may come from another host's libvirt, or from somebody who pretends to be one. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hypervisor/libvirt/backup_xml.h"
#include "hypervisor/libvirt/domain_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *text = strndup((const char *)data, size);
	AUTO(freep) char *socket = NULL;
	struct domain_xml domain;
	uint64_t disk_size, identity;
	uid_t uid;
	gid_t gid;
	(void)checkpoint_xml_disk(text, "vda", &disk_size, &identity);
	if (domain_xml_parse(text, &domain, &err)) {
		assert(domain.n_disks <= ENGINE_DISKS_MAX);
		(void)domain_xml_qemu_user(&domain, &uid, &gid);
		domain_xml_release(&domain);
	} else {
		assert(err);
		err_clear(&err);
	}
	bool ok = backup_xml_socket(text, &socket, &err);
	assert(ok == !err);
	return 0;
}
