/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/report.h"
#include "cli/vm.h"
#include "cli/words.h"
#include "hypervisor/thin/machine_config.h"

enum { SECTOR = 512 };

/* A plan, and what it points to. */
struct draft {
	struct thin_machine_plan plan;
	struct thin_machine_disk disks[MACHINE_DISKS_MAX];
	char *names[MACHINE_DISKS_MAX], *paths[MACHINE_DISKS_MAX];
	struct stat images[MACHINE_DISKS_MAX];
	char *passts[MACHINE_NETWORKS_MAX];
	char *memory, *point_text, *repository;
	char point_id[POINT_ID_TEXT_SIZE];
};

static void draft_release(struct draft *draft)
{
	for (size_t i = 0; i < MACHINE_DISKS_MAX; i++) {
		free(draft->names[i]);
		free(draft->paths[i]);
	}
	for (size_t i = 0; i < MACHINE_NETWORKS_MAX; i++)
		free(draft->passts[i]);
	free(draft->memory);
	free(draft->point_text);
	free(draft->repository);
}

/* ---- disks that are images ---- */

static bool check_size(const char *path, off_t size, struct err **errp)
{
	if (size % SECTOR == 0)
		return true;
	return err_set(errp, ERR_USAGE,
		       "disk %s has %jd bytes, and the last sector of %d is not whole: 'truncate -s %%%d %s' fills it "
		       "with zeros",
		       path, (intmax_t)size, SECTOR, SECTOR, path);
}

static bool check_image(const char *path, struct stat *ret, struct err **errp)
{
	static const char qcow2[] = {'Q', 'F', 'I', (char)0xfb};
	char head[SECTOR];
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, ret) != 0)
		return err_set(errp, ERR_USAGE, "disk %s: %s", path, strerror(errno));
	if (!S_ISREG(ret->st_mode) && !S_ISBLK(ret->st_mode))
		return err_set(errp, ERR_USAGE, "disk %s is neither an image nor a block device", path);
	if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return err_set(errp, ERR_USAGE, "disk %s is too short: not even a sector of %d bytes", path, SECTOR);
	if (memcmp(head, qcow2, sizeof(qcow2)) == 0)
		return err_set(
			errp, ERR_USAGE,
			"disk %s is a qcow2 image, and a machine takes raw ones: 'qemu-img convert -O raw' makes one",
			path);
	return S_ISBLK(ret->st_mode) || check_size(path, ret->st_size, errp);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
		return a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* From those before it. */
static bool check_differs(const struct draft *draft, size_t i, struct err **errp)
{
	for (size_t j = 0; j < i; j++) {
		if (strcmp(draft->names[i], draft->names[j]) == 0)
			return err_set(errp, ERR_USAGE, "two disks are named '%s'", draft->names[i]);
		if (is_same(&draft->images[i], &draft->images[j]))
			return err_set(errp, ERR_USAGE,
				       "disks '%s' and '%s' are one image: %s; each needs its own, as 'cp' makes it",
				       draft->names[j], draft->names[i], draft->paths[i]);
	}
	return true;
}

/* "vda" and so on, or what was said. */
static bool add_image(struct draft *draft, const char *text, struct err **errp)
{
	size_t i = draft->plan.n_disks;
	const char *path;
	if (i == MACHINE_DISKS_MAX)
		return err_set(errp, ERR_USAGE, "a machine has at most %d disks", MACHINE_DISKS_MAX);
	if (!words_split_disk(text, &draft->names[i], &path, errp) || !check_image(path, &draft->images[i], errp))
		return false;
	if (!draft->names[i])
		draft->names[i] = file_format("vd%c", (char)('a' + i));
	draft->paths[i] = realpath(path, NULL);
	if (!draft->names[i] || !draft->paths[i])
		return err_set_errno(errp, errno, "disk %s", path);
	draft->disks[i] = (struct thin_machine_disk){.name = draft->names[i], .path = draft->paths[i]};
	draft->plan.n_disks++;
	return check_differs(draft, i, errp);
}

static bool add_images(struct draft *draft, const struct text_list *disks, struct err **errp)
{
	for (size_t i = 0; i < disks->n; i++)
		if (!add_image(draft, disks->items[i], errp))
			return false;
	return true;
}

/* ---- disks of a point ---- */

static bool add_stream(struct draft *draft, const struct stream *stream, struct err **errp)
{
	size_t i = draft->plan.n_disks;
	if (i == MACHINE_DISKS_MAX)
		return err_set(errp, ERR_UNSUPPORTED, "the point has more than %d disks, which a machine cannot have",
			       MACHINE_DISKS_MAX);
	draft->names[i] = strdup(stream->name);
	if (!draft->names[i])
		return err_set_no_memory(errp);
	draft->disks[i] = (struct thin_machine_disk){.name = draft->names[i]};
	draft->plan.n_disks++;
	return true;
}

/* What the definition says that this host cannot do is not taken over. */
static bool take_shape(struct draft *draft, const struct options *options, const struct vm_point_shape *shape,
		       struct err **errp)
{
	const uint64_t mib = UINT64_C(1) << 20;
	uint64_t bytes;
	if (!draft->plan.vcpus)
		draft->plan.vcpus = shape->vcpus < MACHINE_VCPUS_MAX ? shape->vcpus : MACHINE_VCPUS_MAX;
	if (!options->vcpus && draft->plan.vcpus < shape->vcpus)
		log_info("vcpus: %u, where the point's machine had %u", draft->plan.vcpus, shape->vcpus);
	if (draft->plan.memory || !shape->memory)
		return true;
	draft->memory = file_format("%" PRIu64 "M", (shape->memory + mib - 1) / mib);
	if (!draft->memory)
		return err_set_no_memory(errp);
	if (machine_config_parse_memory(draft->memory, &bytes))
		draft->plan.memory = draft->memory;
	return true;
}

static bool take_point(struct context *context, struct draft *draft, struct err **errp)
{
	AUTO(point_release) struct point point = {0};
	struct vm_point_shape shape;
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_READ, errp);
	if (!repository || !point_find(repository, context->options.from, &point, errp))
		return false;
	report_other_writer(repository, &point);
	report_missed(context, &point);
	if (!vm_point_look(repository, &point, &shape, errp) || !take_shape(draft, &context->options, &shape, errp))
		return false;
	for (size_t i = 0; i < point.n_streams; i++)
		if (point.streams[i].kind == STREAM_DISK && !add_stream(draft, &point.streams[i], errp))
			return false;
	draft->point_text = point_name_text(&point);
	draft->plan.point = point_id_text(point.id, draft->point_id);
	draft->plan.point_text = draft->point_text;
	draft->repository = strdup(repository_url(repository));
	draft->plan.repository = draft->repository;
	return (draft->point_text && draft->repository) || err_set_no_memory(errp);
}

/* ---- all ---- */

/* Whoever starts the machine does so from elsewhere. */
static bool take_passts(struct draft *draft, const struct text_list *passts, struct err **errp)
{
	if (passts->n > MACHINE_NETWORKS_MAX)
		return err_set(errp, ERR_USAGE, "a machine has at most %d networks", MACHINE_NETWORKS_MAX);
	for (size_t i = 0; i < passts->n; i++) {
		draft->passts[i] = file_absolute(passts->items[i]);
		if (!draft->passts[i])
			return err_set_errno(errp, errno, "--passt %s", passts->items[i]);
	}
	draft->plan.passts = (const char *const *)draft->passts;
	draft->plan.n_passts = passts->n;
	return true;
}

static bool take_options(struct draft *draft, const struct options *options, struct err **errp)
{
	uint64_t bytes;
	draft->plan = (struct thin_machine_plan){.name = options->operands.items[1],
						 .memory = options->memory,
						 .disks = draft->disks,
						 .taps = options->taps.items,
						 .n_taps = options->taps.n};
	if (!options->from == (options->disks.n == 0))
		return err_set(errp, ERR_USAGE, "with which disks? Say either --disk PATH or --from POINT");
	if (options->memory && !machine_config_parse_memory(options->memory, &bytes))
		return err_set(errp, ERR_USAGE, "--memory '%s' is not a size of whole MiB, from 16M to 1T",
			       options->memory);
	if (options->vcpus &&
	    !words_parse_number("vcpus", options->vcpus, 1, MACHINE_VCPUS_MAX, &draft->plan.vcpus, errp))
		return false;
	return take_passts(draft, &options->passts, errp);
}

bool vm_create(struct context *context, const struct thin_machine *machine, struct err **errp)
{
	const struct options *options = &context->options;
	AUTO(draft_release) struct draft draft = {0};
	(void)machine;
	if (!take_options(&draft, options, errp))
		return false;
	if (options->from ? !take_point(context, &draft, errp) : !add_images(&draft, &options->disks, errp))
		return false;
	return thin_machine_create(context->state_dir, &draft.plan, errp) &&
	       vm_report(context, draft.plan.name, "stopped", 0, "is made; 'salvor vm start' runs it", errp);
}
