/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/backup_job.h"

#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "hypervisor/libvirt/checkpoint.h"
#include "hypervisor/libvirt/domain_xml.h"
#include "hypervisor/libvirt/error.h"
#include "hypervisor/libvirt/place.h"

#define END_PATIENCE_NS UINT64_C(60000000000)

static bool begin(virDomainPtr domain, const struct plan *plan, struct err **errp)
{
	AUTO(freep) char *job = backup_xml_job(plan);
	AUTO(freep) char *checkpoint = plan->checkpoint[0] ? backup_xml_checkpoint(plan) : NULL;
	if (!job || (plan->checkpoint[0] && !checkpoint))
		return err_set_no_memory(errp);
	return virDomainBackupBegin(domain, job, checkpoint, 0) == 0 || err_from_virt(errp, "begin the backup job");
}

static bool names_disk(const char *text, const char *disk)
{
	char quoted[ENGINE_NAME_MAX + 3];
	snprintf(quoted, sizeof(quoted), "'%s'", disk);
	return strstr(text, quoted) != NULL;
}

/* libvirt names the first disk whose bitmap it cannot use; where it names none, all are taken for such. */
static bool give_up_bitmaps(virDomainPtr domain, struct plan *plan, const char *said)
{
	struct plan_disk *culprit = NULL;
	size_t given_up = 0;
	for (size_t i = 0; i < plan->n_disks; i++) {
		if (!plan->disks[i].fallback && names_disk(said, plan->disks[i].name))
			culprit = &plan->disks[i];
	}
	for (size_t i = 0; i < plan->n_disks; i++) {
		struct plan_disk *disk = &plan->disks[i];
		if (disk->fallback || (culprit && disk != culprit))
			continue;
		disk->fallback = checkpoint_fault(domain, plan->parent, disk->source);
		given_up++;
	}
	return given_up > 0;
}

static bool give_up_checkpoint(struct plan *plan)
{
	if (!plan->checkpoint[0])
		return false;
	plan->checkpoint[0] = '\0';
	for (size_t i = 0; i < plan->n_disks; i++) {
		plan->disks[i].tracked = false;
		plan->disks[i].fallback = FALLBACK_UNTRACKED;
	}
	return true;
}

/* Whether another attempt, with less, makes sense. */
static bool give_up_something(virDomainPtr domain, struct plan *plan, int code, const char *said)
{
	switch (code) {
	case VIR_ERR_CHECKPOINT_INCONSISTENT:
	case VIR_ERR_NO_DOMAIN_CHECKPOINT:
	case VIR_ERR_INVALID_ARG:
		return give_up_bitmaps(domain, plan, said);
	case VIR_ERR_CONFIG_UNSUPPORTED:
	case VIR_ERR_OPERATION_UNSUPPORTED:
		return give_up_checkpoint(plan);
	default:
		return false;
	}
}

bool backup_job_begin(virDomainPtr domain, struct plan *plan, struct err **errp)
{
	for (;;) {
		struct err *err = NULL;
		if (begin(domain, plan, &err))
			return true;
		if (!give_up_something(domain, plan, virGetLastErrorCode(), err_message(err)))
			return err_move(errp, &err);
		err_clear(&err);
	}
}

/* The job's description; NULL in *ret where there is none. Not being told is a failure: the job may well be there. */
static bool describe_job(virDomainPtr domain, char **ret, struct err **errp)
{
	*ret = virDomainBackupGetXMLDesc(domain, 0);
	int code = *ret ? VIR_ERR_OK : virGetLastErrorCode();
	return *ret || code == VIR_ERR_NO_DOMAIN_BACKUP || code == VIR_ERR_NO_DOMAIN ||
	       err_from_virt(errp, "ask for the backup job");
}

static bool ask_running(virDomainPtr domain, bool *ret, struct err **errp)
{
	AUTO(freep) char *xml = NULL;
	bool told = describe_job(domain, &xml, errp);
	*ret = xml;
	return told;
}

static bool wait_for_end(virDomainPtr domain, struct err **errp)
{
	static const struct timespec pause = {.tv_nsec = 20000000};
	uint64_t give_up = clock_monotonic_ns() + END_PATIENCE_NS;
	for (bool running = true;; nanosleep(&pause, NULL)) {
		if (!ask_running(domain, &running, errp))
			return false;
		if (!running)
			return true;
		if (clock_monotonic_ns() > give_up)
			return err_set(errp, ERR_BUSY, "the backup job does not end");
	}
}

bool backup_job_end(virDomainPtr domain, struct err **errp)
{
	bool running;
	if (!ask_running(domain, &running, errp))
		return false;
	if (!running)
		return true;
	if (virDomainAbortJob(domain) == 0)
		return wait_for_end(domain, errp);
	AUTO(err_freep) struct err *not_told = NULL;
	AUTO(err_freep) struct err *not_ended = NULL;
	err_from_virt(&not_ended, "end the backup job");
	return (ask_running(domain, &running, &not_told) && !running) || err_move(errp, &not_ended);
}

static const char *job_name(int operation)
{
	switch (operation) {
	case VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN:
	case VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT:
		return "it is being migrated";
	case VIR_DOMAIN_JOB_OPERATION_SAVE:
		return "its memory is being saved";
	case VIR_DOMAIN_JOB_OPERATION_SNAPSHOT:
	case VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT:
		return "a snapshot of it is being made or gone back to";
	case VIR_DOMAIN_JOB_OPERATION_DUMP:
		return "its memory is being dumped";
	default:
		return "libvirt is busy with it";
	}
}

/* libvirt would make us wait for it, perhaps while the guest is frozen. */
static bool refuse_other_jobs(virDomainPtr domain, struct err **errp)
{
	int type, n = 0, operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
	virTypedParameterPtr stats = NULL;
	if (virDomainGetJobStats(domain, &type, &stats, &n, 0) < 0)
		return err_from_virt(errp, "ask for its jobs");
	virTypedParamsGetInt(stats, n, VIR_DOMAIN_JOB_OPERATION, &operation);
	virTypedParamsFree(stats, n);
	return type == VIR_DOMAIN_JOB_NONE ||
	       err_set(errp, ERR_BUSY, "%s: run the backup again when that is done", job_name(operation));
}

/* *ret_running: there is a backup job, whosesoever. */
static bool look_for_job(virDomainPtr domain, bool *ret_running, bool *ret_ours, struct err **errp)
{
	AUTO(freep) char *xml = NULL;
	AUTO(freep) char *socket = NULL;
	if (!describe_job(domain, &xml, errp) || (xml && !backup_xml_socket(xml, &socket, errp)))
		return false;
	*ret_running = xml;
	*ret_ours = socket && place_is_ours(socket);
	return true;
}

bool backup_job_end_ours(virDomainPtr domain, struct err **errp)
{
	bool running, ours;
	return look_for_job(domain, &running, &ours, errp) && (!ours || backup_job_end(domain, errp));
}

bool backup_job_end_left_over(virDomainPtr domain, struct err **errp)
{
	bool running, ours;
	if (!look_for_job(domain, &running, &ours, errp))
		return false;
	if (!running)
		return refuse_other_jobs(domain, errp);
	if (!ours)
		return err_set(
			errp, ERR_BUSY,
			"another program's backup job is running: wait for it, or end it with 'virsh domjobabort'");
	return backup_job_end(domain, errp);
}
