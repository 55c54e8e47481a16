/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread stays in KVM_RUN for as long as it can. Whoever wants something else of it writes his wish down, sets
 * run->immediate_exit, and sends a signal; all but the signal under the lock.
 *
 *	KVM_RUN ──► an exit ──► answered ──┐       EINTR comes only when the instruction that came out last is
 *	   ▲                               │       finished: KVM does that first. So EINTR is the clean point, and
 *	   ├───────────────────────────────┘       the only one at which wishes are looked at.
 *	   └──► EINTR ──► glance, park, or return
 *
 * A wish that comes before KVM_RUN is found by immediate_exit, one that comes in it by the signal; none is lost between
 * them.
 */
#include "hypervisor/thin/vcpu.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/file.h"
#include "base/thread.h"
#include "hypervisor/thin/jail.h"
#include "hypervisor/thin/vcpu_internal.h"
#include "hypervisor/thin/vm.h"

enum { NAME_SIZE = 16 };

bool vcpu_call_named(const struct vcpu *vcpu, unsigned long request, const void *argument, const char *name,
		     struct err **errp)
{
	if (ioctl(vcpu->fd, request, argument) >= 0)
		return true;
	return err_set_errno(errp, errno, "vCPU %u: %s", vcpu->options.index, name);
}

static void nothing(int signal)
{
	(void)signal;
}

/* It ends KVM_RUN by being handled at all. Other calls begin again by themselves; KVM_RUN never does. */
static bool hear_signal(struct err **errp)
{
	struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
	sigemptyset(&action.sa_mask);
	return sigaction(SIGUSR1, &action, NULL) == 0 || err_set_errno(errp, errno, "cannot handle a signal");
}

static bool map_run(struct vcpu *vcpu, struct err **errp)
{
	int size = ioctl(vm_kvm(vcpu->options.vm), KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return err_set(errp, ERR_UNSUPPORTED, "KVM shares too little of a vCPU");
	void *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED)
		return err_set_errno(errp, errno, "vCPU %u: cannot map what KVM shares", vcpu->options.index);
	vcpu->run = run;
	vcpu->run_size = (size_t)size;
	return true;
}

static bool open_vcpu(struct vcpu *vcpu, struct err **errp)
{
	vcpu->fd = ioctl(vm_fd(vcpu->options.vm), KVM_CREATE_VCPU, (unsigned long)vcpu->options.index);
	if (vcpu->fd < 0)
		return err_set_errno(errp, errno, "KVM makes no vCPU %u", vcpu->options.index);
	return map_run(vcpu, errp) && vcpu_call(vcpu, KVM_SET_CPUID2, vcpu->options.cpuid, errp) &&
	       vcpu_choose_msrs(vcpu, errp) && (!vcpu->options.caches_memory || vcpu_cache_memory(vcpu, errp));
}

struct vcpu *vcpu_new(const struct vcpu_options *options, struct err **errp)
{
	AUTO(vcpu_freep) struct vcpu *vcpu = calloc(1, sizeof(*vcpu));
	if (!vcpu) {
		err_set_no_memory(errp);
		return NULL;
	}
	vcpu->options = *options;
	vcpu->fd = -1;
	pthread_mutex_init(&vcpu->lock, NULL);
	pthread_cond_init(&vcpu->changed, NULL);
	bool ok = open_vcpu(vcpu, errp) && hear_signal(errp);
	vcpu->options.cpuid = NULL;
	return ok ? STEAL(&vcpu) : NULL;
}

/* Under the lock: the guest is left soon, or not entered. */
static void call_out(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

/* Under the lock. KVM keeps the guest's clock from seeming to have jumped: who was not run was not stuck. Guests
 * without that clock need nothing. */
static void wait_while_parked(struct vcpu *vcpu)
{
	while (vcpu->wanted == VCPU_WANT_PARKED) {
		vcpu->parked = true;
		pthread_cond_broadcast(&vcpu->changed);
		pthread_cond_wait(&vcpu->changed, &vcpu->lock);
	}
	if (vcpu->parked)
		ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
	vcpu->parked = false;
}

static void take_glance(struct vcpu *vcpu)
{
	struct kvm_regs regs;
	struct kvm_mp_state mp;
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) != 0 || ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp) != 0)
		return;
	vcpu->glance = (struct vcpu_glance){.exits = vcpu->exits,
					    .rip = regs.rip,
					    .interruptible = regs.rflags & (1U << 9),
					    .waits = mp.mp_state != KVM_MP_STATE_RUNNABLE};
	vcpu->has_glance = true;
}

/* At a clean point. False when the thread shall end. */
static bool grant_wishes(struct vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->lock);
	if (vcpu->glance_wanted)
		take_glance(vcpu);
	vcpu->glance_wanted = false;
	wait_while_parked(vcpu);
	bool go_on = vcpu->wanted == VCPU_WANT_RUNNING;
	__atomic_store_n(&vcpu->run->immediate_exit, !go_on, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&vcpu->lock);
	return go_on;
}

/* True where the guest can be entered again. EAGAIN comes of a vCPU that its guest has only begun to wake. */
static bool run_once(struct vcpu *vcpu, bool *ret_clean_point)
{
	int result = ioctl(vcpu->fd, KVM_RUN, 0), errnum = errno;
	*ret_clean_point = result < 0 && (errnum == EINTR || errnum == EAGAIN);
	if (*ret_clean_point)
		return true;
	if (result == 0)
		return vcpu_handle_exit(vcpu);
	vcpu_handle_error(vcpu, errnum);
	return false;
}

static void *run(void *arg)
{
	struct vcpu *vcpu = arg;
	char name[NAME_SIZE];
	snprintf(name, sizeof(name), "vcpu %u", vcpu->options.index % 1000);
	pthread_setname_np(pthread_self(), name);
	bool jailed = jail_thread(JAIL_VCPU, &vcpu->failure);
	while (jailed && grant_wishes(vcpu)) {
		bool clean_point = false;
		while (!clean_point && run_once(vcpu, &clean_point))
			;
		if (!clean_point)
			vcpu_ask_to_park(vcpu);
	}
	pthread_mutex_lock(&vcpu->lock);
	vcpu->parked = true;
	pthread_cond_broadcast(&vcpu->changed);
	pthread_mutex_unlock(&vcpu->lock);
	return NULL;
}

static void wait_until_parked(struct vcpu *vcpu)
{
	while (!vcpu->parked)
		pthread_cond_wait(&vcpu->changed, &vcpu->lock);
}

bool vcpu_start(struct vcpu *vcpu, struct err **errp)
{
	if (!thread_start(&vcpu->thread, "vcpu", run, vcpu, errp))
		return false;
	vcpu->has_thread = true;
	pthread_mutex_lock(&vcpu->lock);
	wait_until_parked(vcpu);
	pthread_mutex_unlock(&vcpu->lock);
	return !vcpu->failure || err_move(errp, &vcpu->failure);
}

static void want(struct vcpu *vcpu, enum vcpu_wish wish)
{
	pthread_mutex_lock(&vcpu->lock);
	vcpu->wanted = wish;
	if (wish != VCPU_WANT_RUNNING)
		call_out(vcpu);
	pthread_cond_broadcast(&vcpu->changed);
	pthread_mutex_unlock(&vcpu->lock);
}

void vcpu_free(struct vcpu *vcpu)
{
	if (!vcpu)
		return;
	if (vcpu->has_thread) {
		want(vcpu, VCPU_WANT_ENDED);
		pthread_kill(vcpu->thread, SIGUSR1);
		pthread_join(vcpu->thread, NULL);
	}
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	file_closep(&vcpu->fd);
	free(vcpu->msrs);
	err_free(vcpu->failure);
	pthread_cond_destroy(&vcpu->changed);
	pthread_mutex_destroy(&vcpu->lock);
	free(vcpu);
}

void vcpu_ask_to_park(struct vcpu *vcpu)
{
	want(vcpu, VCPU_WANT_PARKED);
}

void vcpu_park(struct vcpu *vcpu)
{
	assert(vcpu->has_thread && !pthread_equal(vcpu->thread, pthread_self()));
	want(vcpu, VCPU_WANT_PARKED);
	pthread_mutex_lock(&vcpu->lock);
	if (!vcpu->parked)
		pthread_kill(vcpu->thread, SIGUSR1);
	wait_until_parked(vcpu);
	pthread_mutex_unlock(&vcpu->lock);
}

void vcpu_go_on(struct vcpu *vcpu)
{
	want(vcpu, VCPU_WANT_RUNNING);
}

void vcpu_ask_for_glance(struct vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->lock);
	bool runs = !vcpu->parked;
	vcpu->glance_wanted = runs;
	if (runs) {
		call_out(vcpu);
		pthread_kill(vcpu->thread, SIGUSR1);
	}
	pthread_mutex_unlock(&vcpu->lock);
}

bool vcpu_take_glance(struct vcpu *vcpu, struct vcpu_glance *ret)
{
	pthread_mutex_lock(&vcpu->lock);
	bool has = vcpu->has_glance;
	if (has)
		*ret = vcpu->glance;
	vcpu->has_glance = false;
	pthread_mutex_unlock(&vcpu->lock);
	return has;
}

int vcpu_fd(const struct vcpu *vcpu)
{
	return vcpu->fd;
}
