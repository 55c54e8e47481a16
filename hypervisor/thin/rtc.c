/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing runs while nobody asks. Time is computed when it is read; what would have happened meanwhile (a second went
 * by, the alarm matched, a period ended) is made up for by catch_up(), before every look at it and when the timer says
 * so. The timer is armed for the next of those that the guest wants to be interrupted by, and for no other.
 *
 * While register B says SET the time stands in the bytes, for the guest to write; when SET goes, it runs on from there.
 */
#include "hypervisor/thin/rtc.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/bus.h"
#include "hypervisor/thin/calendar.h"
#include "hypervisor/thin/guest_memory.h"

enum {
	SECONDS = 0,
	SECONDS_ALARM = 1,
	MINUTES = 2,
	MINUTES_ALARM = 3,
	HOURS = 4,
	HOURS_ALARM = 5,
	WEEKDAY = 6,
	DAY = 7,
	MONTH = 8,
	YEAR = 9,

	REGISTER_A = 10,
	A_UPDATING = 0x80,
	A_DIVIDER = 0x70,
	A_DIVIDER_RUNS = 0x20,
	A_RATE = 0x0f,
	A_USUAL = 0x26, /* 1024 Hz */

	REGISTER_B = 11,
	B_SET = 0x80,
	B_BINARY = 0x04,
	B_24_HOURS = 0x02,

	REGISTER_C = 12,
	C_INTERRUPT = 0x80,
	PERIODIC = 0x40, /* in B: wanted; in C: it was so */
	ALARM = 0x20,
	UPDATE = 0x10,
	ANY = PERIODIC | ALARM | UPDATE,

	REGISTER_D = 13,
	D_BATTERY = 0x80,

	BYTES = 128,
	ALARM_ANY = 0xc0, /* an alarm byte from here on matches always */
	PM = 0x80,	  /* of an hour of twelve */
};

#define SECOND UINT64_C(1000000000)
#define DAY_SECONDS 86400U
#define UPDATE_CYCLE 244000U /* how long before the second it is said that one comes */
#define CRYSTAL 32768U
#define LATEST (UINT64_C(1) << 33) /* in the year 2242: what guests set their clocks to is before it */

/* All that the guest can tell. */
struct rtc_state {
	uint8_t index;
	uint8_t bytes[BYTES];
	int64_t ahead; /* ns by which the guest's time of day is before the host's */
	uint64_t seen; /* up to this time of the guest all that happened is in register C */
};

struct rtc {
	const struct board *board;
	uint64_t (*now_ns)(void);
	int timer_fd;
	pthread_mutex_t lock; /* of all below */
	struct rtc_state state;
	bool level; /* of the interrupt line */
};

/* ---- Time of day, in the registers' form ---- */

static uint64_t guest_now(const struct rtc *rtc)
{
	return rtc->now_ns() + (uint64_t)rtc->state.ahead;
}

static bool has_b(const struct rtc *rtc, uint8_t bits)
{
	return rtc->state.bytes[REGISTER_B] & bits;
}

static uint8_t encode(const struct rtc *rtc, unsigned value)
{
	return (uint8_t)(has_b(rtc, B_BINARY) ? value : value / 10 * 16 + value % 10);
}

/* 255 for what is no number. */
static unsigned decode(const struct rtc *rtc, uint8_t byte)
{
	if (has_b(rtc, B_BINARY))
		return byte;
	return (byte & 0x0f) < 10 && byte >> 4 < 10 ? (byte >> 4) * 10U + (byte & 0x0fU) : UINT8_MAX;
}

static uint8_t encode_hour(const struct rtc *rtc, unsigned hour)
{
	if (has_b(rtc, B_24_HOURS))
		return encode(rtc, hour);
	return (uint8_t)(encode(rtc, (hour + 11) % 12 + 1) | (hour >= 12 ? PM : 0));
}

static unsigned decode_hour(const struct rtc *rtc, uint8_t byte)
{
	if (has_b(rtc, B_24_HOURS))
		return decode(rtc, byte);
	unsigned hour = decode(rtc, byte & (uint8_t)~PM);
	return hour >= 1 && hour <= 12 ? hour % 12 + (byte & PM ? 12 : 0) : UINT8_MAX;
}

/* Puts the time into the bytes. */
static void show_time(struct rtc *rtc)
{
	uint8_t *bytes = rtc->state.bytes;
	struct calendar time = calendar_of(guest_now(rtc) / SECOND);
	bytes[SECONDS] = encode(rtc, time.second);
	bytes[MINUTES] = encode(rtc, time.minute);
	bytes[HOURS] = encode_hour(rtc, time.hour);
	bytes[WEEKDAY] = encode(rtc, time.weekday + 1);
	bytes[DAY] = encode(rtc, time.day);
	bytes[MONTH] = encode(rtc, time.month);
	bytes[YEAR] = encode(rtc, time.year % 100);
	bytes[RTC_CENTURY] = encode(rtc, time.year / 100);
}

/* Takes the time from the bytes; what is no time changes nothing. The next second begins half a second later, as when
 * the divider is let go. */
static void set_time(struct rtc *rtc)
{
	const uint8_t *bytes = rtc->state.bytes;
	unsigned year = decode(rtc, bytes[YEAR]), century = decode(rtc, bytes[RTC_CENTURY]);
	struct calendar time = {.year = century * 100 + year,
				.month = decode(rtc, bytes[MONTH]),
				.day = decode(rtc, bytes[DAY]),
				.hour = decode_hour(rtc, bytes[HOURS]),
				.minute = decode(rtc, bytes[MINUTES]),
				.second = decode(rtc, bytes[SECONDS])};
	uint64_t seconds;
	if (year > 99 || century > 99 || !calendar_seconds(&time, &seconds) || seconds >= LATEST)
		return;
	rtc->state.ahead = (int64_t)(seconds * SECOND + SECOND / 2 - rtc->now_ns());
	rtc->state.seen = guest_now(rtc);
}

/* ---- What happens in it ---- */

static bool divider_runs(const struct rtc *rtc)
{
	return (rtc->state.bytes[REGISTER_A] & A_DIVIDER) == A_DIVIDER_RUNS;
}

static bool clock_runs(const struct rtc *rtc)
{
	return divider_runs(rtc) && !has_b(rtc, B_SET);
}

/* How many beats of the crystal make a period, as a shift; 0: there is none. Rates 1 and 2 are those of 8 and 9. */
static unsigned period_shift(const struct rtc *rtc)
{
	unsigned rate = rtc->state.bytes[REGISTER_A] & A_RATE;
	if (rate == 0 || !divider_runs(rtc))
		return 0;
	return rate <= 2 ? rate + 6 : rate - 1;
}

static uint64_t beats(uint64_t ns)
{
	return ns / SECOND * CRYSTAL + ns % SECOND * CRYSTAL / SECOND;
}

/* The first ns at which so many beats are over. */
static uint64_t beats_end(uint64_t n)
{
	return n / CRYSTAL * SECOND + (n % CRYSTAL * SECOND + CRYSTAL - 1) / CRYSTAL;
}

static bool matches(const struct rtc *rtc, unsigned alarm, unsigned now)
{
	uint8_t byte = rtc->state.bytes[alarm];
	return byte >= ALARM_ANY || now == (alarm == HOURS_ALARM ? decode_hour(rtc, byte) : decode(rtc, byte));
}

/* Whether the alarm was within the seconds after `from`, up to `to`. A day has all there are. */
static bool alarm_was(const struct rtc *rtc, uint64_t from, uint64_t to)
{
	if (to - from > DAY_SECONDS)
		from = to - DAY_SECONDS;
	for (uint64_t second = from + 1; second <= to; second++) {
		unsigned of_day = (unsigned)(second % DAY_SECONDS);
		if (matches(rtc, SECONDS_ALARM, of_day % 60) && matches(rtc, MINUTES_ALARM, of_day / 60 % 60) &&
		    matches(rtc, HOURS_ALARM, of_day / 3600))
			return true;
	}
	return false;
}

static void catch_up(struct rtc *rtc)
{
	struct rtc_state *state = &rtc->state;
	uint64_t now = guest_now(rtc), from = state->seen / SECOND, to = now / SECOND;
	unsigned shift = period_shift(rtc);
	uint8_t happened = 0;
	if (now > state->seen && clock_runs(rtc) && to > from)
		happened |= (uint8_t)(UPDATE | (alarm_was(rtc, from, to) ? ALARM : 0));
	if (now > state->seen && shift > 0 && beats(now) >> shift != beats(state->seen) >> shift)
		happened |= PERIODIC;
	state->bytes[REGISTER_C] |= happened;
	state->seen = now;
}

/* ns until something happens that the guest wants to be told; 0: nothing does. */
static uint64_t until_next(const struct rtc *rtc)
{
	uint64_t now = rtc->state.seen, next = UINT64_MAX;
	unsigned shift = period_shift(rtc);
	if (clock_runs(rtc) && has_b(rtc, ALARM | UPDATE))
		next = (now / SECOND + 1) * SECOND;
	if (shift > 0 && has_b(rtc, PERIODIC)) {
		uint64_t end = beats_end(((beats(now) >> shift) + 1) << shift);
		next = end < next ? end : next;
	}
	return next == UINT64_MAX ? 0 : next - now;
}

static void update_line(struct rtc *rtc)
{
	uint8_t *c = &rtc->state.bytes[REGISTER_C];
	bool level = *c & rtc->state.bytes[REGISTER_B] & ANY;
	*c = (uint8_t)((*c & ANY) | (level ? C_INTERRUPT : 0));
	if (level != rtc->level)
		board_set_line(rtc->board, LINE_RTC, level);
	rtc->level = level;
}

/* What nobody has acknowledged keeps the timer off: another of its kind would change nothing. */
static void arm(struct rtc *rtc)
{
	uint64_t ns = rtc->level ? 0 : until_next(rtc);
	struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND)}};
	(void)!timerfd_settime(rtc->timer_fd, 0, &spec, NULL);
}

static void settle(struct rtc *rtc)
{
	update_line(rtc);
	arm(rtc);
}

/* ---- Registers ---- */

static bool is_time(uint8_t index)
{
	return index == SECONDS || index == MINUTES || index == HOURS || (index >= WEEKDAY && index <= YEAR) ||
	       index == RTC_CENTURY;
}

static uint8_t read_a(const struct rtc *rtc)
{
	bool soon = clock_runs(rtc) && guest_now(rtc) % SECOND >= SECOND - UPDATE_CYCLE;
	return (uint8_t)(rtc->state.bytes[REGISTER_A] | (soon ? A_UPDATING : 0));
}

static uint8_t read_c(struct rtc *rtc)
{
	catch_up(rtc);
	update_line(rtc);
	uint8_t value = rtc->state.bytes[REGISTER_C];
	rtc->state.bytes[REGISTER_C] = 0;
	settle(rtc);
	return value;
}

static uint8_t read_byte(struct rtc *rtc)
{
	uint8_t index = rtc->state.index;
	if (index == REGISTER_A)
		return read_a(rtc);
	if (index == REGISTER_C)
		return read_c(rtc);
	if (is_time(index) && !has_b(rtc, B_SET))
		show_time(rtc);
	return rtc->state.bytes[index];
}

static void write_b(struct rtc *rtc, uint8_t value)
{
	bool was_set = has_b(rtc, B_SET);
	if (!was_set && (value & B_SET))
		show_time(rtc);
	rtc->state.bytes[REGISTER_B] = value;
	if (was_set && !(value & B_SET))
		set_time(rtc);
}

static void write_time(struct rtc *rtc, uint8_t index, uint8_t value)
{
	bool stands = has_b(rtc, B_SET);
	if (!stands)
		show_time(rtc);
	rtc->state.bytes[index] = value;
	if (!stands)
		set_time(rtc);
}

static void write_byte(struct rtc *rtc, uint8_t value)
{
	uint8_t index = rtc->state.index;
	catch_up(rtc);
	if (is_time(index))
		write_time(rtc, index, value);
	else if (index == REGISTER_A)
		rtc->state.bytes[index] = value & (uint8_t)~A_UPDATING;
	else if (index == REGISTER_B)
		write_b(rtc, value);
	else if (index != REGISTER_C && index != REGISTER_D)
		rtc->state.bytes[index] = value;
	if (index <= REGISTER_B)
		settle(rtc);
}

static uint64_t rtc_read(void *device, uint64_t offset, unsigned size)
{
	struct rtc *rtc = device;
	if (offset == 0 || size != 1)
		return UINT64_MAX;
	pthread_mutex_lock(&rtc->lock);
	uint8_t value = read_byte(rtc);
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

static void rtc_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct rtc *rtc = device;
	if (size != 1)
		return;
	pthread_mutex_lock(&rtc->lock);
	if (offset == 0)
		rtc->state.index = value & (BYTES - 1);
	else
		write_byte(rtc, (uint8_t)value);
	pthread_mutex_unlock(&rtc->lock);
}

static const struct bus_ops ops = {.read = rtc_read, .write = rtc_write};

/* ---- Outside ---- */

static void put16(uint8_t *bytes, unsigned low, uint64_t value)
{
	uint64_t most = value < UINT16_MAX ? value : UINT16_MAX;
	bytes[low] = (uint8_t)most;
	bytes[low + 1] = (uint8_t)(most >> 8);
}

/* Where a PC's firmware looks for memory and processors, and that it shall try the hard disk first. */
static void describe_machine(uint8_t *bytes, const struct guest_memory *memory, unsigned vcpus)
{
	enum { BASE = 0x15, EXTENDED = 0x17, EXTENDED_AGAIN = 0x30, ABOVE_16M = 0x34, ABOVE_4G = 0x5b };
	enum { MORE_PROCESSORS = 0x5f, BOOT_ORDER = 0x3d, BOOT_DISK = 2 };
	struct guest_memory_part parts[2] = {0};
	guest_memory_parts(memory, parts);
	uint64_t low = parts[0].size, high = parts[1].size >> 16;
	put16(bytes, BASE, 640);
	put16(bytes, EXTENDED, (low - (UINT64_C(1) << 20)) >> 10);
	memcpy(bytes + EXTENDED_AGAIN, bytes + EXTENDED, 2);
	put16(bytes, ABOVE_16M, low > UINT64_C(1) << 24 ? (low - (UINT64_C(1) << 24)) >> 16 : 0);
	for (unsigned i = 0; i < 3; i++)
		bytes[ABOVE_4G + i] = (uint8_t)(high >> 8 * i);
	bytes[MORE_PROCESSORS] = (uint8_t)(vcpus - 1);
	bytes[BOOT_ORDER] = BOOT_DISK;
}

struct rtc *rtc_new(const struct board *board, unsigned vcpus, uint64_t (*now_ns)(void), struct err **errp)
{
	AUTO(rtc_freep) struct rtc *rtc = calloc(1, sizeof(*rtc));
	if (!rtc) {
		err_set_no_memory(errp);
		return NULL;
	}
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->board = board;
	rtc->now_ns = now_ns;
	rtc->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (rtc->timer_fd < 0) {
		err_set_errno(errp, errno, "make a timer of the real-time clock");
		return NULL;
	}
	describe_machine(rtc->state.bytes, board->memory, vcpus);
	rtc->state.bytes[REGISTER_B] = B_24_HOURS;
	rtc->state.bytes[REGISTER_D] = D_BATTERY;
	rtc_reset(rtc);
	struct bus_region region = {.base = RTC_PORT, .size = 2, .ops = &ops, .device = rtc};
	return bus_claim(board->ports, &region, errp) ? STEAL(&rtc) : NULL;
}

void rtc_free(struct rtc *rtc)
{
	if (!rtc)
		return;
	file_closep(&rtc->timer_fd);
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
}

void rtc_reset(struct rtc *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	if (has_b(rtc, B_SET))
		write_b(rtc, rtc->state.bytes[REGISTER_B] & (uint8_t)~B_SET);
	rtc->state.index = 0;
	rtc->state.bytes[REGISTER_A] = A_USUAL;
	rtc->state.bytes[REGISTER_B] &= (uint8_t)~ANY;
	rtc->state.bytes[REGISTER_C] = 0;
	rtc->state.seen = guest_now(rtc);
	settle(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

int rtc_timer_fd(const struct rtc *rtc)
{
	return rtc->timer_fd;
}

void rtc_tick(struct rtc *rtc)
{
	uint64_t times;
	pthread_mutex_lock(&rtc->lock);
	(void)!read(rtc->timer_fd, &times, sizeof(times));
	catch_up(rtc);
	settle(rtc);
	pthread_mutex_unlock(&rtc->lock);
}
