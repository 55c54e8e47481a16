/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cut of a running guest, and what each step leaves to the next run when the process dies in it:
 *
 *   lock ──► end what a crash left ──► plan ──► freeze ──► begin job and checkpoint ──► thaw ──► watch ──► keep | drop
 *                                        │         │                      │
 *                                        │         the guard thaws        the guard ends the job as well; a checkpoint
 *                  nothing but empty folders                              stays: the next cut removes it
 *
 * The bitmap of the parent's checkpoint goes on marking all the while, so it stays complete whatever becomes of this
 * cut.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "hypervisor/blocks.h"
#include "hypervisor/files/cut.h"
#include "hypervisor/libvirt/backup_job.h"
#include "hypervisor/libvirt/checkpoint.h"
#include "hypervisor/libvirt/connect.h"
#include "hypervisor/libvirt/cut_internal.h"
#include "hypervisor/libvirt/domain.h"
#include "hypervisor/libvirt/error.h"

static void take_outcome(struct libvirt_cut *cut)
{
	for (size_t i = 0; i < cut->plan.n_disks; i++)
		cut->info.fallback_reason[i] = cut->plan.disks[i].fallback;
	memcpy(cut->info.tracking, cut->plan.checkpoint, sizeof(cut->info.tracking));
	cut->info.consistency = cut->freeze.frozen ? CUT_FROZEN : CUT_CRASH;
	cut->info.consistency_note = STEAL(&cut->freeze.note);
}

/* Where libvirt's answer was lost, the job may run all the same; what cannot be found out or ended here is the guard's.
 */
static void settle_failed_begin(struct libvirt_cut *cut)
{
	AUTO(err_freep) struct err *err = NULL;
	if (backup_job_end_ours(cut->domain, &err))
		guard_paid(&cut->guard, GUARD_JOB | GUARD_RESUME);
}

/* The instant: nothing that could wait stands between freeze and thaw. */
static bool cut_now(struct libvirt_cut *cut, const struct cut_request *request, struct err **errp)
{
	guard_start(&cut->guard, cut->domain, cut->place.lock);
	if (!domain_is_stuck(cut->domain))
		guard_owe(&cut->guard, GUARD_RESUME);
	freeze_begin(&cut->freeze, cut->domain, &cut->guard,
		     &(struct freeze_request){
			     .xml = &cut->xml, .timeout_s = request->freeze_timeout_s, .cancel = request->cancel});
	cut->info.cut_ns = clock_now_ns();
	bool ok = !request->cancel || cancel_check(request->cancel, errp);
	guard_owe(&cut->guard, GUARD_JOB);
	ok = ok && backup_job_begin(cut->domain, &cut->plan, errp);
	cut->begun = ok;
	freeze_end(&cut->freeze);
	if (ok)
		take_outcome(cut);
	else
		settle_failed_begin(cut);
	return ok;
}

/* What the job serves counts, should a disk have grown since it was described. */
static bool take_sizes(struct libvirt_cut *cut, struct err **errp)
{
	for (size_t i = 0; i < cut->info.workload.n_disks; i++) {
		AUTO(blocks_closep) struct blocks *blocks = libvirt_cut_connect(cut, i, errp);
		if (!blocks)
			return false;
		cut->info.workload.disks[i].size = blocks_size(blocks);
	}
	return true;
}

static uint64_t all_disks(const struct libvirt_cut *cut)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < cut->info.workload.n_disks; i++)
		bytes += cut->info.workload.disks[i].size;
	return bytes;
}

static bool prepare(struct libvirt_cut *cut, const struct cut_request *request, struct err **errp)
{
	return place_take(cut->info.workload.id, &cut->place, errp) && backup_job_end_left_over(cut->domain, errp) &&
	       libvirt_cut_remove_others(cut, cut->parent, errp) &&
	       place_make(&cut->place, cut->info.workload.name, request->spill_dir, &cut->xml, errp) &&
	       libvirt_cut_plan(cut, errp);
}

static bool cut_running(struct libvirt_cut *cut, const struct cut_request *request, struct err **errp)
{
	uint64_t limit;
	return prepare(cut, request, errp) &&
	       spill_limit(&cut->place, request->spill_limit, all_disks(cut), &limit, errp) &&
	       cut_now(cut, request, errp) &&
	       spill_watch(&cut->spill, cut->domain, &cut->place, &cut->guard, cut->info.workload.name, limit, errp) &&
	       take_sizes(cut, errp);
}

/* Its files lie still. The parent's bitmap marks at least what changed since, so it stays the valid one. */
static bool cut_shut_off(struct libvirt_cut *cut, const struct cut_request *request, struct err **errp)
{
	enum image_format formats[ENGINE_DISKS_MAX];
	for (size_t i = 0; i < cut->xml.n_disks; i++)
		formats[i] = cut->xml.disks[i].qcow2 ? IMAGE_QCOW2 : IMAGE_RAW;
	struct workload workload = cut->info.workload;
	cut->info.workload = (struct workload){0};
	cut->files = files_cut_new(&workload,
				   &(struct files_cut_options){.formats = formats,
							       .force_share = true,
							       .tracking = request->tracking,
							       .cancel = request->cancel},
				   errp);
	return cut->files != NULL;
}

/* Its files do not lie still: another host's QEMU writes to them. */
static bool refuse_migrated(const struct libvirt_cut *cut, struct err **errp)
{
	int reason;
	if (domain_state(cut->domain, &reason) != VIR_DOMAIN_SHUTOFF || reason != VIR_DOMAIN_SHUTOFF_MIGRATED)
		return true;
	return err_set(errp, ERR_FAILED, "it was migrated away: back it up on the host where it runs");
}

static bool open_cut(struct libvirt_cut *cut, const struct cut_request *request, struct err **errp)
{
	if (!domain_describe(cut->domain, &cut->info.workload, &cut->xml, errp))
		return false;
	int active = virDomainIsActive(cut->domain);
	if (active < 0)
		return err_from_virt(errp, "ask whether it runs");
	if (!active)
		return refuse_migrated(cut, errp) && cut_shut_off(cut, request, errp);
	if (cut_running(cut, request, errp))
		return true;
	if (err_code(*errp) == ERR_CANCELLED || !domain_is_off(cut->domain))
		return false;
	err_clear(errp);
	return err_set(errp, ERR_BUSY, "it was switched off while the backup began; run it again");
}

bool libvirt_cut_new(struct engine *engine, const struct workload *workload, const struct cut_request *request,
		     struct cut **ret, struct err **errp)
{
	struct libvirt_engine *libvirt = (struct libvirt_engine *)engine;
	struct libvirt_cut *cut = calloc(1, sizeof(*cut));
	if (!cut)
		return err_set_no_memory(errp);
	cut->ops = &libvirt_engine_ops;
	cut->place.lock = cut->guard.socket = -1;
	cut->cancel = request->cancel;
	snprintf(cut->owner, sizeof(cut->owner), "%s", request->owner ? request->owner : "");
	snprintf(cut->parent, sizeof(cut->parent), "%s", request->tracking ? request->tracking : "");
	cut->domain = virDomainLookupByUUID(libvirt->connection, workload->id);
	bool ok = cut->domain || err_from_virt(errp, "look it up");
	if (ok && open_cut(cut, request, errp)) {
		*ret = (struct cut *)cut;
		return true;
	}
	libvirt_cut_drop((struct cut *)cut);
	return false;
}
