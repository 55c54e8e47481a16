/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's definition out of a repository: any bytes. Whatever it says, no path of its own gets through. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hypervisor/libvirt/fit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(void *arg, const char *text)
{
	(void)arg;
	for (; *text; text++)
		assert(*text >= ' ' && *text <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	char *machines[] = {(char *)"pc", (char *)"q35"};
	const struct fit_host host = {
		.emulator = (char *)"/qemu", .machines = machines, .n_machines = 2, .processors = 2, .memory = 1 << 30};
	const struct fit_disk disk = {.name = "vda", .overlay = "/overlay", .nbd_socket = "/nbd"};
	const struct fit_request request = {.definition = SPAN(data, size),
					    .name = "salvor",
					    .disks = &disk,
					    .n_disks = 1,
					    .console_socket = "/console",
					    .note = note};
	AUTO(freep) char *text = fit_definition(&request, &host, &err);
	assert((text == NULL) == (err != NULL));
	assert(!text || !strstr(text, "/etc"));
	return 0;
}
