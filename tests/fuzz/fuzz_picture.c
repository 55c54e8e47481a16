/* SPDX-License-Identifier: Apache-2.0 */
/* The picture of a screen, from an emulator that ran a hostile guest: any bytes. What is read can be written again. */
#include <assert.h>
#include <stdint.h>

#include "base/err.h"
#include "hypervisor/picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	struct picture picture;
	struct bytes png;
	if (!picture_decode(SPAN(data, size), &picture, &err))
		return 0;
	assert(picture_is_same(&picture, &picture));
	if ((uint64_t)picture.width * picture.height < 10000) {
		bool ok = picture_to_png(&picture, 1 << 20, &png, &err);
		assert(ok && png.len > 0);
		bytes_release(&png);
	}
	picture_release(&picture);
	return 0;
}
