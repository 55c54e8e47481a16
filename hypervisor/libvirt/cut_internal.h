/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <libvirt/libvirt.h>

#include "hypervisor/engine.h"
#include "hypervisor/libvirt/backup_xml.h"
#include "hypervisor/libvirt/domain_xml.h"
#include "hypervisor/libvirt/freeze.h"
#include "hypervisor/libvirt/guard.h"
#include "hypervisor/libvirt/place.h"
#include "hypervisor/libvirt/spill.h"

struct libvirt_engine {
	struct engine engine;
	virConnectPtr connection;
};

struct libvirt_cut {
	const struct engine_ops *ops;
	struct cut_info info;
	struct cut *files; /* of a guest that is shut off: it knows all, the rest is empty */
	virDomainPtr domain;
	const struct cancel *cancel;
	struct domain_xml xml;
	struct place place;
	struct plan plan;
	struct guard guard;
	struct freeze freeze;
	struct spill spill;
	char owner[CUT_OWNER_MAX + 1], parent[TRACKING_MAX + 1];
	bool begun; /* the job runs, and the new checkpoint is there */
};

struct libvirt_reader {
	const struct engine_ops *ops;
	struct libvirt_cut *cut;
	size_t disk;
	struct blocks *blocks;
	struct cut_reader *files; /* of a guest that is shut off */
};

extern const struct engine_ops libvirt_engine_ops;

bool libvirt_cut_new(struct engine *engine, const struct workload *workload, const struct cut_request *request,
		     struct cut **ret, struct err **errp);
const struct cut_info *libvirt_cut_info(const struct cut *cut);
bool libvirt_cut_map(struct cut *cut, size_t disk, extent_function *each, void *arg, struct err **errp);
struct cut_reader *libvirt_reader_new(struct cut *cut, size_t disk, struct err **errp);
bool libvirt_reader_read(struct cut_reader *reader, struct read_request *requests, size_t n, struct err **errp);
void libvirt_reader_free(struct cut_reader *reader);
bool libvirt_cut_check(struct cut *cut, struct err **errp);
bool libvirt_cut_keep(struct cut *cut, struct err **errp);
void libvirt_cut_drop(struct cut *cut);

/* Decides what is asked of each disk. Needs the place, and what the domain's XML says. */
bool libvirt_cut_plan(struct libvirt_cut *cut, struct err **errp);
/* Removes the owner's checkpoints and bitmaps but for one; no job may run. keep may be empty. */
bool libvirt_cut_remove_others(struct libvirt_cut *cut, const char *keep, struct err **errp);
/* A connection to one disk of the running job. */
struct blocks *libvirt_cut_connect(struct libvirt_cut *cut, size_t disk, struct err **errp);
/* Names workload and disk. Returns false. */
bool libvirt_cut_prefix(const struct libvirt_cut *cut, size_t disk, struct err **errp);
