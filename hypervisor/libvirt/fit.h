/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a machine's definition fit for a throw-away run on this host. The definition comes out of a repository and is
 * foreign: nothing of it is handed on unless it is known here to be harmless. So the fitted definition is a new
 * document into which known parts are copied one by one; what is left out or changed is named in notes. No path of the
 * old definition is ever opened: disks, firmware, console and emulator are all ours.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "hypervisor/runner.h"

struct err;

#define FIT_DEFINITION_MAX (1u << 20)

/* What this host offers. Machines are names that its QEMU knows, aliases included. */
struct fit_host {
	bool kvm;
	char *emulator;
	char **machines;
	size_t n_machines;
	unsigned processors;
	uint64_t memory; /* bytes that a guest may take */
};

struct fit_disk {
	const char *name, *overlay, *nbd_socket;
};

struct fit_request {
	struct span definition; /* empty: a plain machine */
	const char *name;	/* of the running machine, unused on this host */
	const struct fit_disk *disks;
	size_t n_disks;
	uint64_t memory, memory_max; /* as in run_request */
	bool network;
	const char *firmware_code, *firmware_variables; /* paths; NULL: the machine starts by BIOS */
	bool firmware_secure;
	const char *console_socket;  /* QEMU connects to it; NULL: no relay */
	const char *agent_socket;    /* QEMU makes it; NULL: none */
	const char *firmware_socket; /* QEMU connects to it for the firmware's log; NULL: none is kept */
	bool watched;		     /* a panic is told, and the machine stays as it is after one */
	runner_note_function *note;
	void *note_arg;
};

/* What the definition wants to start with. */
struct fit_firmware {
	bool uefi, secure;
};

/* Both: ERR_CORRUPT when it is no definition of a machine, ERR_UNSUPPORTED when it is one for another processor. */
NODISCARD bool fit_firmware(struct span definition, struct fit_firmware *ret, struct err **errp);
/* The fitted definition as a new string. */
NODISCARD char *fit_definition(const struct fit_request *request, const struct fit_host *host, struct err **errp);
