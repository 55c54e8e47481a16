/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/image_identity.h"

#include "hypervisor/file_identity.h"

uint64_t image_identity(const struct domain_disk *disk)
{
	uint64_t identity = file_identity_add(FILE_IDENTITY_START, disk->source, false);
	for (size_t i = 0; i < disk->n_below; i++)
		identity = file_identity_add(identity, disk->below[i], true);
	return identity;
}
