/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/hypervisor/thin/kernel_image.h"

#include <string.h>

#include "base/bytes.h"

void kernel_image_make(uint8_t image[KERNEL_IMAGE])
{
	for (unsigned i = 0; i < KERNEL_IMAGE; i++)
		image[i] = (uint8_t)(i * 7);
	memset(image, 0, KERNEL_BODY_AT);
	image[0x1f1] = KERNEL_SECTORS;
	bytes_store_le16(image + 0x1fe, 0xaa55);
	image[0x201] = 0x6a;
	bytes_store_le32(image + 0x202, 0x53726448); /* HdrS */
	bytes_store_le16(image + 0x206, 0x20f);
	image[0x211] = 0x01;
	bytes_store_le32(image + 0x22c, 0x7fffffff);
	bytes_store_le16(image + 0x236, 0x7f);
	bytes_store_le32(image + 0x238, 2047);
	bytes_store_le64(image + 0x258, KERNEL_PREFERRED);
	bytes_store_le32(image + 0x260, KERNEL_INIT_SIZE);
}
