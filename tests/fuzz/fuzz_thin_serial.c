/* SPDX-License-Identifier: Apache-2.0 */
/* Any accesses to the serial line, while somebody types and hears. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hypervisor/thin/serial.h"
#include "tests/hypervisor/thin/recorded_board.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void type_or_hear(void *arg, uint32_t number)
{
	static uint8_t buffer[SERIAL_SAID + 1];
	size_t n = number >> 1 & 0x3fff;
	size_t done = number & 1 ? serial_type(arg, buffer, n) : serial_hear(arg, buffer, n);
	if (done > n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct port_range ports[] = {{SERIAL_PORT, SERIAL_PORT + 7}};
	AUTO(err_freep) struct err *err = NULL;
	AUTO(recorded_board_freep) struct recorded_board *record = recorded_board_new(1 << 20);
	AUTO(serial_freep) struct serial *serial = serial_new(&record->board, &err);
	if (!serial)
		return 0;
	run_program(record, ports, ARRAY_LENGTH(ports), data, size, type_or_hear, serial);
	serial_reset(serial);
	if (record->lines[LINE_SERIAL])
		abort();
	return 0;
}
