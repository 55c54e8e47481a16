/* SPDX-License-Identifier: Apache-2.0 */
/* The rings, control messages and bytes of a console with one port; see virtio_fuzz.h. */
#include <assert.h>

#include "base/err.h"
#include "hypervisor/thin/virtio_console.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/hypervisor/thin/virtio_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct driver driver;
static struct virtio_console *console;
static size_t heard;

static void hear(void *arg, const uint8_t *data, size_t size)
{
	(void)arg;
	for (size_t i = 0; i < size; i++)
		heard += data[i]; /* a sanitizer sees bytes that are not there */
}

static void set_up(void)
{
	AUTO(err_freep) struct err *err = NULL;
	driver_init_with(&driver, VIRTIO_FUZZ_MEMORY);
	console = virtio_console_new(&driver.board, "org.qemu.guest_agent.0", &err);
	assert(console);
	virtio_console_listen(console, hear, NULL);
	driver_attach(&driver, virtio_console_device(console));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t words[5000];
	if (!driver.device)
		set_up();
	virtio_fuzz(&driver, data, size);
	assert(virtio_console_say(console, words, sizeof(words)) == 0); /* a reset has closed the port */
	return 0;
}
