/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine is: one small file, read once. The format is in docs/vm.md, and etc/vm.conf is a sample. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct err;

#define MACHINE_DISKS_MAX 16
#define MACHINE_NETWORKS_MAX 8
#define MACHINE_VCPUS_MAX 16

struct machine_disk_config {
	char *name;	  /* "vda"; unique */
	char *path;	  /* raw image or block device; or, over an NBD socket, the overlay */
	char *nbd_socket; /* NULL: path is the disk itself */
	char *nbd_export;
	bool read_only;
};

enum machine_network_kind { NETWORK_TAP, NETWORK_PASST };

struct machine_network_config {
	enum machine_network_kind kind;
	char *place; /* the TAP interface's name, or the path of passt's socket */
	uint8_t mac[6];
};

struct machine_config {
	char *name;
	uint64_t memory; /* bytes, a multiple of 1 MiB, at least 16 MiB */
	unsigned vcpus;
	char *firmware;		     /* a SeaBIOS image; NULL: Debian's, unless there is a kernel */
	char *kernel;		     /* NULL: the firmware boots the first disk */
	char *initrd, *command_line; /* each may be NULL */
	struct machine_disk_config disks[MACHINE_DISKS_MAX];
	size_t n_disks;
	struct machine_network_config networks[MACHINE_NETWORKS_MAX];
	size_t n_networks;
};

/* "web01": 1 to 64 letters, digits, '-', '_' and '.', the first a letter or digit. */
bool machine_config_is_name(const char *name);
/* "512M", "2G": bytes as memory takes them. */
bool machine_config_parse_memory(const char *text, uint64_t *ret);

/* Errors name file and line. Whether what it names is there is not looked at. */
NODISCARD struct machine_config *machine_config_read(const char *path, struct err **errp);
void machine_config_free(struct machine_config *config);
DEFINE_AUTO_FREE(struct machine_config, machine_config_free);
