/* SPDX-License-Identifier: Apache-2.0 */
/* The transport as a driver finds it: by PCI's ports, the capabilities, and the registers in its BARs. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/bus.h"
#include "hypervisor/thin/pci.h"
#include "hypervisor/thin/virtio_console.h"
#include "hypervisor/thin/virtio_pci.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/unit.h"

enum { SLOT = 1, COMMAND = 4, COMMAND_MEMORY = 2, COMMAND_MASTER = 4, FIRST_CAPABILITY = 0x34, BAR_0 = 0x10, RING = 8 };
enum { KIND_COMMON = 1, KIND_KICKS = 2, KIND_ISR = 3, KIND_DEVICE = 4, KIND_WINDOW = 5, KINDS = 6 };
enum {
	DEVICE_FEATURE_SELECT = 0,
	DEVICE_FEATURE = 4,
	DRIVER_FEATURE_SELECT = 8,
	DRIVER_FEATURE = 12,
	CONFIG_VECTOR = 16,
	NUM_QUEUES = 18,
	STATUS = 20,
	QUEUE_SELECT = 22,
	QUEUE_SIZE = 24,
	QUEUE_VECTOR = 26,
	QUEUE_ENABLE = 28,
	QUEUE_KICK = 30,
	QUEUE_DESCRIPTORS = 32,
	QUEUE_AVAILABLE = 40,
	QUEUE_USED = 48,
};
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 0x40 };
enum { PORT_OUT = 5, MULTIPORT = 2 };

#define REGISTERS UINT32_C(0xd0000000)
#define VECTORS UINT32_C(0xd0010000)

struct fixture {
	struct driver driver;
	struct virtio_console *console;
	struct pci *pci;
	struct virtio_pci *transport;
	uint8_t capabilities[KINDS]; /* where in configuration space */
	uint8_t msix;
	uint64_t common;
};

static void select_config(struct fixture *fixture, unsigned offset)
{
	bus_write(fixture->driver.board.ports, 0xcf8, 4, 0x80000000 | SLOT << 11 | (offset & 0xfc));
}

static uint32_t config_read(struct fixture *fixture, unsigned offset, unsigned size)
{
	select_config(fixture, offset);
	return (uint32_t)bus_read(fixture->driver.board.ports, 0xcfc + (offset & 3), size);
}

static void config_write(struct fixture *fixture, unsigned offset, unsigned size, uint32_t value)
{
	select_config(fixture, offset);
	bus_write(fixture->driver.board.ports, 0xcfc + (offset & 3), size, value);
}

static uint64_t peek(struct fixture *fixture, unsigned offset, unsigned size)
{
	return bus_read(fixture->driver.board.mmio, fixture->common + offset, size);
}

static void poke(struct fixture *fixture, unsigned offset, unsigned size, uint64_t value)
{
	bus_write(fixture->driver.board.mmio, fixture->common + offset, size, value);
}

static void find_capabilities(struct fixture *fixture)
{
	for (unsigned at = config_read(fixture, FIRST_CAPABILITY, 1), n = 0; at && n < 16;
	     at = config_read(fixture, at + 1, 1), n++) {
		unsigned id = config_read(fixture, at, 1), kind = config_read(fixture, at + 3, 1);
		if (id == 0x11)
			fixture->msix = (uint8_t)at;
		else if (id == 9 && kind < KINDS)
			fixture->capabilities[kind] = (uint8_t)at;
	}
}

static uint64_t place_of(struct fixture *fixture, unsigned kind)
{
	unsigned at = fixture->capabilities[kind];
	assert_int_equal(config_read(fixture, at + 4, 1), 0);
	return REGISTERS + config_read(fixture, at + 8, 4);
}

static int set_up(void **state)
{
	static struct fixture fixture;
	AUTO(err_freep) struct err *err = NULL;
	memset(&fixture, 0, sizeof(fixture));
	driver_init(&fixture.driver);
	fixture.pci = pci_new(&fixture.driver.board, &err);
	fixture.console = virtio_console_new(&fixture.driver.board, "port", &err);
	fixture.driver.device = virtio_console_device(fixture.console);
	fixture.transport = virtio_pci_new(&fixture.driver.board, fixture.pci, fixture.driver.device, &err);
	if (!fixture.transport)
		return -1;
	find_capabilities(&fixture);
	config_write(&fixture, BAR_0, 4, REGISTERS);
	config_write(&fixture, BAR_0 + 4, 4, VECTORS);
	config_write(&fixture, COMMAND, 2, COMMAND_MEMORY | COMMAND_MASTER);
	fixture.common = place_of(&fixture, KIND_COMMON);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	driver_stop_worker(&fixture->driver);
	pci_free(fixture->pci);
	virtio_pci_free(fixture->transport);
	virtio_console_free(fixture->console);
	assert_int_equal(fixture->driver.n_rings, 0);
	driver_release(&fixture->driver);
	return 0;
}

static uint64_t offered_features(struct fixture *fixture)
{
	uint64_t features = 0;
	for (unsigned i = 0; i < 3; i++) {
		poke(fixture, DEVICE_FEATURE_SELECT, 4, i);
		features |= i < 2 ? peek(fixture, DEVICE_FEATURE, 4) << (32 * i) : 0;
	}
	assert_int_equal(peek(fixture, DEVICE_FEATURE, 4), 0); /* there are no more than 64 */
	return features;
}

static void accept_features(struct fixture *fixture, uint64_t features)
{
	for (unsigned i = 0; i < 2; i++) {
		poke(fixture, DRIVER_FEATURE_SELECT, 4, i);
		poke(fixture, DRIVER_FEATURE, 4, features >> (32 * i) & UINT32_MAX);
	}
	poke(fixture, STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

static void start_queue(struct fixture *fixture, uint16_t queue)
{
	fixture->driver.queues[queue] = (struct driver_queue){.size = RING};
	poke(fixture, QUEUE_SELECT, 2, queue);
	poke(fixture, QUEUE_SIZE, 2, RING);
	poke(fixture, QUEUE_VECTOR, 2, queue);
	poke(fixture, QUEUE_DESCRIPTORS, 4, driver_descriptors(queue));
	poke(fixture, QUEUE_DESCRIPTORS + 4, 4, 0);
	poke(fixture, QUEUE_AVAILABLE, 8, driver_available(queue)); /* as a whole */
	poke(fixture, QUEUE_USED, 4, driver_used(queue));
	poke(fixture, QUEUE_USED + 4, 4, 0);
	poke(fixture, QUEUE_ENABLE, 2, 1);
}

static void bring_up(struct fixture *fixture)
{
	uint8_t zeros[DRIVER_RING_STEP] = {0};
	poke(fixture, STATUS, 1, 0);
	accept_features(fixture, VIRTIO_FEATURE_VERSION_1 | MULTIPORT);
	poke(fixture, CONFIG_VECTOR, 2, 6);
	for (uint16_t i = 0; i < 6; i++) {
		driver_write(&fixture->driver, driver_descriptors(i), zeros, sizeof(zeros));
		start_queue(fixture, i);
	}
	poke(fixture, STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_int_equal(peek(fixture, STATUS, 1), ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

static void enable_vectors(struct fixture *fixture)
{
	struct bus *mmio = fixture->driver.board.mmio;
	for (unsigned i = 0; i < 7; i++) {
		bus_write(mmio, VECTORS + 16 * i, 4, 0xfee01000);
		bus_write(mmio, VECTORS + 16 * i + 8, 4, 0x40 + i);
		bus_write(mmio, VECTORS + 16 * i + 12, 4, 0);
	}
	config_write(fixture, fixture->msix + 2, 2, 0x8000);
}

static void pci_knows_it(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(config_read(fixture, 0, 4), 0x10431af4);
	assert_int_equal(config_read(fixture, 8, 1), 1);
	assert_int_equal(config_read(fixture, 10, 2), 0x0780);
	for (unsigned kind = KIND_COMMON; kind < KINDS; kind++)
		assert_int_not_equal(fixture->capabilities[kind], 0);
	assert_int_not_equal(fixture->msix, 0);
	assert_int_equal(config_read(fixture, fixture->msix + 2, 2), 6); /* seven vectors */
	assert_int_equal(config_read(fixture, fixture->msix + 4, 4) & 7, 1);
	assert_int_equal(config_read(fixture, fixture->capabilities[KIND_KICKS] + 16, 4), 4);
	assert_int_equal(config_read(fixture, fixture->capabilities[KIND_DEVICE] + 12, 4), 12);
	assert_int_equal(bus_read(fixture->driver.board.mmio, place_of(fixture, KIND_DEVICE) + 4, 4), 2);
	assert_int_equal(bus_read(fixture->driver.board.mmio, place_of(fixture, KIND_DEVICE) + 12, 4), 0);
	assert_int_equal(peek(fixture, NUM_QUEUES, 2), 6);
}

static void features_are_negotiated(void **state)
{
	struct fixture *fixture = *state;
	uint64_t offered = offered_features(fixture);
	assert_true(offered & VIRTIO_FEATURE_VERSION_1);
	assert_true(offered & MULTIPORT);
	accept_features(fixture, MULTIPORT); /* a driver of the legacy interface */
	assert_false(peek(fixture, STATUS, 1) & FEATURES_OK);
	accept_features(fixture, VIRTIO_FEATURE_VERSION_1 | UINT64_C(1) << 60);
	assert_false(peek(fixture, STATUS, 1) & FEATURES_OK);
	poke(fixture, STATUS, 1, DRIVER_OK);
	assert_false(peek(fixture, STATUS, 1) & DRIVER_OK);
	accept_features(fixture, offered);
	assert_true(peek(fixture, STATUS, 1) & FEATURES_OK);
	poke(fixture, DRIVER_FEATURE, 4, 0); /* settled */
	assert_int_equal(fixture->driver.device->state.features, offered);
}

static void a_queue_is_settled_when_it_starts(void **state)
{
	struct fixture *fixture = *state;
	bring_up(fixture);
	poke(fixture, QUEUE_SELECT, 2, 3);
	poke(fixture, QUEUE_SIZE, 2, 2);
	poke(fixture, QUEUE_DESCRIPTORS, 4, 0);
	poke(fixture, QUEUE_ENABLE, 2, 0);
	assert_int_equal(peek(fixture, QUEUE_SIZE, 2), RING);
	assert_int_equal(peek(fixture, QUEUE_DESCRIPTORS, 4), driver_descriptors(3));
	assert_int_equal(peek(fixture, QUEUE_ENABLE, 2), 1);
	assert_int_equal(peek(fixture, QUEUE_KICK, 2), 3);
	poke(fixture, QUEUE_SELECT, 2, 6);
	assert_int_equal(peek(fixture, QUEUE_SIZE, 2), 0); /* there is none */
	poke(fixture, QUEUE_ENABLE, 2, 1);
	poke(fixture, QUEUE_SIZE, 2, 2);
}

static void wrong_sizes_are_not_taken(void **state)
{
	struct fixture *fixture = *state;
	poke(fixture, QUEUE_SIZE, 2, 3);
	poke(fixture, QUEUE_SIZE, 2, 2 * VIRTQUEUE_SIZE_MAX);
	poke(fixture, QUEUE_SIZE, 2, 0);
	assert_int_equal(peek(fixture, QUEUE_SIZE, 2), VIRTQUEUE_SIZE_MAX);
	poke(fixture, STATUS, 4, 1);
	poke(fixture, STATUS, 2, 1);
	assert_int_equal(peek(fixture, STATUS, 1), 0);
	poke(fixture, QUEUE_VECTOR, 2, 7);
	assert_int_equal(peek(fixture, QUEUE_VECTOR, 2), 0xffff);
	poke(fixture, CONFIG_VECTOR, 2, 7);
	assert_int_equal(peek(fixture, CONFIG_VECTOR, 2), 0xffff);
	poke(fixture, CONFIG_VECTOR, 2, 6);
	assert_int_equal(peek(fixture, CONFIG_VECTOR, 2), 6);
	assert_int_equal(peek(fixture, 0x38, 4), 0);
	assert_int_equal(peek(fixture, 0x36, 4), 0); /* half beyond */
}

static void rings_out_of_memory_are_a_misuse(void **state)
{
	struct fixture *fixture = *state;
	accept_features(fixture, VIRTIO_FEATURE_VERSION_1);
	poke(fixture, QUEUE_DESCRIPTORS + 4, 4, 0xffff);
	poke(fixture, QUEUE_ENABLE, 2, 1);
	assert_int_equal(peek(fixture, QUEUE_ENABLE, 2), 0);
	assert_true(peek(fixture, STATUS, 1) & NEEDS_RESET);
	assert_int_equal(fixture->driver.misuses, 1);
	poke(fixture, STATUS, 1, 0);
	assert_int_equal(peek(fixture, STATUS, 1), 0);
	poke(fixture, QUEUE_ENABLE, 2, 1); /* before there are features */
	assert_true(peek(fixture, STATUS, 1) & NEEDS_RESET);
	assert_int_equal(fixture->driver.misuses, 1);
}

static bool is_kicked(struct fixture *fixture, unsigned queue)
{
	struct pollfd descriptor = {.fd = fixture->driver.device->kicks[queue].fd, .events = POLLIN};
	return poll(&descriptor, 1, 0) == 1;
}

static void a_kick_that_leaves_the_guest_arrives(void **state)
{
	struct fixture *fixture = *state;
	uint64_t kicks = place_of(fixture, KIND_KICKS);
	assert_false(is_kicked(fixture, 2));
	bus_write(fixture->driver.board.mmio, kicks + 2 * 4, 2, 2);
	assert_true(is_kicked(fixture, 2));
	assert_false(is_kicked(fixture, 1));
	bus_write(fixture->driver.board.mmio, kicks + 6 * 4, 2, 6); /* there is none */
	bus_write(fixture->driver.board.mmio, kicks + 4 * 4, 4, 0);
	assert_true(is_kicked(fixture, 4));
}

static void kvm_rings_where_the_bar_is(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	uint64_t offset = place_of(fixture, KIND_KICKS) - REGISTERS;
	driver->can_ring = true;
	config_write(fixture, BAR_0, 4, 0xd0100000);
	assert_int_equal(driver->n_rings, 6);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(driver->rings[i].address, 0xd0100000 + offset + 4 * i);
		assert_int_equal(driver->rings[i].eventfd, driver->device->kicks[i].fd);
	}
	config_write(fixture, COMMAND, 2, 0);
	assert_int_equal(driver->n_rings, 0);
	config_write(fixture, COMMAND, 2, COMMAND_MEMORY | COMMAND_MASTER);
	assert_int_equal(driver->n_rings, 6);
}

static void say_something(struct fixture *fixture)
{
	driver_add(&fixture->driver, PORT_OUT, &(struct driver_buffer){DRIVER_BUFFERS, 5, DRIVER_READS}, 1);
	driver_serve(&fixture->driver, PORT_OUT);
}

static void queues_interrupt_by_their_vectors(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	uint64_t isr = place_of(fixture, KIND_ISR);
	enable_vectors(fixture);
	bring_up(fixture);
	say_something(fixture);
	assert_int_equal(driver->messages, 1);
	assert_int_equal(driver->message_address, 0xfee01000);
	assert_int_equal(driver->message_data, 0x40 + PORT_OUT);
	assert_int_equal(bus_read(driver->board.mmio, isr, 1), 1);
	assert_int_equal(bus_read(driver->board.mmio, isr, 1), 0); /* reading clears */
	driver_offer(driver, PORT_OUT, RING);
	driver_serve(driver, PORT_OUT);
	assert_int_equal(driver->message_data, 0x46); /* the device needs a reset: a change of configuration */
	assert_int_equal(bus_read(driver->board.mmio, isr, 1), 2);
	assert_true(peek(fixture, STATUS, 1) & NEEDS_RESET);
}

/* As a kernel leaves it for the next one. */
static void without_bus_mastering_nothing_is_written(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	uint16_t head;
	uint32_t length;
	uint64_t count;
	enable_vectors(fixture);
	bring_up(fixture);
	config_write(fixture, COMMAND, 2, COMMAND_MEMORY);
	say_something(fixture);
	assert_false(driver_take_used(driver, PORT_OUT, &head, &length));
	pthread_mutex_lock(&driver->device->lock);
	virtio_config_changed(driver->device);
	pthread_mutex_unlock(&driver->device->lock);
	assert_int_equal(driver->messages, 0);
	assert_int_equal(read(driver->device->kicks[PORT_OUT].fd, &count, sizeof(count)), sizeof(count));
	config_write(fixture, COMMAND, 2, COMMAND_MEMORY | COMMAND_MASTER);
	assert_int_equal(driver->messages, 1);
	assert_int_equal(driver->message_data, 0x46);
	assert_true(is_kicked(fixture, PORT_OUT));
	driver_serve(driver, PORT_OUT);
	assert_true(driver_take_used(driver, PORT_OUT, &head, &length));
	assert_int_equal(driver->messages, 2);
	assert_int_equal(driver->message_data, 0x40 + PORT_OUT);
}

/* Firmware drives first, by polling and without vectors; then the kernel resets it and drives anew. */
static void a_second_driver_finds_it_as_new(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	uint16_t head;
	uint32_t length;
	bring_up(fixture);
	say_something(fixture);
	assert_true(driver_take_used(driver, PORT_OUT, &head, &length));
	assert_int_equal(driver->messages, 0);
	assert_false(virtio_was_taken_over(driver->device));
	poke(fixture, STATUS, 1, 0);
	assert_true(virtio_was_taken_over(driver->device));
	poke(fixture, QUEUE_SELECT, 2, PORT_OUT);
	assert_int_equal(peek(fixture, QUEUE_ENABLE, 2), 0);
	assert_int_equal(peek(fixture, QUEUE_SIZE, 2), VIRTQUEUE_SIZE_MAX);
	assert_int_equal(peek(fixture, QUEUE_VECTOR, 2), 0xffff);
	assert_int_equal(peek(fixture, QUEUE_DESCRIPTORS, 4), 0);
	assert_int_equal(driver->device->state.features, 0);
	bring_up(fixture);
	say_something(fixture);
	assert_true(driver_take_used(driver, PORT_OUT, &head, &length));
}

static void power_on_finds_it_as_new(void **state)
{
	struct fixture *fixture = *state;
	enable_vectors(fixture);
	bring_up(fixture);
	poke(fixture, STATUS, 1, 0);
	pci_reset(fixture->pci);
	virtio_pci_reset(fixture->transport);
	assert_int_equal(fixture->driver.device->state.status, 0);
	assert_false(virtio_was_taken_over(fixture->driver.device));
	assert_int_equal(config_read(fixture, fixture->msix + 2, 2), 6);
	config_write(fixture, BAR_0, 4, REGISTERS);
	config_write(fixture, BAR_0 + 4, 4, VECTORS);
	config_write(fixture, COMMAND, 2, COMMAND_MEMORY | COMMAND_MASTER);
	assert_int_equal(bus_read(fixture->driver.board.mmio, VECTORS + 12, 4), 1);
	bring_up(fixture);
}

static void look_through(struct fixture *fixture, unsigned bar, uint32_t offset, uint32_t size)
{
	unsigned window = fixture->capabilities[KIND_WINDOW];
	config_write(fixture, window + 4, 1, bar);
	config_write(fixture, window + 8, 4, offset);
	config_write(fixture, window + 12, 4, size);
}

static void the_window_reaches_registers(void **state)
{
	struct fixture *fixture = *state;
	unsigned data = fixture->capabilities[KIND_WINDOW] + 16;
	look_through(fixture, 0, STATUS, 1);
	config_write(fixture, data, 1, ACKNOWLEDGE);
	assert_int_equal(peek(fixture, STATUS, 1), ACKNOWLEDGE);
	assert_int_equal(config_read(fixture, data, 1), ACKNOWLEDGE);
	look_through(fixture, 0, NUM_QUEUES, 2);
	assert_int_equal(config_read(fixture, data, 2), 6);
	look_through(fixture, 1, 12, 4);
	assert_int_equal(config_read(fixture, data, 4), 1);
	look_through(fixture, 2, 0, 4); /* no BAR of its own */
	config_write(fixture, data, 4, 0x12345678);
	assert_int_equal(config_read(fixture, data, 4), 0x12345678);
	look_through(fixture, 0, 0x4000, 4);
	config_write(fixture, data, 4, 1);
	look_through(fixture, 0, 1, 4);
	config_write(fixture, data, 4, 1);
	look_through(fixture, 0, UINT32_MAX, 1);
	config_write(fixture, data, 4, 1);
	look_through(fixture, 0, 0, 3);
	config_write(fixture, data, 4, 1);
	assert_int_equal(peek(fixture, DEVICE_FEATURE_SELECT, 4), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pci_knows_it),
		TEST(features_are_negotiated),
		TEST(a_queue_is_settled_when_it_starts),
		TEST(wrong_sizes_are_not_taken),
		TEST(rings_out_of_memory_are_a_misuse),
		TEST(a_kick_that_leaves_the_guest_arrives),
		TEST(kvm_rings_where_the_bar_is),
		TEST(queues_interrupt_by_their_vectors),
		TEST(without_bus_mastering_nothing_is_written),
		TEST(a_second_driver_finds_it_as_new),
		TEST(power_on_finds_it_as_new),
		TEST(the_window_reaches_registers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
