/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a restored disk goes: a raw file, a block device, or a qcow2 file. Files are made under a temporary name beside
 * the final one; until finish() returned true, nothing stands under the final name that was not there before.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct err;
struct image_sink;

struct image_sink_ops {
	/* By several threads at once, for different places. */
	bool (*write)(struct image_sink *sink, const void *data, size_t len, uint64_t offset, struct err **errp);
	/* NULL where a new image reads as zeros anyhow. */
	bool (*zero)(struct image_sink *sink, uint64_t offset, uint64_t len, struct err **errp);
	/* Durable, and under its final name. */
	bool (*finish)(struct image_sink *sink, struct err **errp);
	/* Frees; removes what was not finished. */
	void (*free)(struct image_sink *sink);
};

struct image_sink {
	const struct image_sink_ops *ops;
	char *path; /* final name, for messages */
};

struct image_request {
	const char *path;
	uint64_t size;
	bool force;
};

/* ERR_EXISTS without force; what a file needs in room was checked before. */
NODISCARD struct image_sink *image_sink_raw(const struct image_request *request, struct err **errp);
/* Opens the device for itself alone; ERR_BUSY when it is mounted or otherwise in use. */
NODISCARD struct image_sink *image_sink_device(const struct image_request *request, struct err **errp);
/* ERR_UNSUPPORTED when qemu-img or qemu-nbd is missing. */
NODISCARD struct image_sink *image_sink_qcow2(const struct image_request *request, struct err **errp);
void image_sink_free(struct image_sink *sink);
DEFINE_AUTO_FREE(struct image_sink, image_sink_free);
