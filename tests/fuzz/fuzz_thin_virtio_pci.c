/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that a driver can do with a transport: accesses to PCI's ports and to both BARs, and kicks, over a memory that an
 * access may also write.
 *
 *	each step, 8 bytes: what (1), size (1), where (2, little-endian), value (4)
 */
#include <assert.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/bus.h"
#include "hypervisor/thin/pci.h"
#include "hypervisor/thin/virtio_console.h"
#include "hypervisor/thin/virtio_pci.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/hypervisor/thin/virtio_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEP_SIZE = 8, STEPS_MAX = 512, SLOT = 1, COMMAND = 4, BAR_0 = 0x10 };
enum what {
	READ_REGISTER,
	WRITE_REGISTER,
	READ_VECTOR,
	WRITE_VECTOR,
	READ_CONFIG,
	WRITE_CONFIG,
	WRITE_MEMORY,
	SERVE,
	WHATS
};

#define REGISTERS UINT32_C(0xd0000000)
#define VECTORS UINT32_C(0xd0010000)

struct step {
	enum what what;
	unsigned size;
	uint16_t where;
	uint32_t value;
};

static struct driver driver;
static struct pci *pci;
static struct virtio_pci *transport;

static void select_config(unsigned offset)
{
	bus_write(driver.board.ports, 0xcf8, 4, 0x80000000 | SLOT << 11 | (offset & 0xfc));
}

static void write_config(unsigned offset, unsigned size, uint32_t value)
{
	select_config(offset);
	bus_write(driver.board.ports, 0xcfc + (offset & 3 & ~(size - 1)), size, value);
}

static void set_up(void)
{
	AUTO(err_freep) struct err *err = NULL;
	driver_init_with(&driver, VIRTIO_FUZZ_MEMORY);
	driver.can_ring = true;
	pci = pci_new(&driver.board, &err);
	struct virtio_console *console = virtio_console_new(&driver.board, "port", &err);
	assert(pci && console);
	driver.device = virtio_console_device(console);
	transport = virtio_pci_new(&driver.board, pci, driver.device, &err);
	assert(transport);
}

static void restart(void)
{
	pci_reset(pci);
	virtio_pci_reset(transport);
	assert(driver.n_rings == 0);
	write_config(BAR_0, 4, REGISTERS);
	write_config(BAR_0 + 4, 4, VECTORS);
	write_config(COMMAND, 2, 6);
}

static void take(const struct step *step)
{
	struct bus *mmio = driver.board.mmio;
	unsigned port_size = step->size > 4 ? 4 : step->size;
	uint64_t wide = (uint64_t)step->value << 32 | step->value;
	switch (step->what) {
	case READ_REGISTER:
		bus_read(mmio, REGISTERS + step->where, step->size);
		return;
	case WRITE_REGISTER:
		bus_write(mmio, REGISTERS + step->where, step->size, step->size == 8 ? wide : step->value);
		return;
	case READ_VECTOR:
		bus_read(mmio, VECTORS + step->where, step->size);
		return;
	case WRITE_VECTOR:
		bus_write(mmio, VECTORS + step->where, step->size, wide);
		return;
	case READ_CONFIG:
		select_config(step->where);
		bus_read(driver.board.ports, 0xcfc + (step->where & 3 & ~(port_size - 1)), port_size);
		return;
	case WRITE_CONFIG:
		write_config(step->where, port_size, step->value);
		return;
	case WRITE_MEMORY:
		if (step->where <= VIRTIO_FUZZ_MEMORY - sizeof(step->value))
			driver_write(&driver, step->where, &step->value, sizeof(step->value));
		return;
	case SERVE:
		driver_serve(&driver, step->where % VIRTIO_QUEUES_MAX);
		return;
	case WHATS:
		return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!driver.device)
		set_up();
	restart();
	for (size_t i = 0; i < STEPS_MAX && size >= STEP_SIZE; i++, data += STEP_SIZE, size -= STEP_SIZE) {
		struct step step = {.what = data[0] % WHATS,
				    .size = 1u << data[1] % 4,
				    .where = bytes_load_le16(data + 2),
				    .value = bytes_load_le32(data + 4)};
		take(&step);
	}
	return 0;
}
