/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading from an NBD server on this host (https://github.com/NetworkBlockDevice/nbd, doc/proto.md): newstyle
 * handshake with NBD_OPT_GO, one read at a time with a simple reply. That is all that a machine needs of NBD,
 * in few enough system calls to be made in jail; what the server says is believed no further than it is
 * checked.
 *
 *	new ──► away ◄──► connected ──► free
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/compiler.h"

struct err;
struct nbd_client;

#define NBD_TEXT_MAX 1024

/* What the server says of the export. */
struct nbd_facts {
	uint64_t size;
	char description[NBD_TEXT_MAX + 1]; /* "" where it gives none */
};

/* Connects to nothing yet. Both are copied; ERR_USAGE where one is too long. */
NODISCARD struct nbd_client *nbd_client_new(const char *socket_path, const char *export_name, struct err **errp);
void nbd_client_free(struct nbd_client *client);
DEFINE_AUTO_FREE(struct nbd_client, nbd_client_free);

/* ERR_GONE where nobody serves there, or not such an export. Blocks for the server's answers, as the next one does. */
NODISCARD bool nbd_client_connect(struct nbd_client *client, struct nbd_facts *ret, struct err **errp);
/* The same over a connected socket, which it takes over. */
NODISCARD bool nbd_client_adopt(struct nbd_client *client, int fd, struct nbd_facts *ret, struct err **errp);
void nbd_client_disconnect(struct nbd_client *client);
bool nbd_client_is_connected(const struct nbd_client *client);
/* Fills all of `to`, from a range that lies in the export. ERR_GONE: the connection is lost (and is_connected() tells),
 * or the server cannot read now; other codes are of the data. */
NODISCARD bool nbd_client_read(struct nbd_client *client, uint64_t offset, const struct iovec *to, int n,
			       struct err **errp);
/* Its descriptor; -1 while away. */
int nbd_client_fd(const struct nbd_client *client);
