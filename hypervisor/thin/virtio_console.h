/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A console device (Virtual I/O Device 1.1, section 5.3) that has one named port and no terminal: the channel to a
 * program in the guest, such as the guest agent.
 *
 *	closed ──(a program in the guest opens the port)──► open ──(it closes it, or a reset)──► closed
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct board;
struct err;
struct virtio_console;
struct virtio_device;

/* What the guest's program wrote; in the worker, with the device's lock held: it must not call this header. */
typedef void virtio_console_heard(void *arg, const uint8_t *data, size_t size);

/* name is the port's, as "org.qemu.guest_agent.0": copied, at most 63 bytes. */
NODISCARD struct virtio_console *virtio_console_new(const struct board *board, const char *name, struct err **errp);
void virtio_console_free(struct virtio_console *console);
DEFINE_AUTO_FREE(struct virtio_console, virtio_console_free);
/* For its transport and its worker. Borrowed. */
struct virtio_device *virtio_console_device(struct virtio_console *console);
/* NULL: nobody listens, and what is said is lost. From any thread. */
void virtio_console_listen(struct virtio_console *console, virtio_console_heard *heard, void *arg);
/* Says something to the guest's program. Returns how many bytes were taken: the buffer is small, and while the port is
 * closed none are. From any thread. */
size_t virtio_console_say(struct virtio_console *console, const uint8_t *data, size_t size);
