/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine wants to know from the documents that libvirt gives. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "hypervisor/engine.h"

struct err;

struct domain_disk {
	char name[ENGINE_NAME_MAX + 1];
	char *source;
	bool block;   /* a block device; else a file */
	bool qcow2;   /* else raw */
	char **below; /* the images that this one builds on, as far as they are files or devices; only while it runs */
	size_t n_below;
};

struct domain_xml {
	struct domain_disk *disks;
	size_t n_disks;
	char **left_out;	 /* a sentence each */
	char **left_out_targets; /* their names, as many */
	size_t n_left_out;
	char *nvram;	      /* path of the firmware variables, or NULL */
	bool agent_channel;   /* a guest agent may be asked */
	bool agent_connected; /* it answers, as far as libvirt knows; only while the machine runs */
	uint64_t memory;      /* bytes; 0 where it is not said in libvirt's own unit */
	unsigned vcpus;	      /* 0: not said */
	char *qemu_user;      /* "+64055:+64055", whom QEMU runs as; NULL where libvirt does not say */
};

/* A domain's XML. ERR_CORRUPT when it is none, ERR_UNSUPPORTED with more disks than an engine can have. */
NODISCARD bool domain_xml_parse(const char *xml, struct domain_xml *ret, struct err **errp);
void domain_xml_release(struct domain_xml *domain);

/* Whom QEMU runs as; false where that is not known. */
bool domain_xml_qemu_user(const struct domain_xml *domain, uid_t *ret_uid, gid_t *ret_gid);

/* The socket that a running backup job serves its disks on; *ret is NULL where it serves on none. */
NODISCARD bool backup_xml_socket(const char *xml, char **ret, struct err **errp);
