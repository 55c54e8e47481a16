/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine of bare files remembers of a cut until the next: nothing of what changed, but which file each disk
 * was. It stands where other engines have the name of a change map, "files@<time>,<disk>,<disk>…", and is another one
 * with each cut, since each begins anew.
 */
#pragma once

#include "hypervisor/engine.h"
#include "hypervisor/files/image.h"

/* images by disk. */
void remembered_of_cut(const struct cut_info *info, const struct image *images, char ret[TRACKING_MAX + 1]);
/* What a disk's image is: FALLBACK_IMAGE_REPLACED where it was another one, else FALLBACK_UNTRACKED. remembered may be
 * NULL or empty: then nothing is known. */
const char *remembered_judge(const char *remembered, const struct workload_disk *disk, const struct image *image);
