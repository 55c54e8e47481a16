/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tells a disk's image from another one that took its place since the last cut.
 *
 * A bitmap travels with its image: QEMU stores both when the machine stops, a copy has both, and whoever writes to a
 * qcow2 image without knowing of bitmaps marks them as worthless, as the format asks. A bitmap's name is random, new
 * with each cut, and gone from the image with the next one. So an image that has the last cut's bitmap is that cut's
 * image and what the bitmap marks, also when it is an older copy that was put back; and an image from before that cut
 * has no such bitmap. Two things are left that a bitmap cannot tell, and this tells them: which of several disks the
 * image was, and whether what lies below it is still the same. What passes all of that, as a copy of one disk's bytes
 * over another's does, is left to whoever compares chunks that were said to be unchanged.
 */
#pragma once

#include <stdint.h>

#include "hypervisor/libvirt/domain_xml.h"

/* Of the file itself, when and where it was made; of each image below it, when it was last written to as well. Of a
 * device, its path. */
uint64_t image_identity(const struct domain_disk *disk);
