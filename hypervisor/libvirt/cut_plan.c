/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of libvirt for each disk: only what its bitmap marks, or everything, and why. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/libvirt/checkpoint.h"
#include "hypervisor/libvirt/cut_internal.h"
#include "hypervisor/libvirt/image_identity.h"

enum { QCOW2_VERSION_AT = 4, QCOW2_BITMAPS_SINCE = 3 };

/* qcow2 of the old version keeps no bitmaps. What cannot be looked at is left to QEMU to judge. */
static bool holds_bitmaps(const struct domain_disk *disk)
{
	uint8_t head[8];
	FILE *stream = disk->qcow2 ? fopen(disk->source, "re") : NULL;
	if (!stream)
		return disk->qcow2;
	size_t n = fread(head, 1, sizeof(head), stream);
	fclose(stream);
	return n < sizeof(head) ||
	       bytes_load_le32(head + QCOW2_VERSION_AT) != __builtin_bswap32(QCOW2_BITMAPS_SINCE - 1);
}

/* A checkpoint without the disk is older than the disk is in the machine, or in a format that keeps bitmaps. */
static const char *reason_to_read_all(const struct libvirt_cut *cut, const struct plan_disk *disk,
				      const char *parent_xml)
{
	uint64_t size, identity;
	if (!disk->tracked || !cut->parent[0])
		return FALLBACK_UNTRACKED;
	if (!parent_xml)
		return FALLBACK_BITMAP_MISSING;
	if (!checkpoint_xml_disk(parent_xml, disk->name, &size, &identity))
		return FALLBACK_UNTRACKED;
	if (identity != disk->identity)
		return FALLBACK_IMAGE_REPLACED;
	return size != disk->size ? FALLBACK_SIZE_CHANGED : NULL;
}

static bool plan_disk(struct libvirt_cut *cut, size_t i, const char *parent_xml, struct err **errp)
{
	const struct domain_disk *from = &cut->xml.disks[i];
	struct plan_disk *disk = &cut->plan.disks[i];
	*disk = (struct plan_disk){.name = from->name, .source = from->source, .qcow2 = from->qcow2};
	disk->scratch = file_format("%s/%s.qcow2", cut->place.spill, from->name);
	if (!disk->scratch)
		return err_set_no_memory(errp);
	cut->plan.n_disks = i + 1;
	disk->tracked = holds_bitmaps(from);
	disk->size = cut->info.workload.disks[i].size;
	disk->identity = image_identity(from);
	disk->fallback = reason_to_read_all(cut, disk, parent_xml);
	return true;
}

bool libvirt_cut_plan(struct libvirt_cut *cut, struct err **errp)
{
	AUTO(freep) char *parent_xml = cut->parent[0] ? checkpoint_xml(cut->domain, cut->parent) : NULL;
	bool any_tracked = false;
	for (size_t i = 0; i < cut->xml.n_disks; i++) {
		if (!plan_disk(cut, i, parent_xml, errp))
			return false;
		any_tracked = any_tracked || cut->plan.disks[i].tracked;
	}
	cut->plan.left_out = cut->xml.left_out_targets;
	cut->plan.n_left_out = cut->xml.n_left_out;
	cut->plan.socket = cut->place.socket;
	cut->plan.parent = cut->parent;
	return !any_tracked || checkpoint_new_name(cut->owner, cut->plan.checkpoint, errp);
}

/* libvirt and the images agree, unless an image came from elsewhere, or its bitmap was not as libvirt thought. */
static bool bitmaps_astray(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_disks; i++) {
		const char *reason = plan->disks[i].fallback;
		if (reason &&
		    (strcmp(reason, FALLBACK_BITMAP_MISSING) == 0 || strcmp(reason, FALLBACK_IMAGE_REPLACED) == 0 ||
		     strcmp(reason, FALLBACK_BITMAP_INCONSISTENT) == 0))
			return true;
	}
	return false;
}

bool libvirt_cut_remove_others(struct libvirt_cut *cut, const char *keep, struct err **errp)
{
	struct checkpoint_scope scope = {.owner = cut->owner, .keep = keep, .sweep = bitmaps_astray(&cut->plan)};
	return checkpoint_remove_others(cut->domain, &scope, errp);
}
