/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest selects an item and reads it byte by byte, or asks by DMA for many bytes at once. Nothing can be written;
 * what is read behind an item's end is zero, and an item that is not there is empty.
 */
#include "hypervisor/thin/fw_cfg.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/bus.h"
#include "hypervisor/thin/guest_memory.h"

/* Keys of items. */
enum {
	SIGNATURE = 0x00,
	VERSION = 0x01,
	VERSION_PORTS = 1,
	VERSION_DMA = 2,
	NO_GRAPHICS = 0x04,
	PROCESSORS = 0x05,
	PROCESSORS_MAX = 0x0f,
	DIRECTORY = 0x19,
	FIRST_FILE = 0x20,
	NUMBERED = 6,
};

/* A directory: be32 n, and n times be32 size, be16 key, u16 0, and a name that NUL ends. */
enum { DIRECTORY_HEAD = 4, ENTRY_SIZE = 64, ENTRY_KEY = 4, ENTRY_NAME = 8 };

/* A request by DMA: be32 control, be32 length, be64 address. */
enum {
	REQUEST_SIZE = 16,
	DMA_ERROR = 0x01,
	DMA_READ = 0x02,
	DMA_SKIP = 0x04,
	DMA_SELECT = 0x08,
	DMA_WRITE = 0x10,
	DMA_KEY_SHIFT = 16,
};

static const uint8_t dma_signature[8] = "QEMU CFG";

struct item {
	uint16_t key;
	struct bytes data;
};

/* All that the guest can tell; the items are constant. */
struct fw_cfg_state {
	uint16_t selected;
	uint32_t offset;
	uint32_t dma_high;
};

struct fw_cfg {
	const struct board *board;
	pthread_mutex_t lock; /* of the state */
	struct fw_cfg_state state;
	struct item items[NUMBERED + FW_CFG_FILES_MAX];
	unsigned n_items, n_files;
};

/* ---- Reading ---- */

static struct item *find(struct fw_cfg *fw_cfg, uint16_t key)
{
	for (unsigned i = 0; i < fw_cfg->n_items; i++)
		if (fw_cfg->items[i].key == key)
			return &fw_cfg->items[i];
	return NULL;
}

/* What is left of the selected item. */
static struct span rest(struct fw_cfg *fw_cfg)
{
	const struct item *item = find(fw_cfg, fw_cfg->state.selected);
	uint32_t offset = fw_cfg->state.offset;
	return item && offset < item->data.len ? SPAN(item->data.data + offset, item->data.len - offset) : SPAN_NONE;
}

static void skip(struct fw_cfg *fw_cfg, uint32_t length)
{
	size_t left = rest(fw_cfg).len;
	fw_cfg->state.offset += length < left ? length : (uint32_t)left;
}

static void select_item(struct fw_cfg *fw_cfg, uint16_t key)
{
	fw_cfg->state.selected = key;
	fw_cfg->state.offset = 0;
}

static uint8_t next_byte(struct fw_cfg *fw_cfg)
{
	struct span left = rest(fw_cfg);
	uint8_t byte = left.len > 0 ? *(const uint8_t *)left.data : 0;
	skip(fw_cfg, 1);
	return byte;
}

/* ---- Ports ---- */

static uint64_t port_read(void *device, uint64_t offset, unsigned size)
{
	struct fw_cfg *fw_cfg = device;
	if (offset != 1 || size != 1)
		return UINT64_MAX;
	pthread_mutex_lock(&fw_cfg->lock);
	uint8_t byte = next_byte(fw_cfg);
	pthread_mutex_unlock(&fw_cfg->lock);
	return byte;
}

static void port_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct fw_cfg *fw_cfg = device;
	if (offset != 0 || size != 2)
		return;
	pthread_mutex_lock(&fw_cfg->lock);
	select_item(fw_cfg, (uint16_t)value);
	pthread_mutex_unlock(&fw_cfg->lock);
}

static const struct bus_ops port_ops = {.read = port_read, .write = port_write};

/* ---- DMA ---- */

static bool fill(struct fw_cfg *fw_cfg, uint64_t address, uint32_t length)
{
	uint8_t *to =
		length <= FW_CFG_DMA_MAX ? guest_memory_for_writing(fw_cfg->board->memory, address, length) : NULL;
	if (!to)
		return false;
	struct span left = rest(fw_cfg);
	size_t n = left.len < length ? left.len : length;
	if (n > 0)
		memcpy(to, left.data, n);
	memset(to + n, 0, length - n);
	guest_memory_wrote(fw_cfg->board->memory, address, length);
	skip(fw_cfg, length);
	return true;
}

static bool carry_out(struct fw_cfg *fw_cfg, const uint8_t request[REQUEST_SIZE])
{
	uint32_t control = (uint32_t)(bytes_load_be64(request) >> 32), length = (uint32_t)bytes_load_be64(request);
	if (control & DMA_SELECT)
		select_item(fw_cfg, (uint16_t)(control >> DMA_KEY_SHIFT));
	if (control & DMA_READ)
		return length == 0 || fill(fw_cfg, bytes_load_be64(request + 8), length);
	if (control & DMA_WRITE)
		return false;
	if (control & DMA_SKIP)
		skip(fw_cfg, length);
	return true;
}

/* A request that is not in memory cannot be answered: nothing happens. */
static void serve_request(struct fw_cfg *fw_cfg, uint64_t address)
{
	uint8_t request[REQUEST_SIZE];
	if (!guest_memory_read(fw_cfg->board->memory, address, request, sizeof(request)))
		return;
	const uint8_t answer[4] = {0, 0, 0, carry_out(fw_cfg, request) ? 0 : DMA_ERROR};
	(void)!guest_memory_write(fw_cfg->board->memory, address, answer, sizeof(answer));
}

static uint64_t dma_read(void *device, uint64_t offset, unsigned size)
{
	uint64_t value = 0;
	(void)device;
	memcpy(&value, dma_signature + offset, size);
	return value;
}

/* The address of a request, big-endian, in two halves; the second one begins it. */
static void dma_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct fw_cfg *fw_cfg = device;
	uint32_t half = __builtin_bswap32((uint32_t)value);
	if (size != 4 || offset % 4 != 0)
		return;
	pthread_mutex_lock(&fw_cfg->lock);
	if (offset == 0) {
		fw_cfg->state.dma_high = half;
	} else {
		serve_request(fw_cfg, (uint64_t)fw_cfg->state.dma_high << 32 | half);
		fw_cfg->state.dma_high = 0;
	}
	pthread_mutex_unlock(&fw_cfg->lock);
}

static const struct bus_ops dma_ops = {.read = dma_read, .write = dma_write};

/* ---- Items ---- */

static bool add_item(struct fw_cfg *fw_cfg, uint16_t key, struct span data, struct err **errp)
{
	assert(fw_cfg->n_items < ARRAY_LENGTH(fw_cfg->items));
	struct item *item = &fw_cfg->items[fw_cfg->n_items];
	bytes_init(&item->data, UINT32_MAX);
	bytes_put(&item->data, data.data, data.len);
	if (!bytes_ok(&item->data)) {
		bytes_release(&item->data);
		return err_set_no_memory(errp);
	}
	item->key = key;
	fw_cfg->n_items++;
	return true;
}

static bool add_numbered(struct fw_cfg *fw_cfg, unsigned vcpus, struct err **errp)
{
	const uint8_t version[] = {VERSION_PORTS | VERSION_DMA, 0, 0, 0};
	const uint8_t no_graphics[] = {1, 0}, processors[] = {(uint8_t)vcpus, 0};
	const uint8_t no_files[DIRECTORY_HEAD + FW_CFG_FILES_MAX * ENTRY_SIZE] = {0};
	return add_item(fw_cfg, SIGNATURE, SPAN_TEXT("QEMU"), errp) &&
	       add_item(fw_cfg, VERSION, SPAN_OF(version), errp) &&
	       add_item(fw_cfg, NO_GRAPHICS, SPAN_OF(no_graphics), errp) &&
	       add_item(fw_cfg, PROCESSORS, SPAN_OF(processors), errp) &&
	       add_item(fw_cfg, PROCESSORS_MAX, SPAN_OF(processors), errp) &&
	       add_item(fw_cfg, DIRECTORY, SPAN_OF(no_files), errp);
}

struct fw_cfg *fw_cfg_new(const struct board *board, unsigned vcpus, struct err **errp)
{
	AUTO(fw_cfg_freep) struct fw_cfg *fw_cfg = calloc(1, sizeof(*fw_cfg));
	if (!fw_cfg) {
		err_set_no_memory(errp);
		return NULL;
	}
	pthread_mutex_init(&fw_cfg->lock, NULL);
	fw_cfg->board = board;
	struct bus_region ports = {.base = FW_CFG_PORT, .size = 2, .ops = &port_ops, .device = fw_cfg};
	struct bus_region dma = {.base = FW_CFG_DMA_PORT, .size = 8, .ops = &dma_ops, .device = fw_cfg};
	if (!add_numbered(fw_cfg, vcpus, errp) || !bus_claim(board->ports, &ports, errp) ||
	    !bus_claim(board->ports, &dma, errp))
		return NULL;
	return STEAL(&fw_cfg);
}

void fw_cfg_free(struct fw_cfg *fw_cfg)
{
	if (!fw_cfg)
		return;
	for (unsigned i = 0; i < fw_cfg->n_items; i++)
		bytes_release(&fw_cfg->items[i].data);
	pthread_mutex_destroy(&fw_cfg->lock);
	free(fw_cfg);
}

void fw_cfg_reset(struct fw_cfg *fw_cfg)
{
	pthread_mutex_lock(&fw_cfg->lock);
	fw_cfg->state = (struct fw_cfg_state){0};
	pthread_mutex_unlock(&fw_cfg->lock);
}

static uint8_t *directory_entry(struct fw_cfg *fw_cfg, unsigned file)
{
	return find(fw_cfg, DIRECTORY)->data.data + DIRECTORY_HEAD + (size_t)file * ENTRY_SIZE;
}

static bool has_file(struct fw_cfg *fw_cfg, const char *name)
{
	for (unsigned i = 0; i < fw_cfg->n_files; i++)
		if (strcmp((const char *)directory_entry(fw_cfg, i) + ENTRY_NAME, name) == 0)
			return true;
	return false;
}

bool fw_cfg_add_file(struct fw_cfg *fw_cfg, const char *name, struct span data, struct err **errp)
{
	uint16_t key = (uint16_t)(FIRST_FILE + fw_cfg->n_files);
	size_t length = strlen(name);
	assert(length > 0 && length <= FW_CFG_NAME_MAX);
	if (has_file(fw_cfg, name))
		return err_set(errp, ERR_EXISTS, "the firmware is told of '%s' twice", name);
	if (fw_cfg->n_files == FW_CFG_FILES_MAX)
		return err_set(errp, ERR_USAGE, "the firmware can be told of %d files", FW_CFG_FILES_MAX);
	if (!add_item(fw_cfg, key, data, errp))
		return false;
	uint8_t *entry = directory_entry(fw_cfg, fw_cfg->n_files++);
	bytes_store_be64(entry, (uint64_t)data.len << 32 | (uint64_t)key << 16);
	memcpy(entry + ENTRY_NAME, name, length + 1);
	find(fw_cfg, DIRECTORY)->data.data[DIRECTORY_HEAD - 1] = (uint8_t)fw_cfg->n_files;
	return true;
}
