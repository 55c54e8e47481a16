/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a machine and the ways between them; all in the main thread.
 *
 *	machine_start()    ──► PAUSED                power_on(), threads begin
 *	machine_go_on()    PAUSED  ──► RUNNING       workers, then vCPUs, so that no kick waits for its worker
 *	machine_pause()    RUNNING ──► PAUSED        vCPUs, then workers: what the last instruction asked of a device
 *	                                             is done
 *	machine_restart()  as it was                 parked, power_on(), and on where it ran
 *	end()              any     ──► ENDED         parked for good
 *	machine_finish()   any                       parked for good, and disks flushed
 *
 * A restart or an end that the guest asked for waits in the news until machine_serve(), or until the machine would go
 * on.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "hypervisor/thin/machine_boot.h"
#include "hypervisor/thin/machine_devices.h"
#include "hypervisor/thin/machine_internal.h"
#include "hypervisor/thin/vm.h"

static bool power_on(struct machine *machine, struct err **errp)
{
	machine_devices_reset(machine->devices);
	if (!vm_load(machine->vm, machine->vm_state, errp))
		return false;
	for (unsigned i = 0; i < machine->n_vcpus; i++)
		if (!vcpu_load(machine->vcpus[i], machine->vcpu_states[i], errp))
			return false;
	machine->boot_judged = false;
	return machine_boot_place(machine->boot, machine->vcpus[0], errp);
}

bool machine_start(struct machine *machine, struct err **errp)
{
	assert(!machine->has_threads);
	if (!power_on(machine, errp) || !machine_devices_start(machine->devices, errp))
		return false;
	for (unsigned i = 0; i < machine->n_vcpus; i++)
		if (!vcpu_start(machine->vcpus[i], errp))
			return false;
	machine->has_threads = true;
	return true;
}

static void set_sentence(struct machine *machine, const char *sentence)
{
	snprintf(machine->status.sentence, sizeof(machine->status.sentence), "%s", sentence);
}

void machine_park(struct machine *machine)
{
	if (!machine->has_threads)
		return;
	for (unsigned i = 0; i < machine->n_vcpus; i++)
		vcpu_ask_to_park(machine->vcpus[i]);
	for (unsigned i = 0; i < machine->n_vcpus; i++)
		vcpu_park(machine->vcpus[i]);
	machine_devices_park(machine->devices);
}

static void unpark(struct machine *machine)
{
	watchdog_reset(&machine->watchdog);
	machine_devices_go_on(machine->devices);
	for (unsigned i = 0; i < machine->n_vcpus; i++)
		vcpu_go_on(machine->vcpus[i]);
}

static void end(struct machine *machine, enum machine_end how, const char *sentence)
{
	machine_park(machine);
	machine->status.state = MACHINE_ENDED;
	machine->status.end = how;
	set_sentence(machine, sentence);
}

static void pause_for(struct machine *machine, enum machine_pauser by, const char *sentence)
{
	bool was_running = machine->status.state == MACHINE_RUNNING;
	if (was_running)
		machine_park(machine);
	if (was_running || machine->status.by != MACHINE_BY_PERSON)
		machine->status.by = by;
	machine->status.state = MACHINE_PAUSED;
	set_sentence(machine, sentence);
}

void machine_restart(struct machine *machine)
{
	if (machine->status.state == MACHINE_ENDED)
		return;
	AUTO(err_freep) struct err *err = NULL;
	machine_park(machine);
	machine_forget_trouble(machine);
	machine->status.restarts++;
	if (!power_on(machine, &err))
		end(machine, MACHINE_BROKE, err_message(err));
	else if (machine->status.state == MACHINE_RUNNING)
		unpark(machine);
}

/* The end outranks a restart, and that the trouble of a device, which is new after it. */
static void serve_news(struct machine *machine)
{
	struct machine_news news = machine_take_news(machine);
	if (news.loss[0])
		snprintf(machine->status.loss, sizeof(machine->status.loss), "%s", news.loss);
	if (machine->status.state == MACHINE_ENDED)
		return;
	if (news.end != MACHINE_GOES_ON)
		end(machine, news.end, news.sentence);
	else if (news.restart)
		machine_restart(machine);
	else if (news.trouble)
		pause_for(machine, news.by, news.sentence);
}

/* Parked, the vCPU can be asked what it hangs at. */
static void bark(struct machine *machine, unsigned vcpu)
{
	char sentence[MACHINE_SENTENCE], evidence[MACHINE_EVIDENCE];
	machine_park(machine);
	machine->status.state = MACHINE_PAUSED;
	machine->status.by = MACHINE_BY_GUEST;
	vcpu_describe(machine->vcpus[vcpu], evidence, sizeof(evidence));
	snprintf(sentence, sizeof(sentence),
		 "no progress for %d seconds, the guest hangs or KVM here cannot run what it wants: the log has where "
		 "it stands",
		 WATCHDOG_SECONDS * WATCHDOG_GLANCES);
	log_warning("machine '%s' stands: %s", machine->config->name, evidence);
	set_sentence(machine, sentence);
}

/* Firmware that has nothing to boot goes on trying for ever. What a system says where firmware spoke is not heard. */
static void look_at_firmware(struct machine *machine)
{
	char last_words[MACHINE_LAST_WORDS];
	machine->boot_judged = machine->boot_judged || machine_devices_taken_over(machine->devices);
	if (machine->boot_judged)
		return;
	machine_devices_last_words(machine->devices, last_words, sizeof(last_words));
	machine->boot_judged = machine_boot_gave_up(machine->boot, last_words);
	if (machine->boot_judged)
		pause_for(machine, MACHINE_BY_GUEST,
			  "the firmware finds nothing to boot: the first disk has no boot loader that it can start");
}

static void serve_watchdog(struct machine *machine)
{
	uint64_t count;
	unsigned vcpu;
	if (read(machine->timer, &count, sizeof(count)) < 0 || machine->status.state != MACHINE_RUNNING)
		return;
	for (unsigned i = 0; i < machine->n_vcpus; i++) {
		struct vcpu_glance glance;
		if (vcpu_take_glance(machine->vcpus[i], &glance))
			watchdog_see(&machine->watchdog, i, &glance);
		vcpu_ask_for_glance(machine->vcpus[i]);
	}
	look_at_firmware(machine);
	if (machine->status.state == MACHINE_RUNNING && watchdog_barks(&machine->watchdog, machine->n_vcpus, &vcpu))
		bark(machine, vcpu);
}

void machine_serve(struct machine *machine)
{
	serve_news(machine);
	serve_watchdog(machine);
}

void machine_pause(struct machine *machine)
{
	if (machine->status.state == MACHINE_RUNNING)
		pause_for(machine, MACHINE_BY_PERSON, "");
	machine->status.by = MACHINE_BY_PERSON;
}

void machine_go_on(struct machine *machine)
{
	assert(machine->has_threads);
	serve_news(machine);
	if (machine->status.state != MACHINE_PAUSED)
		return;
	machine->status.state = MACHINE_RUNNING;
	set_sentence(machine, "");
	unpark(machine);
}

void machine_finish(struct machine *machine)
{
	machine_park(machine);
	machine_devices_flush(machine->devices);
}
