/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All devices of one machine, and the workers that serve them: one for each disk and each network, and one for what is
 * slow (serial line, clock, random numbers, the agent's console).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct board;
struct err;
struct machine_config;
struct machine_devices;

typedef void machine_devices_heard(void *arg, const uint8_t *data, size_t size);

/* Opens what is behind them: images, networks. config and board are borrowed for as long as they live. */
NODISCARD struct machine_devices *machine_devices_new(const struct machine_config *config, const struct board *board,
						      struct err **errp);
/* Ends the workers first. No vCPU runs any more. */
void machine_devices_free(struct machine_devices *devices);
DEFINE_AUTO_FREE(struct machine_devices, machine_devices_free);
/* Calls for each descriptor that is needed in jail. */
void machine_devices_each_descriptor(const struct machine_devices *devices, void (*call)(void *arg, int fd), void *arg);
/* The workers' threads begin, parked. */
NODISCARD bool machine_devices_start(struct machine_devices *devices, struct err **errp);

/* Blocks until all workers are parked, and all that the guest said is heard. */
void machine_devices_park(struct machine_devices *devices);
/* What was held for trouble is tried again. */
void machine_devices_go_on(struct machine_devices *devices);
/* What the guest wrote is durable, or what failed is told in the log. At a clean point. */
void machine_devices_flush(struct machine_devices *devices);
/* As at power-on. At a clean point. */
void machine_devices_reset(struct machine_devices *devices);

/* A driver of a system has taken a device over from the firmware's, since the reset. From any thread. */
bool machine_devices_taken_over(const struct machine_devices *devices);

/* As in machine.h; from any thread. */
void machine_devices_press_power(struct machine_devices *devices);
void machine_devices_listen(struct machine_devices *devices, machine_devices_heard *heard, void *arg);
size_t machine_devices_type(struct machine_devices *devices, const uint8_t *data, size_t size);
void machine_devices_listen_agent(struct machine_devices *devices, machine_devices_heard *heard, void *arg);
size_t machine_devices_tell_agent(struct machine_devices *devices, const uint8_t *data, size_t size);
/* The last that the firmware said to its debug console: evidence. */
void machine_devices_last_words(struct machine_devices *devices, char *text, size_t size);
