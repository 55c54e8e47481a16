/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/debug_console.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/bus.h"

enum { HERE = 0xe9 /* what is read where there is such a console */ };

struct debug_console {
	pthread_mutex_t lock; /* of all below */
	size_t told;	      /* bytes in all: the next one's place is told modulo DEBUG_CONSOLE_KEPT */
	uint8_t kept[DEBUG_CONSOLE_KEPT];
};

static uint64_t debug_console_read(void *device, uint64_t offset, unsigned size)
{
	(void)device;
	(void)offset;
	(void)size;
	return HERE;
}

static void debug_console_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct debug_console *console = device;
	(void)offset;
	(void)size;
	pthread_mutex_lock(&console->lock);
	console->kept[console->told++ % DEBUG_CONSOLE_KEPT] = (uint8_t)value;
	pthread_mutex_unlock(&console->lock);
}

static const struct bus_ops ops = {.read = debug_console_read, .write = debug_console_write};

struct debug_console *debug_console_new(const struct board *board, struct err **errp)
{
	AUTO(debug_console_freep) struct debug_console *console = calloc(1, sizeof(*console));
	if (!console) {
		err_set_no_memory(errp);
		return NULL;
	}
	pthread_mutex_init(&console->lock, NULL);
	struct bus_region region = {.base = DEBUG_CONSOLE_PORT, .size = 1, .ops = &ops, .device = console};
	return bus_claim(board->ports, &region, errp) ? STEAL(&console) : NULL;
}

void debug_console_free(struct debug_console *console)
{
	if (!console)
		return;
	pthread_mutex_destroy(&console->lock);
	free(console);
}

void debug_console_reset(struct debug_console *console)
{
	pthread_mutex_lock(&console->lock);
	console->told = 0;
	pthread_mutex_unlock(&console->lock);
}

static char as_text(uint8_t byte)
{
	return byte == '\n' || (byte >= ' ' && byte <= '~') ? (char)byte : '.';
}

size_t debug_console_text(struct debug_console *console, char *ret_text, size_t size)
{
	pthread_mutex_lock(&console->lock);
	size_t n = console->told < DEBUG_CONSOLE_KEPT ? console->told : DEBUG_CONSOLE_KEPT;
	if (n > size - 1)
		n = size - 1;
	for (size_t i = 0; i < n; i++)
		ret_text[i] = as_text(console->kept[(console->told - n + i) % DEBUG_CONSOLE_KEPT]);
	ret_text[n] = '\0';
	pthread_mutex_unlock(&console->lock);
	return n;
}
