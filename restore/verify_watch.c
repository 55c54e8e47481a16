/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/verify_watch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"

#define SECOND_NS UINT64_C(1000000000)
#define TICK_NS (SECOND_NS / 5) /* a cancel is a flag that a signal sets, nothing to wait for */

enum {
	PING_S = 2,
	PING_ANSWER_S = 5,
	PICTURE_S = 5,
	QUIET_S = 1, /* a console that is silent so long has said what it had to say, */
	SETTLE_S = 5 /* and so long it is given at most */
};

/* What text mode of VGA shows, whose letters lie in memory. */
enum { TEXT_MODE_WIDTH = 720, TEXT_MODE_HEIGHT = 400 };

void verify_watch_init(struct verify_watch *watch, const struct judge_rules *rules)
{
	pthread_condattr_t monotonic;
	*watch = (struct verify_watch){.lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&watch->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	judge_init(&watch->judge, rules);
}

void verify_watch_release(struct verify_watch *watch)
{
	judge_release(&watch->judge);
	tail_release(&watch->log);
	free(watch->healed);
	pthread_cond_destroy(&watch->wake);
	pthread_mutex_destroy(&watch->lock);
}

static uint64_t elapsed(const struct verify_watch *watch)
{
	return watch->begin_ns ? clock_monotonic_ns() - watch->begin_ns : 0;
}

/* Preparing and starting QEMU is no time of the machine's. What it says may be heard before its start has returned. */
static void note_switched_on(struct verify_watch *watch)
{
	if (watch->begin_ns)
		return;
	watch->begin_ns = clock_monotonic_ns();
	watch->started_ns = clock_now_ns();
}

/* ---- callbacks ---- */

static void stir(struct verify_watch *watch)
{
	watch->stirred = true;
	pthread_cond_signal(&watch->wake);
}

static void hear_firmware(void *arg, const char *line, bool whole)
{
	struct verify_watch *watch = arg;
	judge_line(&watch->judge, RUN_FIRMWARE, line, whole, elapsed(watch));
}

static void hear_console(void *arg, const char *line, bool whole)
{
	struct verify_watch *watch = arg;
	judge_line(&watch->judge, RUN_CONSOLE, line, whole, elapsed(watch));
}

void verify_watch_heard(void *arg, enum run_voice voice, const char *data, size_t len)
{
	struct verify_watch *watch = arg;
	pthread_mutex_lock(&watch->lock);
	note_switched_on(watch);
	watch->said_ns = clock_monotonic_ns();
	tail_add(&watch->log, data, len);
	if (voice == RUN_FIRMWARE)
		plain_text_add(&watch->firmware, data, len, hear_firmware, watch);
	else
		plain_text_add(&watch->console, data, len, hear_console, watch);
	stir(watch);
	pthread_mutex_unlock(&watch->lock);
}

void verify_watch_changed(void *arg)
{
	struct verify_watch *watch = arg;
	pthread_mutex_lock(&watch->lock);
	stir(watch);
	pthread_mutex_unlock(&watch->lock);
}

/* Once a disk, so that there are few. */
static void note_healed(struct verify_watch *watch, const char *text)
{
	char *before = watch->healed;
	watch->healed = before ? file_format("%s; %s", before, text) : strdup(text);
	free(before);
}

void verify_watch_complaint(void *arg, enum export_complaint kind, const char *text)
{
	struct verify_watch *watch = arg;
	pthread_mutex_lock(&watch->lock);
	if (kind == EXPORT_DAMAGE)
		judge_damage(&watch->judge, text, elapsed(watch));
	if (kind == EXPORT_UNREADABLE)
		judge_unable(&watch->judge, text);
	if (kind == EXPORT_HEALED)
		note_healed(watch, text);
	stir(watch);
	pthread_mutex_unlock(&watch->lock);
}

/* ---- looking ---- */

struct rounds {
	uint64_t ping_ns, picture_ns; /* when it is time for the next */
};

/* All calls of the runner are made without the lock: they may wait, and its threads call back. */
static void ask_agent(struct verify_watch *watch, struct runner *runner, struct run *run)
{
	bool answered = runner->ops->ping(run, PING_ANSWER_S);
	pthread_mutex_lock(&watch->lock);
	if (answered)
		judge_agent(&watch->judge, elapsed(watch));
	pthread_mutex_unlock(&watch->lock);
}

/* In graphics mode there is no text, and what text mode showed is gone. */
static void read_text(struct runner *runner, struct run *run, bool text_mode, struct bytes *ret)
{
	struct err *err = NULL;
	bytes_init(ret, 1 << 16);
	if (text_mode && !runner->ops->show_text(run, ret, &err)) {
		err_clear(&err); /* a machine that has just ended */
		bytes_clear(ret);
	}
	bytes_u8(ret, '\0');
}

static void look_at_screen(struct verify_watch *watch, struct runner *runner, struct run *run)
{
	struct err *err = NULL;
	struct picture picture;
	AUTO(bytes_release) struct bytes text = {0};
	if (!runner->ops->show(run, &picture, &err)) {
		err_clear(&err); /* no screen yet, or none any more: what is said decides */
		return;
	}
	read_text(runner, run, picture.width == TEXT_MODE_WIDTH && picture.height == TEXT_MODE_HEIGHT, &text);
	pthread_mutex_lock(&watch->lock);
	uint64_t ns = elapsed(watch);
	if (bytes_ok(&text))
		judge_screen_text(&watch->judge, (char *)text.data, ns);
	judge_picture(&watch->judge, &picture, ns);
	pthread_mutex_unlock(&watch->lock);
}

/* Without its disks a machine does what it cannot help doing. */
static void look_at_state(struct verify_watch *watch, struct runner *runner, const struct machine *machine,
			  struct run_state *ret)
{
	bool served = machine_is_served(machine);
	runner->ops->look(machine_run(machine), ret);
	pthread_mutex_lock(&watch->lock);
	if (!served)
		judge_unable(&watch->judge, "the NBD server of its disks ended");
	judge_state(&watch->judge, ret, elapsed(watch));
	pthread_mutex_unlock(&watch->lock);
}

/* The state comes last again: a machine that was killed while one waited for it is not one that had its time. */
static void look(struct verify_watch *watch, struct runner *runner, const struct machine *machine,
		 struct rounds *rounds)
{
	struct run_state state;
	struct run *run = machine_run(machine);
	look_at_state(watch, runner, machine, &state);
	uint64_t now = clock_monotonic_ns();
	if (watch->judge.rules.agent_counts && state.agent && now >= rounds->ping_ns) {
		ask_agent(watch, runner, run);
		rounds->ping_ns = clock_monotonic_ns() + PING_S * SECOND_NS;
	}
	if (state.end == RUN_GOES_ON && now >= rounds->picture_ns) {
		look_at_screen(watch, runner, run);
		rounds->picture_ns = clock_monotonic_ns() + PICTURE_S * SECOND_NS;
	}
	look_at_state(watch, runner, machine, &state);
}

/* ---- waiting ---- */

static void wait_a_moment(struct verify_watch *watch)
{
	uint64_t ns = clock_monotonic_ns() + TICK_NS;
	const struct timespec until = {.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};
	pthread_mutex_lock(&watch->lock);
	int outcome = 0;
	while (!watch->stirred && outcome == 0)
		outcome = pthread_cond_timedwait(&watch->wake, &watch->lock, &until);
	watch->stirred = false;
	pthread_mutex_unlock(&watch->lock);
}

static bool is_decided(struct verify_watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	bool decided = watch->judge.judgement != JUDGE_OPEN;
	pthread_mutex_unlock(&watch->lock);
	return decided;
}

/* When the time is up. Before that is held against the machine, QEMU has to show that it is not itself what hangs. */
static void look_at_last(struct verify_watch *watch, struct runner *runner, const struct machine *machine)
{
	struct run_state state;
	if (elapsed(watch) < watch->judge.rules.limit_s * SECOND_NS)
		return;
	look_at_screen(watch, runner, machine_run(machine));
	look_at_state(watch, runner, machine, &state);
	pthread_mutex_lock(&watch->lock);
	judge_time(&watch->judge, elapsed(watch));
	pthread_mutex_unlock(&watch->lock);
}

static bool is_settled(struct verify_watch *watch)
{
	uint64_t now = clock_monotonic_ns();
	pthread_mutex_lock(&watch->lock);
	const struct judge *judge = &watch->judge;
	bool settled = judge->judgement != JUDGE_FAILED || now > watch->said_ns + QUIET_S * SECOND_NS ||
		       now > watch->begin_ns + judge->at_ns + SETTLE_S * SECOND_NS;
	pthread_mutex_unlock(&watch->lock);
	return settled;
}

static void begin(struct verify_watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	note_switched_on(watch);
	pthread_mutex_unlock(&watch->lock);
}

bool verify_watch_run(struct verify_watch *watch, struct runner *runner, const struct machine *machine,
		      const struct cancel *cancel, struct err **errp)
{
	struct rounds rounds = {0};
	begin(watch);
	do {
		if (!cancel_check(cancel, errp))
			return false;
		look(watch, runner, machine, &rounds);
		wait_a_moment(watch);
		look_at_last(watch, runner, machine);
	} while (!is_decided(watch));
	while (!is_settled(watch)) {
		if (!cancel_check(cancel, errp))
			return false;
		wait_a_moment(watch);
	}
	look_at_screen(watch, runner, machine_run(machine));
	return true;
}

unsigned verify_watch_look(struct verify_watch *watch, char line[JUDGE_LINE_SIZE])
{
	pthread_mutex_lock(&watch->lock);
	memcpy(line, watch->judge.last_line, JUDGE_LINE_SIZE);
	unsigned seconds = (unsigned)(elapsed(watch) / SECOND_NS);
	pthread_mutex_unlock(&watch->lock);
	return seconds;
}
