/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "hypervisor/files/cut.h"
#include "hypervisor/libvirt/backup_job.h"
#include "hypervisor/libvirt/connect.h"
#include "hypervisor/libvirt/cut_internal.h"
#include "hypervisor/libvirt/domain.h"

static void cut_free(struct libvirt_cut *cut)
{
	spill_stop(&cut->spill);
	freeze_release(&cut->freeze);
	guard_end(&cut->guard);
	place_release(&cut->place);
	plan_release(&cut->plan);
	domain_xml_release(&cut->xml);
	workload_release(&cut->info.workload);
	libvirt_domain_free(cut->domain);
	free(cut->info.consistency_note);
	free(cut);
}

/* A guest that was switched off has no bitmaps to take out of its images now: the next cut of the running guest does
 * that. */
static bool remove_all_but(struct libvirt_cut *cut, const char *keep, struct err **errp)
{
	return domain_is_off(cut->domain) || libvirt_cut_remove_others(cut, keep, errp);
}

/* Where it cannot be ended, as after libvirt was restarted, the guard is left to do it. */
static bool end_job(struct libvirt_cut *cut, struct err **errp)
{
	if (!backup_job_end(cut->domain, errp))
		return false;
	/* The spill may have got full between the last look and the job's end. */
	if (guard_owes(&cut->guard, GUARD_RESUME))
		domain_resume_stuck(cut->domain);
	guard_paid(&cut->guard, GUARD_JOB | GUARD_RESUME);
	return true;
}

bool libvirt_cut_keep(struct cut *cut, struct err **errp)
{
	struct libvirt_cut *of = (struct libvirt_cut *)cut;
	bool ok = true;
	if (of->files)
		ok = files_cut_keep(of->files, errp);
	else if (!end_job(of, errp) || !remove_all_but(of, of->info.tracking, errp))
		ok = err_prefix(errp, "the point stands, but the next backup may have to read everything");
	cut_free(of);
	return ok;
}

/* What fails here is found and done by the next cut. */
void libvirt_cut_drop(struct cut *cut)
{
	struct libvirt_cut *of = (struct libvirt_cut *)cut;
	if (!of)
		return;
	struct err *err = NULL;
	if (of->files)
		files_cut_drop(of->files);
	else if (of->begun && (!end_job(of, &err) || !remove_all_but(of, of->parent, &err)))
		err_clear(&err);
	cut_free(of);
}
