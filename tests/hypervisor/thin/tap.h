/* SPDX-License-Identifier: Apache-2.0 */
/* A TAP interface in a network of the test's own, and the host's side of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Leaves this machine's network for an empty one. False where this user may not, or there is no TAP. */
bool tap_enter_network(void);
/* As `ip tuntap add … mode tap` and `ip link set … up`. One that does not stay is gone with the descriptor, which is
 * returned. */
int tap_make(const char *name, bool stays);
/* What the host sends and hears on the interface. */
int tap_open_host(const char *interface);
/* The host sends one piece of TCP over IPv4 to a card that is said to cut it: TAP_SEGMENTS of TAP_PAYLOAD bytes. */
void tap_send_segments(const char *interface);

enum { TAP_HEADERS = 54, TAP_PAYLOAD = 1000, TAP_SEGMENTS = 3 };
/* Whether the frame is of tap_send_segments(), for others come, too. */
bool tap_is_segment(const uint8_t *frame, size_t size);
