/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A qemu-nbd of ours that shows the guest's view of one qcow2 image, read-only, on a UNIX socket. It ends with
 * image_server_free(), and with the thread that started it, however that ends.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

struct err;
struct image_server;

struct image_server_options {
	const char *path;
	bool device;	  /* the image lies on a block device */
	bool force_share; /* do not take QEMU's locks: whoever starts a guest on it must not be kept from that */
};

NODISCARD struct image_server *image_server_start(const struct image_server_options *options, struct err **errp);
/* NULL is fine. */
void image_server_free(struct image_server *server);
DEFINE_AUTO_FREE(struct image_server, image_server_free);

/* Borrowed. The export's name is "". */
const char *image_server_socket(const struct image_server *server);
/* Replaces an error of a connection by what the server itself complained about, if it did. Returns false. */
bool image_server_explain(const struct image_server *server, struct err **errp);
