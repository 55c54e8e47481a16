/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No guest may stay frozen.
 *
 *   idle ── freeze_begin ──► asked ── answered ──► frozen ── freeze_end ──► thawed
 *                              └── no answer in time: the agent may still freeze when it wakes up ──► thaw, until it
 * answers
 *
 * A guard thaws if this process dies before.
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

enum { THAW_TIMEOUT_S = 5, THAW_TRIES = 3, THAW_AGAIN_S = 1 };

static bool thaw_once(struct freeze *freeze)
{
	virDomainAgentSetResponseTimeout(freeze->domain, THAW_TIMEOUT_S, 0);
	bool thawed = virDomainFSThaw(freeze->domain, NULL, 0, 0) >= 0 || domain_is_off(freeze->domain);
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
	while (wait_to_try_again(freeze) && !thaw_once(freeze))
		continue;
	return NULL;
}

/* What libvirt said, as one sentence that goes into a point. */
static void note_failure(struct freeze *freeze, unsigned timeout_s)
{
	const virError *error = virGetLastError();
	if (error && error->code == VIR_ERR_AGENT_UNRESPONSIVE)
		freeze->note = file_format("the guest agent did not answer in %u s", timeout_s);
	else
		freeze->note = file_format("the guest agent could not freeze: %s",
					   error && error->message ? error->message : "no reason given");
}

void freeze_begin(struct freeze *freeze, virDomainPtr domain, const struct domain_xml *xml, struct guard *guard,
		  unsigned timeout_s)
{
	*freeze = (struct freeze){
		.guard = guard, .lock = PTHREAD_MUTEX_INITIALIZER, .stop_changed = PTHREAD_COND_INITIALIZER};
	if (timeout_s == 0)
		return;
	if (!xml->agent_connected) {
		freeze->note = strdup(
			xml->agent_channel
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
	guard_owe(guard, GUARD_THAW);
	virDomainAgentSetResponseTimeout(domain, timeout_s > INT32_MAX ? INT32_MAX : (int)timeout_s, 0);
	freeze->frozen = virDomainFSFreeze(domain, NULL, 0, 0) >= 0;
	if (!freeze->frozen)
		note_failure(freeze, timeout_s);
}

void freeze_end(struct freeze *freeze)
{
	if (!freeze->domain)
		return;
	for (int i = 0; i < (freeze->frozen ? THAW_TRIES : 1); i++) {
		if (thaw_once(freeze))
			return;
	}
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
