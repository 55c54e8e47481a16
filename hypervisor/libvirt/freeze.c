/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No guest may stay frozen.
 *
 *   idle ── freeze_begin ──► asked ── answered ──► frozen ── freeze_end ──► thawed
 *                              ├── no answer in time: the agent may still freeze when it wakes up ──► thaw, until it
 *                              │   answers
 *                              └── cancelled: libvirt goes on waiting, for nobody; the guard thaws
 *
 * A guard thaws if this process dies before. Whoever else thaws, as the late guard of a run before, takes from the cut
 * what it was frozen for: an agent that then finds nothing to thaw says so.
 */
#include "hypervisor/libvirt/freeze.h"

#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/thread.h"
#include "hypervisor/libvirt/domain.h"

enum { THAW_TIMEOUT_S = 5, THAW_TRIES = 3, THAW_AGAIN_S = 1, CANCEL_LOOK_NS = 50000000, SECOND_NS = 1000000000 };

/* ---- thawing ---- */

/* *ret_n is how many file systems the agent thawed, -1 where it did not say. */
static bool thaw_once(struct freeze *freeze, int *ret_n)
{
	virDomainAgentSetResponseTimeout(freeze->domain, THAW_TIMEOUT_S, 0);
	*ret_n = virDomainFSThaw(freeze->domain, NULL, 0, 0);
	bool thawed = *ret_n >= 0 || domain_is_off(freeze->domain);
	virDomainAgentSetResponseTimeout(freeze->domain, VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK, 0);
	if (thawed)
		guard_paid(freeze->guard, GUARD_THAW);
	return thawed;
}

static bool wait_to_try_again(struct freeze *freeze)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += THAW_AGAIN_S;
	pthread_mutex_lock(&freeze->lock);
	while (!freeze->stop && pthread_cond_timedwait(&freeze->stop_changed, &freeze->lock, &until) == 0)
		continue;
	bool stop = freeze->stop;
	pthread_mutex_unlock(&freeze->lock);
	return !stop;
}

static void *thaw_until_it_answers(void *arg)
{
	struct freeze *freeze = arg;
	int n;
	while (wait_to_try_again(freeze) && !thaw_once(freeze, &n))
		continue;
	return NULL;
}

/* ---- asking ---- */

/* Shared by who waits and the thread that asks, since libvirt cannot be told to stop; the last one frees it. */
struct question {
	virDomainPtr domain;
	unsigned timeout_s;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool answered, alone;
	int frozen; /* file systems; -1: it could not */
	char *note;
};

static void question_free(struct question *question)
{
	virDomainFree(question->domain);
	free(question->note);
	free(question);
}

/* What libvirt said, as one sentence that goes into a point. */
static char *explain_failure(unsigned timeout_s)
{
	const virError *error = virGetLastError();
	if (error && error->code == VIR_ERR_AGENT_UNRESPONSIVE)
		return file_format("the guest agent did not answer in %u s", timeout_s);
	return file_format("the guest agent could not freeze: %s",
			   error && error->message ? error->message : "no reason given");
}

static void *ask(void *arg)
{
	struct question *question = arg;
	unsigned timeout_s = question->timeout_s;
	virDomainAgentSetResponseTimeout(question->domain, timeout_s > INT32_MAX ? INT32_MAX : (int)timeout_s, 0);
	int frozen = virDomainFSFreeze(question->domain, NULL, 0, 0);
	char *note = frozen < 0 ? explain_failure(timeout_s) : NULL;
	pthread_mutex_lock(&question->lock);
	question->answered = true;
	question->frozen = frozen;
	question->note = note;
	bool alone = question->alone;
	pthread_cond_signal(&question->changed);
	pthread_mutex_unlock(&question->lock);
	if (alone)
		question_free(question);
	return NULL;
}

/* False when it is cancelled before: then the question is the other's to free. */
static bool wait_for_answer(struct question *question, const struct cancel *cancel)
{
	pthread_mutex_lock(&question->lock);
	while (!question->answered && !(cancel && cancel_requested(cancel))) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += CANCEL_LOOK_NS;
		until.tv_sec += until.tv_nsec / SECOND_NS;
		until.tv_nsec %= SECOND_NS;
		pthread_cond_clockwait(&question->changed, &question->lock, CLOCK_MONOTONIC, &until);
	}
	bool answered = question->answered;
	question->alone = !answered;
	pthread_mutex_unlock(&question->lock);
	return answered;
}

/* Without a guard nobody else would thaw: then there is no leaving. */
static void ask_and_wait(struct freeze *freeze, struct question *question, const struct cancel *cancel)
{
	pthread_t thread;
	struct err *err = NULL;
	if (!thread_start(&thread, "freeze", ask, question, &err)) {
		err_clear(&err);
		ask(question);
	} else {
		pthread_detach(thread);
	}
	if (!wait_for_answer(question, guard_is_there(freeze->guard) ? cancel : NULL)) {
		freeze->domain = NULL;
		return;
	}
	freeze->frozen = question->frozen >= 0;
	freeze->file_systems = question->frozen;
	freeze->note = STEAL(&question->note);
	question_free(question);
}

static void ask_to_freeze(struct freeze *freeze, const struct freeze_request *request)
{
	struct question *question = calloc(1, sizeof(*question));
	if (!question) {
		freeze->domain = NULL;
		return;
	}
	*question = (struct question){.domain = freeze->domain,
				      .timeout_s = request->timeout_s,
				      .lock = PTHREAD_MUTEX_INITIALIZER,
				      .changed = PTHREAD_COND_INITIALIZER};
	virDomainRef(question->domain);
	guard_owe(freeze->guard, GUARD_THAW);
	ask_and_wait(freeze, question, request->cancel);
}

void freeze_begin(struct freeze *freeze, virDomainPtr domain, struct guard *guard, const struct freeze_request *request)
{
	*freeze = (struct freeze){
		.guard = guard, .lock = PTHREAD_MUTEX_INITIALIZER, .stop_changed = PTHREAD_COND_INITIALIZER};
	if (request->timeout_s == 0)
		return;
	if (!request->xml->agent_connected) {
		freeze->note = strdup(
			request->xml->agent_channel
				? "no guest agent is running in the guest, so the point is as after a power cut"
				: "the guest has no channel for a guest agent, so the point is as after a power cut");
		return;
	}
	int reason, state = domain_state(domain, &reason);
	if (state != VIR_DOMAIN_RUNNING) {
		freeze->note = file_format("the guest is %s, so its agent could not be asked to freeze",
					   domain_state_name(state));
		return;
	}
	freeze->domain = domain;
	ask_to_freeze(freeze, request);
}

static void note_thawed_by_another(struct freeze *freeze)
{
	freeze->frozen = false;
	freeze->note =
		strdup("somebody else thawed the guest before the cut stood, so the point is as after a power cut");
}

/* What a second try finds thawed may be the late work of the first. */
static bool thaw(struct freeze *freeze)
{
	int n, tries = freeze->frozen ? THAW_TRIES : 1;
	for (int i = 0; i < tries; i++) {
		if (!thaw_once(freeze, &n))
			continue;
		if (i == 0 && n == 0 && freeze->frozen && freeze->file_systems > 0)
			note_thawed_by_another(freeze);
		return true;
	}
	return false;
}

void freeze_end(struct freeze *freeze)
{
	if (!freeze->domain || thaw(freeze))
		return;
	struct err *err = NULL;
	freeze->thawing = thread_start(&freeze->thread, "thaw", thaw_until_it_answers, freeze, &err);
	err_clear(&err); /* the guard thaws when the cut ends */
}

void freeze_release(struct freeze *freeze)
{
	if (freeze->thawing) {
		pthread_mutex_lock(&freeze->lock);
		freeze->stop = true;
		pthread_cond_signal(&freeze->stop_changed);
		pthread_mutex_unlock(&freeze->lock);
		pthread_join(freeze->thread, NULL);
	}
	free(freeze->note);
	freeze->note = NULL;
	freeze->thawing = false;
}
