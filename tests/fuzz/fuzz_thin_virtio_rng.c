/* SPDX-License-Identifier: Apache-2.0 */
/* The rings and requests of a random number device; see virtio_fuzz.h. */
#include <assert.h>

#include "base/err.h"
#include "hypervisor/thin/virtio_rng.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/hypervisor/thin/virtio_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct driver driver;

static void set_up(void)
{
	AUTO(err_freep) struct err *err = NULL;
	driver_init_with(&driver, VIRTIO_FUZZ_MEMORY);
	struct virtio_rng *rng = virtio_rng_new(&driver.board, &err);
	assert(rng);
	driver_attach(&driver, virtio_rng_device(rng));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!driver.device)
		set_up();
	virtio_fuzz(&driver, data, size);
	return 0;
}
