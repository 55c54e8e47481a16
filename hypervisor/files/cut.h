/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cut of images that nobody is writing to. Nothing is held still: that they stayed what they were is found out at the
 * end, by check(). The engine of bare files makes it, and the engine of libvirt for guests that are shut off.
 */
#pragma once

#include "hypervisor/engine.h"
#include "hypervisor/files/image.h"

struct files_cut_options {
	const enum image_format *formats; /* by disk; NULL: all by name */
	bool force_share;		  /* see image_server.h */
	const char *tracking; /* a change map that stays valid, since nothing can be added to it now; NULL: none */
	bool remember;	      /* there is no change map at all: see remembered.h, whose text tracking is then */
	const struct cancel *cancel;
};

/* Takes over what *workload holds, also on failure. Sizes are filled in. */
NODISCARD struct cut *files_cut_new(struct workload *workload, const struct files_cut_options *options,
				    struct err **errp);

const struct cut_info *files_cut_info(const struct cut *cut);
bool files_cut_map(struct cut *cut, size_t disk, extent_function *each, void *arg, struct err **errp);
struct cut_reader *files_reader_new(struct cut *cut, size_t disk, struct err **errp);
bool files_reader_read(struct cut_reader *reader, struct read_request *requests, size_t n, struct err **errp);
void files_reader_free(struct cut_reader *reader);
bool files_cut_check(struct cut *cut, struct err **errp);
bool files_cut_keep(struct cut *cut, struct err **errp);
void files_cut_drop(struct cut *cut);

/* The engine of bare files. */
extern const struct engine_ops files_engine_ops;
