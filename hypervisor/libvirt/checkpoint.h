/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our checkpoints of a domain, named "salvor-", the owner and "-" if there is one, and 16 hex digits. Each is a bitmap
 * in every tracked image, and every bitmap marks all that changed since its own checkpoint, whichever others come and
 * go: so removing one never harms another.
 */
#pragma once

#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "hypervisor/engine.h"

struct err;

struct checkpoint_scope {
	const char *owner; /* may be empty */
	const char *keep;  /* the name of the one that stays; may be empty */
	/* libvirt and the images are of different minds: bitmaps may be there of which libvirt knows nothing. */
	bool sweep;
};

/* A name that no checkpoint has. */
NODISCARD bool checkpoint_new_name(const char *owner, char ret[TRACKING_MAX + 1], struct err **errp);
/*
 * Removes the owner's, but for the one to keep. Where a bitmap is gone, only what libvirt knows goes; the bitmaps that
 * this leaves, or those to sweep, are then removed from the images without libvirt, as far as that works.
 */
NODISCARD bool checkpoint_remove_others(virDomainPtr domain, const struct checkpoint_scope *scope, struct err **errp);
/* The checkpoint's XML as a new string; NULL when there is none of that name. */
char *checkpoint_xml(virDomainPtr domain, const char *name);
/*
 * Why the bitmap of that name cannot be used for the image at path: FALLBACK_BITMAP_INCONSISTENT or
 * FALLBACK_BITMAP_MISSING. Asks QEMU itself, since libvirt says the same of both.
 */
const char *checkpoint_fault(virDomainPtr domain, const char *name, const char *path);
