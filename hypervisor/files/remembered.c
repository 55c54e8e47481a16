/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/files/remembered.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hypervisor/file_identity.h"

#define PREFIX "files@"
enum { TIME_DIGITS = 16, DISK_SIZE = 10 }; /* ",01234567" */

_Static_assert(sizeof(PREFIX) + TIME_DIGITS + ENGINE_DISKS_MAX * (DISK_SIZE - 1) <= TRACKING_MAX + 1,
	       "all disks of a workload are remembered");

static void disk_text(const struct workload_disk *disk, const struct image *image, char ret[DISK_SIZE])
{
	uint8_t format = image->server ? IMAGE_QCOW2 : IMAGE_RAW;
	uint64_t identity = file_identity_add_bytes(FILE_IDENTITY_START, disk->name, strlen(disk->name) + 1);
	identity = file_identity_add_bytes(identity, &format, sizeof(format));
	identity = file_identity_add(identity, disk->source, false);
	snprintf(ret, DISK_SIZE, ",%08" PRIx32, (uint32_t)(identity ^ identity >> 32));
}

void remembered_of_cut(const struct cut_info *info, const struct image *images, char ret[TRACKING_MAX + 1])
{
	size_t n = (size_t)snprintf(ret, TRACKING_MAX + 1, PREFIX "%0*" PRIx64, TIME_DIGITS, info->cut_ns);
	for (size_t i = 0; i < info->workload.n_disks; i++, n += DISK_SIZE - 1)
		disk_text(&info->workload.disks[i], &images[i], ret + n);
}

const char *remembered_judge(const char *remembered, const struct workload_disk *disk, const struct image *image)
{
	char text[DISK_SIZE];
	if (!remembered || strncmp(remembered, PREFIX, strlen(PREFIX)) != 0)
		return FALLBACK_UNTRACKED;
	disk_text(disk, image, text);
	return strstr(remembered, text) ? FALLBACK_UNTRACKED : FALLBACK_IMAGE_REPLACED;
}
