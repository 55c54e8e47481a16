/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BAR holds the table at 0 and the pending bits at PENDING_AT. A message that is raised while its vector or the
 * whole function is masked, or while the function is no bus master, sets the pending bit, and is sent when none of
 * these is so any more.
 */
#include "hypervisor/thin/msix.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/pci.h"

/* PCI Local Bus Specification 3.0, sections 6.8.2.1 to 6.8.2.9. */
enum {
	CAPABILITY_ID = 0x11,
	CONTROL_AT = 2, /* in the capability */
	TABLE_AT = 4,
	PBA_AT = 8,
	CONTROL_ENABLE = 0x8000,
	CONTROL_MASK_ALL = 0x4000,

	ENTRY_SIZE = 16,
	ENTRY_DATA = 8,
	ENTRY_CONTROL = 12,
	ENTRY_MASKED = 1,

	PENDING_AT = 2048, /* in the BAR */
	PENDING_SIZE = 8,
};

_Static_assert(MSIX_VECTORS_MAX *ENTRY_SIZE <= PENDING_AT && MSIX_VECTORS_MAX == 8 * PENDING_SIZE,
	       "the table ends before the pending bits, and each vector has one");

/* All that the guest can see the effect of. */
struct msix_state {
	uint8_t table[MSIX_VECTORS_MAX * ENTRY_SIZE];
	uint64_t pending;
	bool enabled, masked;
};

struct msix {
	const struct board *board;
	unsigned vectors;
	pthread_mutex_t lock;
	struct msix_state state;
	bool master;
};

static uint8_t *entry_of(struct msix *msix, unsigned vector)
{
	return msix->state.table + (size_t)vector * ENTRY_SIZE;
}

static void reset_state(struct msix *msix)
{
	memset(&msix->state, 0, sizeof(msix->state));
	for (unsigned i = 0; i < msix->vectors; i++)
		bytes_store_le32(entry_of(msix, i) + ENTRY_CONTROL, ENTRY_MASKED);
}

struct msix *msix_new(const struct board *board, unsigned vectors, struct err **errp)
{
	assert(vectors > 0 && vectors <= MSIX_VECTORS_MAX);
	struct msix *msix = calloc(1, sizeof(*msix));
	if (!msix) {
		err_set_no_memory(errp);
		return NULL;
	}
	msix->board = board;
	msix->vectors = vectors;
	msix->master = true;
	pthread_mutex_init(&msix->lock, NULL);
	reset_state(msix);
	return msix;
}

void msix_free(struct msix *msix)
{
	if (!msix)
		return;
	pthread_mutex_destroy(&msix->lock);
	free(msix);
}

void msix_reset(struct msix *msix)
{
	pthread_mutex_lock(&msix->lock);
	reset_state(msix);
	pthread_mutex_unlock(&msix->lock);
}

void msix_describe(const struct msix *msix, struct pci_function *function, unsigned bar, unsigned offset, unsigned next)
{
	uint8_t *capability = function->config + offset;
	capability[0] = CAPABILITY_ID;
	capability[1] = (uint8_t)next;
	bytes_store_le16(capability + CONTROL_AT, (uint16_t)(msix->vectors - 1));
	bytes_store_le32(capability + TABLE_AT, bar);
	bytes_store_le32(capability + PBA_AT, PENDING_AT | bar);
	bytes_store_le16(function->writable + offset + CONTROL_AT, CONTROL_ENABLE | CONTROL_MASK_ALL);
}

static bool is_masked(struct msix *msix, unsigned vector)
{
	return !msix->master || msix->state.masked ||
	       bytes_load_le32(entry_of(msix, vector) + ENTRY_CONTROL) & ENTRY_MASKED;
}

static void send(struct msix *msix, unsigned vector)
{
	const uint8_t *entry = entry_of(msix, vector);
	board_send_message(msix->board, bytes_load_le64(entry), bytes_load_le32(entry + ENTRY_DATA));
}

static void send_pending(struct msix *msix)
{
	for (unsigned i = 0; msix->state.enabled && i < msix->vectors; i++) {
		uint64_t bit = UINT64_C(1) << i;
		if (!(msix->state.pending & bit) || is_masked(msix, i))
			continue;
		msix->state.pending &= ~bit;
		send(msix, i);
	}
}

void msix_set_master(struct msix *msix, bool master)
{
	pthread_mutex_lock(&msix->lock);
	msix->master = master;
	send_pending(msix);
	pthread_mutex_unlock(&msix->lock);
}

void msix_control(struct msix *msix, uint16_t control)
{
	pthread_mutex_lock(&msix->lock);
	msix->state.enabled = control & CONTROL_ENABLE;
	msix->state.masked = control & CONTROL_MASK_ALL;
	send_pending(msix);
	pthread_mutex_unlock(&msix->lock);
}

void msix_raise(struct msix *msix, unsigned vector)
{
	if (vector >= msix->vectors)
		return;
	pthread_mutex_lock(&msix->lock);
	if (msix->state.enabled && is_masked(msix, vector))
		msix->state.pending |= UINT64_C(1) << vector;
	else if (msix->state.enabled)
		send(msix, vector);
	pthread_mutex_unlock(&msix->lock);
}

static uint64_t load(const uint8_t *bytes, unsigned size)
{
	uint8_t wide[sizeof(uint64_t)] = {0};
	memcpy(wide, bytes, size);
	return bytes_load_le64(wide);
}

uint64_t msix_read(struct msix *msix, uint64_t offset, unsigned size)
{
	uint8_t pending[PENDING_SIZE];
	uint64_t value = 0;
	pthread_mutex_lock(&msix->lock);
	bytes_store_le64(pending, msix->state.pending);
	if (offset + size <= (uint64_t)msix->vectors * ENTRY_SIZE)
		value = load(msix->state.table + offset, size);
	else if (offset >= PENDING_AT && offset + size <= PENDING_AT + PENDING_SIZE)
		value = load(pending + (offset - PENDING_AT), size);
	pthread_mutex_unlock(&msix->lock);
	return value;
}

static void write_word(struct msix *msix, uint64_t offset, uint32_t value)
{
	bool control = offset % ENTRY_SIZE == ENTRY_CONTROL;
	bytes_store_le32(msix->state.table + offset, control ? value & ENTRY_MASKED : value);
}

/* Words and pairs of words, as the specification asks of drivers; nothing else is written. */
void msix_write(struct msix *msix, uint64_t offset, unsigned size, uint64_t value)
{
	if ((size != 4 && size != 8) || offset % size != 0 || offset >= (uint64_t)msix->vectors * ENTRY_SIZE)
		return;
	pthread_mutex_lock(&msix->lock);
	write_word(msix, offset, (uint32_t)value);
	if (size == 8)
		write_word(msix, offset + 4, (uint32_t)(value >> 32));
	send_pending(msix);
	pthread_mutex_unlock(&msix->lock);
}
