/* SPDX-License-Identifier: Apache-2.0 */
/* The ring, with a driver that behaves, and with one that does not. */
#include <string.h>

#include "base/bytes.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/unit.h"

enum { SIZE = 8 };

struct fixture {
	struct driver driver;
	struct virtqueue queue;
	struct virtqueue_chain chain;
	const char *why;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	memset(&fixture, 0, sizeof(fixture));
	driver_init(&fixture.driver);
	fixture.driver.queues[0].size = SIZE;
	virtqueue_reset(&fixture.queue);
	fixture.queue.size = SIZE;
	fixture.queue.descriptors = driver_descriptors(0);
	fixture.queue.available = driver_available(0);
	fixture.queue.used = driver_used(0);
	*state = &fixture;
	return virtqueue_start(&fixture.queue, fixture.driver.memory) ? -1 : 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	driver_release(&fixture->driver);
	return 0;
}

static enum virtqueue_take take(struct fixture *fixture)
{
	fixture->why = NULL;
	return virtqueue_take(&fixture->queue, fixture->driver.memory, &fixture->chain, &fixture->why);
}

static void put(struct fixture *fixture, uint32_t written)
{
	struct virtqueue_used used = {fixture->chain.head, written};
	virtqueue_put(&fixture->queue, fixture->driver.memory, &used, 1);
}

static void assert_broken(struct fixture *fixture, const char *why)
{
	uint16_t before = fixture->queue.next_available;
	assert_int_equal(take(fixture), VIRTQUEUE_BROKEN);
	if (!strstr(fixture->why, why))
		fail_msg("'%s' does not say '%s'", fixture->why, why);
	assert_int_equal(fixture->queue.next_available, before);
}

static void a_chain_goes_round(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	struct driver_buffer buffers[] = {{DRIVER_BUFFERS, 3, DRIVER_READS},
					  {DRIVER_BUFFERS + 100, 5, DRIVER_READS},
					  {DRIVER_BUFFERS + 200, 2, DRIVER_WRITES},
					  {DRIVER_BUFFERS + 300, 4, DRIVER_WRITES}};
	uint8_t read[8];
	uint16_t head;
	uint32_t length;
	assert_int_equal(take(fixture), VIRTQUEUE_EMPTY);
	driver_write(driver, DRIVER_BUFFERS, "abc", 3);
	driver_write(driver, DRIVER_BUFFERS + 100, "defgh", 5);
	uint16_t added = driver_add(driver, 0, buffers, 4);
	assert_int_equal(take(fixture), VIRTQUEUE_TAKEN);
	assert_int_equal(fixture->chain.readable_bytes, 8);
	assert_int_equal(fixture->chain.writable_bytes, 6);
	virtqueue_chain_read(&fixture->chain, driver->memory, 0, read, 8);
	assert_memory_equal(read, "abcdefgh", 8);
	virtqueue_chain_read(&fixture->chain, driver->memory, 2, read, 3);
	assert_memory_equal(read, "cde", 3);
	virtqueue_chain_write(&fixture->chain, driver->memory, 1, "12345", 5);
	assert_int_equal(driver_byte(driver, DRIVER_BUFFERS + 201), '1');
	assert_int_equal(driver_byte(driver, DRIVER_BUFFERS + 303), '5');
	put(fixture, 6);
	assert_true(driver_take_used(driver, 0, &head, &length));
	assert_int_equal(head, added);
	assert_int_equal(length, 6);
	assert_false(driver_take_used(driver, 0, &head, &length));
	assert_int_equal(take(fixture), VIRTQUEUE_EMPTY);
}

static void vectors_lie_where_the_bytes_are(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	struct driver_buffer buffers[] = {{DRIVER_BUFFERS, 16, DRIVER_READS},
					  {DRIVER_BUFFERS + 4096, 100, DRIVER_READS},
					  {DRIVER_BUFFERS + 8192, 7, DRIVER_WRITES}};
	struct iovec iov[VIRTQUEUE_SEGMENTS];
	driver_add(driver, 0, buffers, 3);
	assert_int_equal(take(fixture), VIRTQUEUE_TAKEN);
	assert_int_equal(virtqueue_chain_readable(&fixture->chain, driver->memory, 16, 100, iov), 1);
	assert_ptr_equal(iov[0].iov_base, guest_memory_for_reading(driver->memory, DRIVER_BUFFERS + 4096, 100));
	assert_int_equal(virtqueue_chain_readable(&fixture->chain, driver->memory, 8, 20, iov), 2);
	assert_int_equal(iov[0].iov_len, 8);
	assert_int_equal(iov[1].iov_len, 12);
	assert_int_equal(virtqueue_chain_readable(&fixture->chain, driver->memory, 116, 0, iov), 0);
	assert_int_equal(virtqueue_chain_writable(&fixture->chain, driver->memory, 2, 5, iov), 1);
	assert_false(guest_memory_take_written(driver->memory, DRIVER_BUFFERS + 8192));
	virtqueue_chain_wrote(&fixture->chain, driver->memory, 2, 5);
	assert_true(guest_memory_take_written(driver->memory, DRIVER_BUFFERS + 8192));
}

static void what_was_given_back_is_taken_again(void **state)
{
	struct fixture *fixture = *state;
	struct driver_buffer buffer = {DRIVER_BUFFERS, 16, DRIVER_READS};
	uint16_t head = driver_add(&fixture->driver, 0, &buffer, 1);
	assert_int_equal(take(fixture), VIRTQUEUE_TAKEN);
	virtqueue_give_back(&fixture->queue, 1);
	assert_int_equal(take(fixture), VIRTQUEUE_TAKEN);
	assert_int_equal(fixture->chain.head, head);
	assert_int_equal(take(fixture), VIRTQUEUE_EMPTY);
}

/* More than the ring has entries, in all: it comes round in the middle of some. */
static void several_are_put_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	struct driver_buffer buffer = {DRIVER_BUFFERS, 16, DRIVER_WRITES};
	struct virtqueue_used used[3];
	uint16_t head;
	uint32_t length;
	for (unsigned round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 3; i++) {
			driver_add(driver, 0, &buffer, 1);
			assert_int_equal(take(fixture), VIRTQUEUE_TAKEN);
			used[i] = (struct virtqueue_used){fixture->chain.head, i + 5};
		}
		virtqueue_give_back(&fixture->queue, 2);
		assert_int_equal(take(fixture), VIRTQUEUE_TAKEN);
		assert_int_equal(fixture->chain.head, used[1].head);
		assert_int_equal(take(fixture), VIRTQUEUE_TAKEN);
		virtqueue_put(&fixture->queue, driver->memory, used, 3);
		for (unsigned i = 0; i < 3; i++) {
			assert_true(driver_take_used(driver, 0, &head, &length));
			assert_int_equal(head, used[i].head);
			assert_int_equal(length, i + 5);
		}
		assert_false(driver_take_used(driver, 0, &head, &length));
	}
}

static void indices_run_over(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	struct driver_buffer buffer = {DRIVER_BUFFERS, 16, DRIVER_READS};
	uint16_t head;
	uint32_t length;
	for (unsigned i = 0; i < 70000; i++) {
		uint16_t added = driver_add(driver, 0, &buffer, 1);
		assert_int_equal(take(fixture), VIRTQUEUE_TAKEN);
		put(fixture, i);
		assert_true(driver_take_used(driver, 0, &head, &length));
		assert_int_equal(head, added);
		assert_int_equal(length, i);
	}
}

static void an_indirect_table_is_followed(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	const uint64_t table = DRIVER_BUFFERS + 0x8001; /* on no boundary: nothing asks for one */
	struct driver_buffer direct[] = {{DRIVER_BUFFERS, 1, DRIVER_READS}, {table, 3 * 16, DRIVER_INDIRECT}};
	driver_write_descriptor(driver, table, 0, (struct driver_buffer){DRIVER_BUFFERS, 2, DRIVER_NEXT}, 2);
	driver_write_descriptor(driver, table, 2,
				(struct driver_buffer){DRIVER_BUFFERS, 4, DRIVER_NEXT | DRIVER_WRITES}, 1);
	driver_write_descriptor(driver, table, 1, (struct driver_buffer){DRIVER_BUFFERS, 8, DRIVER_WRITES}, 0);
	driver_add(driver, 0, direct, 2);
	assert_int_equal(take(fixture), VIRTQUEUE_TAKEN);
	assert_int_equal(fixture->chain.n_readable, 2);
	assert_int_equal(fixture->chain.readable_bytes, 3);
	assert_int_equal(fixture->chain.n_writable, 2);
	assert_int_equal(fixture->chain.writable_bytes, 12);
}

static void loops_come_to_an_end(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	const struct driver_buffer buffer = {DRIVER_BUFFERS, 1, DRIVER_NEXT};
	driver_write_descriptor(driver, driver_descriptors(0), 0, buffer, 1);
	driver_write_descriptor(driver, driver_descriptors(0), 1, buffer, 0);
	driver_offer(driver, 0, 0);
	assert_broken(fixture, "no end");
	assert_broken(fixture, "no end");
}

static void loops_in_an_indirect_table_come_to_an_end(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	const struct driver_buffer indirect = {DRIVER_BUFFERS, 16, DRIVER_INDIRECT};
	driver_write_descriptor(driver, DRIVER_BUFFERS, 0, (struct driver_buffer){DRIVER_BUFFERS, 1, DRIVER_NEXT}, 0);
	driver_add(driver, 0, &indirect, 1);
	assert_broken(fixture, "no end");
}

struct wrong {
	struct driver_buffer buffers[3];
	size_t n;
	const char *why;
};

static const struct wrong wrongs[] = {
	{{{DRIVER_MEMORY - 4, 5, DRIVER_READS}}, 1, "not in memory"},
	{{{UINT64_MAX - 3, 8, DRIVER_WRITES}}, 1, "not in memory"},
	{{{DRIVER_BUFFERS, UINT32_MAX, DRIVER_READS}}, 1, "not in memory"},
	{{{DRIVER_BUFFERS, 0, DRIVER_READS}}, 1, "empty buffer"},
	{{{DRIVER_BUFFERS, 1, DRIVER_WRITES}, {DRIVER_BUFFERS, 1, DRIVER_READS}}, 2, "behind what it writes"},
	{{{DRIVER_BUFFERS, 15, DRIVER_INDIRECT}}, 1, "half a descriptor"},
	{{{DRIVER_BUFFERS, 0, DRIVER_INDIRECT}}, 1, "half a descriptor"},
	{{{DRIVER_MEMORY - 8, 16, DRIVER_INDIRECT}}, 1, "indirect table where"},
	{{{UINT64_MAX - 15, 0xfffffff0, DRIVER_INDIRECT}}, 1, "indirect table where"},
	{{{DRIVER_BUFFERS, 16, DRIVER_INDIRECT}, {DRIVER_BUFFERS, 1, DRIVER_READS}}, 2, "went on"},
};

static void wrong_chains_are_refused(void **state)
{
	struct fixture *fixture = *state;
	for (size_t i = 0; i < ARRAY_LENGTH(wrongs); i++) {
		fixture->driver.queues[0].available = fixture->queue.next_available;
		driver_add(&fixture->driver, 0, wrongs[i].buffers, wrongs[i].n);
		assert_broken(fixture, wrongs[i].why);
	}
}

static void indirect_in_indirect_is_refused(void **state)
{
	struct fixture *fixture = *state;
	const struct driver_buffer indirect = {DRIVER_BUFFERS, 16, DRIVER_INDIRECT};
	driver_write_descriptor(&fixture->driver, DRIVER_BUFFERS, 0, indirect, 0);
	driver_add(&fixture->driver, 0, &indirect, 1);
	assert_broken(fixture, "into an indirect table");
}

static void indices_beyond_a_table_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	driver_offer(driver, 0, SIZE);
	assert_broken(fixture, "beyond its table");
	driver->queues[0].available = 0;
	driver_write_descriptor(driver, driver_descriptors(0), 0,
				(struct driver_buffer){DRIVER_BUFFERS, 1, DRIVER_NEXT}, UINT16_MAX);
	driver_offer(driver, 0, 0);
	assert_broken(fixture, "beyond its table");
}

static void too_many_requests_are_refused(void **state)
{
	struct fixture *fixture = *state;
	assert_true(guest_memory_store16(fixture->driver.memory, driver_available(0) + 2, SIZE + 1));
	assert_broken(fixture, "more requests");
}

static void sums_do_not_overflow(void **state)
{
	struct fixture *fixture = *state;
	const uint32_t large = 32u << 20; /* all of them in memory, and together 8 GiB */
	enum { N = VIRTQUEUE_SEGMENTS };
	for (unsigned i = 0; i < N; i++)
		driver_write_descriptor(&fixture->driver, DRIVER_BUFFERS, (uint16_t)i,
					(struct driver_buffer){0, large, i + 1 < N ? DRIVER_NEXT : 0},
					(uint16_t)(i + 1));
	driver_add(&fixture->driver, 0, &(struct driver_buffer){DRIVER_BUFFERS, N * 16, DRIVER_INDIRECT}, 1);
	assert_broken(fixture, "more than a request can have");
}

static void rings_must_lie_in_memory(void **state)
{
	struct fixture *fixture = *state;
	const struct virtqueue good = fixture->queue;
	struct virtqueue bad[] = {good, good, good, good, good, good};
	bad[0].descriptors = DRIVER_MEMORY - 64;
	bad[1].descriptors += 8;
	bad[2].available = DRIVER_MEMORY - 20;
	bad[3].available += 1;
	bad[4].used = UINT64_MAX - 3;
	bad[5].used += 2;
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
		bad[i].ready = false;
		assert_non_null(virtqueue_start(&bad[i], fixture->driver.memory));
		assert_false(bad[i].ready);
	}
}

static void put_some(struct fixture *fixture, unsigned n)
{
	struct driver_buffer buffer = {DRIVER_BUFFERS, 16, DRIVER_READS};
	for (unsigned i = 0; i < n; i++) {
		driver_add(&fixture->driver, 0, &buffer, 1);
		assert_int_equal(take(fixture), VIRTQUEUE_TAKEN);
		put(fixture, 0);
	}
}

static bool wants(struct fixture *fixture)
{
	return virtqueue_wants_interrupt(&fixture->queue, fixture->driver.memory);
}

static void a_flag_turns_interrupts_off(void **state)
{
	struct fixture *fixture = *state;
	put_some(fixture, 1);
	assert_true(wants(fixture));
	assert_true(guest_memory_store16(fixture->driver.memory, driver_available(0), 1));
	put_some(fixture, 1);
	assert_false(wants(fixture));
}

static void event_indices_turn_interrupts_off(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t used_event = driver_available(0) + 4 + 2 * SIZE;
	fixture->queue.event_index = true;
	put_some(fixture, 1);
	assert_true(wants(fixture)); /* index 0 was asked for */
	put_some(fixture, 1);
	assert_false(wants(fixture));
	assert_true(guest_memory_store16(fixture->driver.memory, used_event, 4));
	put_some(fixture, 2);
	assert_false(wants(fixture));
	put_some(fixture, 3);
	assert_true(wants(fixture));
	assert_false(wants(fixture));
}

static uint16_t word(struct fixture *fixture, uint64_t address)
{
	uint16_t value = 0;
	assert_true(guest_memory_load16(fixture->driver.memory, address, &value));
	return value;
}

static void kicks_are_asked_for(void **state)
{
	struct fixture *fixture = *state;
	struct guest_memory *memory = fixture->driver.memory;
	struct driver_buffer buffer = {DRIVER_BUFFERS, 16, DRIVER_READS};
	virtqueue_silence(&fixture->queue, memory);
	assert_int_equal(word(fixture, driver_used(0)), 1);
	assert_false(virtqueue_listen(&fixture->queue, memory));
	assert_int_equal(word(fixture, driver_used(0)), 0);
	fixture->queue.event_index = true;
	put_some(fixture, 3);
	assert_false(virtqueue_listen(&fixture->queue, memory));
	assert_int_equal(word(fixture, driver_used(0) + 4 + 8 * SIZE), 3);
	driver_add(&fixture->driver, 0, &buffer, 1);
	assert_true(virtqueue_listen(&fixture->queue, memory));
}

/* A second thread changes the descriptor all the time, as a guest may: the sanitizer sees no more of it than of a
 * guest. */
struct changer {
	volatile uint16_t *descriptor;
	_Atomic bool stop;
};

__attribute__((no_sanitize("thread"))) static void *change(void *arg)
{
	struct changer *changer = arg;
	for (unsigned i = 0; !changer->stop; i++) {
		changer->descriptor[1] = i % 2 ? 0 : 0xffff;
		changer->descriptor[4] = i % 3 ? 64 : 0xfff0;
		changer->descriptor[6] = i % 5 ? 0 : DRIVER_NEXT;
	}
	return NULL;
}

static void what_changes_while_it_is_read_is_read_once(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	uint8_t *descriptor = guest_memory_for_writing(driver->memory, driver_descriptors(0), 16);
	struct changer changer = {.descriptor = (volatile uint16_t *)(void *)descriptor};
	const struct driver_buffer buffer = {DRIVER_BUFFERS, 64, DRIVER_READS};
	uint8_t bytes[65536];
	pthread_t thread;
	driver_add(driver, 0, &buffer, 1);
	assert_int_equal(pthread_create(&thread, NULL, change, &changer), 0);
	for (int i = 0; i < 20000; i++) {
		if (take(fixture) != VIRTQUEUE_TAKEN)
			continue;
		assert_true(fixture->chain.readable_bytes <= sizeof(bytes) * VIRTQUEUE_SEGMENTS);
		size_t size =
			fixture->chain.readable_bytes < sizeof(bytes) ? fixture->chain.readable_bytes : sizeof(bytes);
		virtqueue_chain_read(&fixture->chain, driver->memory, 0, bytes, size);
		virtqueue_give_back(&fixture->queue, 1);
	}
	changer.stop = true;
	pthread_join(thread, NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_chain_goes_round),
		TEST(vectors_lie_where_the_bytes_are),
		TEST(what_was_given_back_is_taken_again),
		TEST(several_are_put_at_once),
		TEST(indices_run_over),
		TEST(an_indirect_table_is_followed),
		TEST(loops_come_to_an_end),
		TEST(loops_in_an_indirect_table_come_to_an_end),
		TEST(wrong_chains_are_refused),
		TEST(indirect_in_indirect_is_refused),
		TEST(indices_beyond_a_table_are_refused),
		TEST(too_many_requests_are_refused),
		TEST(sums_do_not_overflow),
		TEST(rings_must_lie_in_memory),
		TEST(a_flag_turns_interrupts_off),
		TEST(event_indices_turn_interrupts_off),
		TEST(kicks_are_asked_for),
		TEST(what_changes_while_it_is_read_is_read_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
