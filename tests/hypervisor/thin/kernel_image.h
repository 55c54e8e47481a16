/* SPDX-License-Identifier: Apache-2.0 */
/* A bzImage as far as whoever boots it looks: a head that says where it wants to lie, and bytes in the place of the
 * kernel. */
#pragma once

#include <stdint.h>

enum {
	KERNEL_SECTORS = 3, /* of its code for 16 bits */
	KERNEL_BODY_AT = (KERNEL_SECTORS + 1) * 512,
	KERNEL_BODY = 10000,
	KERNEL_IMAGE = KERNEL_BODY_AT + KERNEL_BODY,
	KERNEL_PREFERRED = 16 << 20,
	KERNEL_INIT_SIZE = 8 << 20,
	KERNEL_ENTRY = 0x200, /* in its body */
};

void kernel_image_make(uint8_t image[KERNEL_IMAGE]);
