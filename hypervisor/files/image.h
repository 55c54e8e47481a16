/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One disk image that nobody should be writing to: a raw file, a block device, or a qcow2 file. image_check() tells
 * whether it stayed what it was when it was opened. A device in use may be written to all the while, and is said to be
 * so.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/compiler.h"
#include "hypervisor/engine.h"

struct blocks;
struct image_server;

enum image_format {
	IMAGE_BY_NAME, /* qcow2 where the name ends so, else raw; a raw name on qcow2 bytes is refused */
	IMAGE_RAW,
	IMAGE_QCOW2,
};

struct image {
	char *path;
	int fd;
	uint64_t size; /* of the guest's view */
	bool device;
	bool device_in_use;	     /* mounted, or part of something that is */
	struct stat opened;	     /* as of image_open() */
	uint64_t device_writes;	     /* as of then, see device.h */
	struct image_server *server; /* qcow2 only */
	const struct cancel *cancel; /* borrowed */
};

struct image_options {
	const char *path;
	enum image_format format;
	bool force_share; /* see image_server.h */
	const struct cancel *cancel;
};

NODISCARD bool image_open(const struct image_options *options, struct image *ret, struct err **errp);
/* Also for one that is all zero but for fd = -1. */
void image_release(struct image *image);
NODISCARD bool image_map(const struct image *image, extent_function *each, void *arg, struct err **errp);
/* ERR_BUSY when it was written to, grew, shrank or was replaced. */
NODISCARD bool image_check(const struct image *image, struct err **errp);
/* Says that it did not stay what it was: "grew". Returns false. */
bool image_changed(const struct image *image, const char *how, struct err **errp);
/* One thread a reader. `blocks` is NULL for raw images, else a connection by image_connect(). */
NODISCARD bool image_read(const struct image *image, struct blocks *blocks, const struct read_request *requests,
			  size_t n, struct err **errp);
NODISCARD struct blocks *image_connect(const struct image *image, struct err **errp);
