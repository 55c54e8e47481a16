/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices and vCPUs tell what happens in their own threads. It is written down as news, and the main thread woken,
 * which alone changes the state of the machine. A guest that asked for a restart or switched itself off does not run on
 * meanwhile: its vCPUs park when they come out next, the one that asked at once.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "hypervisor/thin/machine_internal.h"

static bool add_event(const struct machine *machine, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(machine->events, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool machine_open_events(struct machine *machine, struct err **errp)
{
	const struct itimerspec every = {.it_interval.tv_sec = WATCHDOG_SECONDS, .it_value.tv_sec = WATCHDOG_SECONDS};
	machine->events = epoll_create1(EPOLL_CLOEXEC);
	machine->happened = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	machine->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (machine->events < 0 || machine->happened < 0 || machine->timer < 0 ||
	    timerfd_settime(machine->timer, 0, &every, NULL) != 0 || !add_event(machine, machine->happened) ||
	    !add_event(machine, machine->timer))
		return err_set_errno(errp, errno, "cannot set up the machine's events");
	return true;
}

static void wake_main_thread(struct machine *machine)
{
	ssize_t n = write(machine->happened, &(uint64_t){1}, sizeof(uint64_t));
	assert(n == (ssize_t)sizeof(uint64_t));
}

static void stop_soon(struct machine *machine)
{
	for (unsigned i = 0; i < machine->n_vcpus; i++)
		vcpu_ask_to_park(machine->vcpus[i]);
}

static void tell_end(struct machine *machine, enum machine_end end, const char *sentence)
{
	pthread_mutex_lock(&machine->lock);
	if (machine->news.end == MACHINE_GOES_ON) {
		machine->news.end = end;
		snprintf(machine->news.sentence, sizeof(machine->news.sentence), "%s", sentence);
	}
	pthread_mutex_unlock(&machine->lock);
	stop_soon(machine);
	wake_main_thread(machine);
}

static void power_off(void *arg)
{
	tell_end(arg, MACHINE_POWERED_OFF, "");
}

static void restart(void *arg)
{
	struct machine *machine = arg;
	pthread_mutex_lock(&machine->lock);
	machine->news.restart = true;
	pthread_mutex_unlock(&machine->lock);
	stop_soon(machine);
	wake_main_thread(machine);
}

static void trouble(void *arg, enum trouble kind, const char *sentence)
{
	struct machine *machine = arg;
	pthread_mutex_lock(&machine->lock);
	machine->news.trouble = true;
	machine->news.by = kind == TROUBLE_DISK ? MACHINE_BY_DISK : MACHINE_BY_HOST;
	if (machine->news.end == MACHINE_GOES_ON)
		snprintf(machine->news.sentence, sizeof(machine->news.sentence), "%.400s, then 'salvor vm start %s'",
			 sentence, machine->config->name);
	pthread_mutex_unlock(&machine->lock);
	wake_main_thread(machine);
}

/* Of several the last is in the status, and all are in the log. */
static void loss(void *arg, const char *sentence)
{
	struct machine *machine = arg;
	const char *name = machine->config->name;
	char whole[sizeof(machine->news.loss)];
	snprintf(whole, sizeof(whole), "%.350s, then 'salvor vm stop %s' and 'salvor vm start %s'", sentence, name,
		 name);
	log_warning("machine '%s': %s", name, whole);
	pthread_mutex_lock(&machine->lock);
	memcpy(machine->news.loss, whole, sizeof(whole));
	pthread_mutex_unlock(&machine->lock);
	wake_main_thread(machine);
}

static void misuse(void *arg, const char *sentence)
{
	(void)arg;
	log_warning("%s", sentence);
}

struct happenings machine_happenings(struct machine *machine)
{
	return (struct happenings){.power_off = power_off,
				   .restart = restart,
				   .trouble = trouble,
				   .loss = loss,
				   .misuse = misuse,
				   .arg = machine};
}

/* The guest stands at the instruction, which is tried again. */
static void ask_for_memory(struct machine *machine, const char *sentence)
{
	char whole[MACHINE_SENTENCE];
	snprintf(whole, sizeof(whole), "%s; free memory of the host", sentence);
	trouble(machine, TROUBLE_HOST, whole);
}

void machine_vcpu_failed(void *arg, enum vcpu_failure failure, const char *sentence, const char *evidence)
{
	struct machine *machine = arg;
	switch (failure) {
	case VCPU_RESTART:
		restart(arg);
		break;
	case VCPU_POWER_OFF:
		power_off(arg);
		break;
	case VCPU_NO_MEMORY:
		ask_for_memory(arg, sentence);
		break;
	case VCPU_CRASHED:
	case VCPU_CANNOT:
		log_warning("machine '%s': %s: %s", machine->config->name, sentence, evidence);
		tell_end(arg, MACHINE_CRASHED, sentence);
		break;
	}
}

static void read_empty(int fd)
{
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));
	assert(n == (ssize_t)sizeof(count) || errno == EAGAIN);
}

struct machine_news machine_take_news(struct machine *machine)
{
	read_empty(machine->happened);
	pthread_mutex_lock(&machine->lock);
	struct machine_news news = machine->news;
	memset(&machine->news, 0, sizeof(machine->news));
	pthread_mutex_unlock(&machine->lock);
	return news;
}

void machine_forget_trouble(struct machine *machine)
{
	pthread_mutex_lock(&machine->lock);
	machine->news.trouble = false;
	pthread_mutex_unlock(&machine->lock);
}
