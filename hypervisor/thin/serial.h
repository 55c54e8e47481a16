/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A serial line as a PC has it at COM1: a 16550A with its FIFOs at ports 0x3f8-0x3ff and line 4 (National
 * Semiconductor, PC16550D data sheet, section 8). The baud rate is kept, and changes nothing.
 *
 *	the guest writes ──► what was said (SERIAL_SAID bytes) ──► serial_hear(), by the thread of the slow devices
 *	serial_type() ──► what waits on the line (SERIAL_TYPED bytes) ──► receive FIFO (16) ──► the guest reads
 *
 * Both buffers push back: where nothing is heard the transmitter does not become empty, and where nothing is read no
 * more is taken.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct board;
struct err;
struct serial;

enum { SERIAL_PORT = 0x3f8, SERIAL_SAID = 16384, SERIAL_TYPED = 4096 };

NODISCARD struct serial *serial_new(const struct board *board, struct err **errp);
/* As of every device: no access comes any more. The buses need not be there. NULL is fine. */
void serial_free(struct serial *serial);
DEFINE_AUTO_FREE(struct serial, serial_free);
/* As at power-on. What was said is still to be heard; what was typed is gone. At a clean point. */
void serial_reset(struct serial *serial);

/* Can be read while something was said that nobody has heard. Borrowed. */
int serial_event_fd(const struct serial *serial);
/* Takes the oldest of what was said, at most size bytes; returns how many. Any thread; does not block. */
size_t serial_hear(struct serial *serial, uint8_t *data, size_t size);
/* Returns how many of the bytes it took. Any thread; does not block. */
size_t serial_type(struct serial *serial, const uint8_t *data, size_t size);
