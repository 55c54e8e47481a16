/* SPDX-License-Identifier: Apache-2.0 */
/* Any accesses to the real-time clock, while time goes on, and now and then back. */
#include <stdlib.h>

#include "base/err.h"
#include "hypervisor/thin/rtc.h"
#include "tests/hypervisor/thin/recorded_board.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BEGIN UINT64_C(1700000000000000000)

static uint64_t now;

static uint64_t fake_now(void)
{
	return now;
}

static void go_on(void *arg, uint32_t number)
{
	uint64_t step = (uint64_t)(number >> 6) << (number >> 1 & 0x1f);
	if (!(number & 1))
		now = now + step < 2 * BEGIN ? now + step : BEGIN;
	else if (now - step > BEGIN && step < now)
		now -= step;
	rtc_tick(arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct port_range ports[] = {{RTC_PORT, RTC_PORT + 1}};
	AUTO(err_freep) struct err *err = NULL;
	AUTO(recorded_board_freep) struct recorded_board *record = recorded_board_new(1 << 20);
	now = BEGIN;
	AUTO(rtc_freep) struct rtc *rtc = rtc_new(&record->board, 1, fake_now, &err);
	if (!rtc)
		return 0;
	run_program(record, ports, ARRAY_LENGTH(ports), data, size, go_on, rtc);
	rtc_reset(rtc);
	if (record->lines[LINE_RTC])
		abort();
	return 0;
}
