/* SPDX-License-Identifier: Apache-2.0 */
/* The serial line as Linux's driver probes and uses it, and both of its buffers when they are full. */
#include "hypervisor/thin/serial.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/err.h"
#include "tests/hypervisor/thin/recorded_board.h"
#include "tests/unit.h"

enum { DATA = SERIAL_PORT, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR };
enum { OUT2 = 0x08, LOOP = 0x10, RECEIVED = 0x01, EMPTY = 0x02, MUCH = 160000 };

struct bench {
	struct recorded_board *record;
	struct serial *serial;
};

static int set_up(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_non_null(bench);
	bench->record = recorded_board_new(16 << 20);
	bench->serial = serial_new(&bench->record->board, &err);
	assert_non_null(bench->serial);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	serial_free(bench->serial);
	recorded_board_free(bench->record);
	free(bench);
	return 0;
}

static uint8_t in(const struct bench *bench, uint16_t port)
{
	return (uint8_t)port_in(bench->record, port, 1);
}

static void out(const struct bench *bench, uint16_t port, uint8_t value)
{
	port_out(bench->record, port, 1, value);
}

static bool line(const struct bench *bench)
{
	return bench->record->lines[LINE_SERIAL];
}

static bool event(const struct bench *bench)
{
	struct pollfd fd = {.fd = serial_event_fd(bench->serial), .events = POLLIN};
	return poll(&fd, 1, 0) == 1;
}

static void type(const struct bench *bench, const char *text)
{
	assert_int_equal(serial_type(bench->serial, (const uint8_t *)text, strlen(text)), strlen(text));
}

static void it_is_a_16550a(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(in(bench, LSR), 0x60);
	assert_int_equal(in(bench, MSR), 0xb0);
	assert_int_equal(in(bench, IIR), 0x01);
	out(bench, IER, 0xff);
	assert_int_equal(in(bench, IER), 0x0f);
	out(bench, IER, 0);
	out(bench, SCR, 0x5a);
	assert_int_equal(in(bench, SCR), 0x5a);
	out(bench, FCR, 0x01);
	assert_int_equal(in(bench, IIR), 0xc1);
	out(bench, LCR, 0x83);
	out(bench, DATA, 1);
	out(bench, IER, 0);
	assert_int_equal(in(bench, DATA), 1);
	assert_false(event(bench));
	out(bench, LCR, 0x03);
	assert_int_equal(in(bench, LCR), 0x03);
}

static void what_is_written_is_heard(void **state)
{
	struct bench *bench = *state;
	uint8_t heard[8];
	assert_int_equal(serial_hear(bench->serial, heard, sizeof(heard)), 0);
	for (const char *c = "hello"; *c; c++)
		out(bench, DATA, (uint8_t)*c);
	assert_true(event(bench));
	assert_int_equal(serial_hear(bench->serial, heard, 3), 3);
	assert_true(event(bench));
	assert_int_equal(serial_hear(bench->serial, heard + 3, 5), 2);
	assert_memory_equal(heard, "hello", 5);
	assert_false(event(bench));
}

static void what_is_typed_is_read(void **state)
{
	struct bench *bench = *state;
	out(bench, FCR, 0x01);
	type(bench, "root\n");
	assert_int_equal(in(bench, LSR) & 1, 1);
	for (const char *c = "root\n"; *c; c++)
		assert_int_equal(in(bench, DATA), *c);
	assert_int_equal(in(bench, LSR) & 1, 0);
	assert_int_equal(in(bench, DATA), 0);
}

static void clearing_the_fifo_loses_sixteen(void **state)
{
	struct bench *bench = *state;
	out(bench, FCR, 0x01);
	type(bench, "0123456789abcdefXY");
	out(bench, FCR, 0x03);
	assert_int_equal(in(bench, DATA), 'X');
	assert_int_equal(in(bench, DATA), 'Y');
	assert_int_equal(in(bench, LSR) & 1, 0);
}

static void the_receiver_interrupts(void **state)
{
	struct bench *bench = *state;
	out(bench, FCR, 0x81); /* trigger at eight */
	out(bench, IER, RECEIVED);
	type(bench, "1234567");
	assert_false(line(bench));
	out(bench, MCR, OUT2);
	assert_true(line(bench));
	assert_int_equal(in(bench, IIR), 0xcc);
	type(bench, "8");
	assert_int_equal(in(bench, IIR), 0xc4);
	for (unsigned i = 0; i < 8; i++) {
		assert_true(line(bench));
		in(bench, DATA);
	}
	assert_false(line(bench));
	assert_int_equal(in(bench, IIR), 0xc1);
}

static void the_empty_transmitter_is_told_once(void **state)
{
	struct bench *bench = *state;
	out(bench, MCR, OUT2);
	out(bench, IER, EMPTY);
	assert_true(line(bench));
	assert_int_equal(in(bench, IIR), 0x02);
	assert_false(line(bench));
	assert_int_equal(in(bench, IIR), 0x01);
	/* Each character makes an edge of its own, identified or not. */
	out(bench, DATA, 'a');
	assert_true(line(bench));
	assert_int_equal(bench->record->edges[LINE_SERIAL], 2);
	out(bench, DATA, 'b');
	assert_int_equal(bench->record->edges[LINE_SERIAL], 3);
	/* Linux's test for chips that do not interrupt again when IER is written again. */
	out(bench, IER, 0);
	assert_false(line(bench));
	in(bench, IIR);
	out(bench, IER, EMPTY);
	assert_int_equal(in(bench, IIR), 0x02);
}

static void received_comes_before_empty(void **state)
{
	struct bench *bench = *state;
	out(bench, IER, RECEIVED | EMPTY);
	type(bench, "x");
	assert_int_equal(in(bench, IIR), 0x04);
	in(bench, DATA);
	assert_int_equal(in(bench, IIR), 0x02);
	assert_int_equal(in(bench, IIR), 0x01);
}

static void loopback_is_as_drivers_test_it(void **state)
{
	struct bench *bench = *state;
	out(bench, MCR, LOOP | 0x0a);
	assert_int_equal(in(bench, MSR) & 0xf0, 0x90);
	out(bench, DATA, 'q');
	assert_false(event(bench));
	assert_int_equal(in(bench, LSR), 0x61);
	out(bench, DATA, 'r'); /* without FIFO there is room for one */
	assert_int_equal(in(bench, LSR), 0x63);
	assert_int_equal(in(bench, LSR), 0x61);
	type(bench, "t");
	assert_int_equal(in(bench, DATA), 'q');
	assert_int_equal(in(bench, LSR), 0x60);
	out(bench, MCR, OUT2);
	assert_int_equal(in(bench, DATA), 't');
}

static void a_change_of_modem_lines_is_told(void **state)
{
	struct bench *bench = *state;
	out(bench, IER, 0x08);
	out(bench, MCR, LOOP);
	assert_int_equal(in(bench, IIR), 0x00);
	assert_int_equal(in(bench, MSR), 0x0b);
	assert_int_equal(in(bench, MSR), 0x00);
	assert_int_equal(in(bench, IIR), 0x01);
	out(bench, MCR, LOOP | 0x04);
	assert_int_equal(in(bench, MSR), 0x40); /* ringing begins: that alone is no news */
	out(bench, MCR, LOOP);
	assert_int_equal(in(bench, MSR), 0x04);
}

static void nobody_hears_and_the_transmitter_stays_full(void **state)
{
	static uint8_t heard[SERIAL_SAID];
	struct bench *bench = *state;
	out(bench, MCR, OUT2);
	out(bench, IER, EMPTY);
	unsigned n = 0;
	for (; in(bench, LSR) & 0x20; n++)
		out(bench, DATA, (uint8_t)n);
	assert_int_equal(n, SERIAL_SAID - 15);
	for (unsigned i = 0; i < 100; i++)
		out(bench, DATA, 'x');
	assert_false(line(bench));
	assert_int_equal(serial_hear(bench->serial, heard, 1), 1);
	assert_false(line(bench));
	assert_int_equal(serial_hear(bench->serial, heard, sizeof(heard)), SERIAL_SAID - 1);
	assert_int_equal(heard[0], 1);
	assert_true(line(bench));
	assert_int_equal(in(bench, LSR), 0x60);
	assert_false(event(bench));
}

static void typing_ends_when_nobody_reads(void **state)
{
	static uint8_t typed[SERIAL_TYPED + 100];
	struct bench *bench = *state;
	assert_int_equal(serial_type(bench->serial, typed, sizeof(typed)), SERIAL_TYPED);
	assert_int_equal(serial_type(bench->serial, typed, 10), 1); /* one is in the chip */
	in(bench, DATA);
	assert_int_equal(serial_type(bench->serial, typed, 10), 1);
}

static void wide_accesses_are_many_narrow_ones(void **state)
{
	struct bench *bench = *state;
	uint8_t heard[2];
	port_out(bench->record, SCR - 1, 2, 0x3300);
	assert_int_equal(in(bench, SCR), 0x33);
	assert_int_equal(port_in(bench->record, LSR, 2), 0xb060);
	port_out(bench->record, DATA, 2, 'a');
	assert_int_equal(serial_hear(bench->serial, heard, 2), 1);
	assert_int_equal(port_in(bench->record, SCR, 2), 0xffff);
}

/* A guest that says much more than the buffer holds, as a driver does: sixteen whenever the transmitter is empty. */
static void *say_much(void *arg)
{
	const struct bench *bench = arg;
	for (unsigned n = 0; n < MUCH;) {
		if (!(in(bench, LSR) & 0x20))
			continue;
		for (unsigned i = 0; i < 16; i++)
			out(bench, DATA, (uint8_t)(n++ % 251));
	}
	return NULL;
}

static void nothing_is_lost_between_two_threads(void **state)
{
	struct bench *bench = *state;
	uint8_t heard[1000];
	pthread_t guest;
	assert_int_equal(pthread_create(&guest, NULL, say_much, bench), 0);
	for (unsigned n = 0; n < MUCH;) {
		struct pollfd fd = {.fd = serial_event_fd(bench->serial), .events = POLLIN};
		assert_int_equal(poll(&fd, 1, 60000), 1);
		size_t got = serial_hear(bench->serial, heard, sizeof(heard));
		for (size_t i = 0; i < got; i++, n++)
			assert_int_equal(heard[i], n % 251);
	}
	assert_int_equal(pthread_join(guest, NULL), 0);
	assert_false(event(bench));
}

static void a_reset_is_a_power_on(void **state)
{
	struct bench *bench = *state;
	out(bench, MCR, OUT2);
	out(bench, IER, RECEIVED | EMPTY);
	type(bench, "abc");
	assert_true(line(bench));
	serial_reset(bench->serial);
	assert_false(line(bench));
	assert_int_equal(in(bench, LSR), 0x60);
	assert_int_equal(in(bench, IER), 0);
	assert_int_equal(in(bench, DATA), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(it_is_a_16550a),
		T(what_is_written_is_heard),
		T(what_is_typed_is_read),
		T(clearing_the_fifo_loses_sixteen),
		T(the_receiver_interrupts),
		T(the_empty_transmitter_is_told_once),
		T(received_comes_before_empty),
		T(loopback_is_as_drivers_test_it),
		T(a_change_of_modem_lines_is_told),
		T(nobody_hears_and_the_transmitter_stays_full),
		T(typing_ends_when_nobody_reads),
		T(wide_accesses_are_many_narrow_ones),
		T(nothing_is_lost_between_two_threads),
		T(a_reset_is_a_power_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
