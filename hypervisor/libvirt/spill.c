/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watcher is woken by libvirt when the guest pauses or stops, and looks at the files four times a second. Whatever
 * it does to the guest it does under the lock, so that it happens once.
 */
#include "hypervisor/libvirt/spill.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/err.h"
#include "base/file.h"
#include "base/thread.h"
#include "hypervisor/libvirt/backup_job.h"
#include "hypervisor/libvirt/domain.h"
#include "hypervisor/libvirt/error.h"

#define GIB (UINT64_C(1) << 30)
#define LOOK_EVERY_NS 250000000L
#define SECOND_NS 1000000000L

bool spill_limit(const struct place *place, uint64_t asked, uint64_t disks, uint64_t *ret, struct err **errp)
{
	uint64_t free_space;
	if (!place_free_space(place, &free_space, errp))
		return false;
	uint64_t limit = disks / 10 > GIB ? disks / 10 : GIB;
	if (limit > free_space / 2)
		limit = free_space / 2;
	*ret = asked != 0 ? asked : limit;
	return true;
}

/*
 * libvirt may still be in a callback, in its own thread, after that was taken back. So callbacks do not know the spill,
 * but a bell that outlives it: each of them and the spill hold it, and once the spill has let go nobody hears it. The
 * lock of all bells comes before a spill's. It is no part of a bell, which only libvirt hands from thread to thread.
 */
static pthread_mutex_t bells = PTHREAD_MUTEX_INITIALIZER;

struct bell {
	struct spill *spill; /* NULL: gone */
	unsigned holders;
};

static void bell_release(void *arg)
{
	struct bell *bell = arg;
	pthread_mutex_lock(&bells);
	bool last = --bell->holders == 0;
	pthread_mutex_unlock(&bells);
	if (last)
		free(bell);
}

static void bell_ring(struct bell *bell)
{
	pthread_mutex_lock(&bells);
	struct spill *spill = bell->spill;
	if (spill) {
		pthread_mutex_lock(&spill->lock);
		spill->look = true;
		pthread_cond_signal(&spill->changed);
		pthread_mutex_unlock(&spill->lock);
	}
	pthread_mutex_unlock(&bells);
}

static void bell_silence(struct bell *bell)
{
	pthread_mutex_lock(&bells);
	bell->spill = NULL;
	pthread_mutex_unlock(&bells);
	bell_release(bell);
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *arg)
{
	(void)connection;
	(void)domain;
	(void)event;
	(void)detail;
	bell_ring(arg);
	return 0;
}

static void on_io_error(virConnectPtr connection, virDomainPtr domain, const char *path, const char *alias, int action,
			void *arg)
{
	(void)connection;
	(void)domain;
	(void)path;
	(void)alias;
	(void)action;
	bell_ring(arg);
}

/* -1 where libvirt has no such events. */
static int listen_to(struct spill *spill, int event, virConnectDomainEventGenericCallback callback)
{
	pthread_mutex_lock(&bells);
	spill->bell->holders++;
	pthread_mutex_unlock(&bells);
	int id = virConnectDomainEventRegisterAny(virDomainGetConnect(spill->domain), spill->domain, event, callback,
						  spill->bell, bell_release);
	if (id < 0)
		bell_release(spill->bell);
	return id;
}

/* The guest's write waits in QEMU: without the job it needs no spill, and succeeds when it is tried again. */
static void break_off(struct spill *spill, char *why)
{
	struct err *err = NULL;
	if (!backup_job_end(spill->domain, &err))
		err_clear(&err); /* the guest comes first; drop() ends the job again, or the guard does */
	if (guard_owes(spill->guard, GUARD_RESUME))
		domain_resume_stuck(spill->domain);
	spill->broken = why;
}

/* Nobody can be asked any more how the guest does, so the cut must not go on. */
static void give_to_guard(struct spill *spill)
{
	guard_call(spill->guard);
	spill->broken = file_format("libvirt ended or was restarted while %s was backed up; run the backup again",
				    spill->workload);
}

struct size_text {
	char text[32];
};

static struct size_text size_text(uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t unit = 0;
	while (value >= 1024 && unit + 1 < ARRAY_LENGTH(units)) {
		value /= 1024;
		unit++;
	}
	struct size_text size;
	snprintf(size.text, sizeof(size.text), "%.3g %s", value, units[unit]);
	return size;
}

static char *full_sentence(const struct spill *spill)
{
	return file_format("%s overwrote more than the spill limit of %s while the backup ran: the backup was broken "
			   "off, the guest was not; "
			   "retry in a quieter hour or raise --spill-limit",
			   spill->workload, size_text(spill->limit).text);
}

static char *paused_sentence(const struct spill *spill)
{
	return file_format("%s paused for an I/O error with %s of spill in %s: the backup was broken off and the guest "
			   "resumed; give the spill "
			   "more room with --spill-dir",
			   spill->workload, size_text(place_spilled(spill->place)).text, spill->place->spill);
}

/* Under the lock. A guest that was stuck before the cut is not ours to resume, until somebody else has done so. */
static void look(struct spill *spill)
{
	int reason = 0;
	if (spill->broken)
		return;
	int state = domain_state(spill->domain, &reason);
	bool stuck = state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR;
	bool ours = guard_owes(spill->guard, GUARD_RESUME);
	if (virConnectIsAlive(virDomainGetConnect(spill->domain)) == 0)
		give_to_guard(spill);
	else if (domain_is_off(spill->domain))
		spill->broken = file_format("%s was switched off while the backup ran; run it again", spill->workload);
	else if (stuck && ours)
		break_off(spill, paused_sentence(spill));
	else if (place_spilled(spill->place) > spill->limit)
		break_off(spill, full_sentence(spill));
	else if (state == VIR_DOMAIN_RUNNING && !ours)
		guard_owe(spill->guard, GUARD_RESUME);
}

static void *watch(void *arg)
{
	struct spill *spill = arg;
	pthread_mutex_lock(&spill->lock);
	while (!spill->stop) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += LOOK_EVERY_NS;
		until.tv_sec += until.tv_nsec / SECOND_NS;
		until.tv_nsec %= SECOND_NS;
		while (!spill->stop && !spill->look &&
		       pthread_cond_timedwait(&spill->changed, &spill->lock, &until) == 0)
			continue;
		spill->look = false;
		if (!spill->stop)
			look(spill);
	}
	pthread_mutex_unlock(&spill->lock);
	return NULL;
}

bool spill_watch(struct spill *spill, virDomainPtr domain, const struct place *place, struct guard *guard,
		 const char *workload, uint64_t limit, struct err **errp)
{
	*spill = (struct spill){.domain = domain,
				.place = place,
				.guard = guard,
				.workload = workload,
				.limit = limit,
				.events = {-1, -1},
				.lock = PTHREAD_MUTEX_INITIALIZER,
				.changed = PTHREAD_COND_INITIALIZER};
	spill->bell = calloc(1, sizeof(*spill->bell));
	if (!spill->bell)
		return err_set_no_memory(errp);
	*spill->bell = (struct bell){.spill = spill, .holders = 1};
	if (!thread_start(&spill->thread, "spill", watch, spill, errp)) {
		bell_silence(STEAL(&spill->bell));
		return false;
	}
	spill->watching = true;
	spill->events[0] = listen_to(spill, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle));
	spill->events[1] = listen_to(spill, VIR_DOMAIN_EVENT_ID_IO_ERROR, VIR_DOMAIN_EVENT_CALLBACK(on_io_error));
	return true; /* without events it still looks four times a second */
}

void spill_stop(struct spill *spill)
{
	if (!spill->watching)
		return;
	for (size_t i = 0; i < ARRAY_LENGTH(spill->events); i++) {
		if (spill->events[i] >= 0)
			virConnectDomainEventDeregisterAny(virDomainGetConnect(spill->domain), spill->events[i]);
	}
	bell_silence(STEAL(&spill->bell));
	pthread_mutex_lock(&spill->lock);
	spill->stop = true;
	pthread_cond_signal(&spill->changed);
	pthread_mutex_unlock(&spill->lock);
	pthread_join(spill->thread, NULL);
	spill->watching = false;
	free(spill->broken);
	spill->broken = NULL;
}

bool spill_check(struct spill *spill, struct err **errp)
{
	pthread_mutex_lock(&spill->lock);
	look(spill);
	bool whole = !spill->broken;
	if (!whole)
		err_set(errp, ERR_BUSY, "%s", spill->broken);
	pthread_mutex_unlock(&spill->lock);
	return whole;
}
