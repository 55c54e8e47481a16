/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/disk.h"

void disk_free(struct disk *disk)
{
	if (disk)
		disk->ops->free(disk);
}
