// SPDX-License-Identifier: Apache-2.0
/*
 * Drives an engine by hand, for the end-to-end scenarios of tests/e2e:
 *
 *	engine_driver libvirt NAME TRACKING FOLDER END [SPILL_DIR SPILL_LIMIT FREEZE_SECONDS]
 *	engine_driver files NAME "" FOLDER END PATH...
 *
 * Cuts, and copies what changed since TRACKING ("" for everything) over FOLDER/DISK.raw. END is keep, drop, kill
 *(SIGKILL to itself), or wait (a line on standard input, then the disks are read). Prints a line for each thing that it
 * learns. In the environment, ENGINE_OWNER says whose change maps they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/engine.h"

enum { PIECE = 1 << 20, IN_FLIGHT = 8 };

struct copy {
	const struct engine_ops *ops;
	struct cut_reader *reader;
	int to;
	uint8_t *buffer;
	uint64_t changed;
};

static bool read_pieces(struct copy *copy, uint64_t offset, uint64_t length, struct err **errp)
{
	struct read_request requests[IN_FLIGHT];
	size_t n = 0;
	for (uint64_t done = 0; done < length; n++) {
		uint64_t piece = length - done < PIECE ? length - done : PIECE;
		requests[n] = (struct read_request){offset + done, (size_t)piece, copy->buffer + n * PIECE};
		done += piece;
	}
	if (!copy->ops->read(copy->reader, requests, n, errp))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!file_write_at(copy->to, requests[i].data, requests[i].length, requests[i].offset, "copy", errp))
			return false;
	}
	return true;
}

static bool copy_extent(void *arg, const struct extent *extent, struct err **errp)
{
	struct copy *copy = arg;
	if (!extent->changed)
		return true;
	copy->changed += extent->length;
	if (extent->zero)
		return fallocate(copy->to, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)extent->offset,
				 (off_t)extent->length) == 0 ||
		       err_set_errno(errp, errno, "punch");
	for (uint64_t done = 0; done < extent->length; done += (uint64_t)PIECE * IN_FLIGHT) {
		uint64_t left = extent->length - done;
		uint64_t length = left < (uint64_t)PIECE * IN_FLIGHT ? left : (uint64_t)PIECE * IN_FLIGHT;
		if (!read_pieces(copy, extent->offset + done, length, errp))
			return false;
	}
	return true;
}

static bool copy_disk(const struct engine_ops *ops, struct cut *cut, size_t disk, const char *folder, struct err **errp)
{
	const struct cut_info *info = ops->info(cut);
	const struct workload_disk *of = &info->workload.disks[disk];
	AUTO(freep) char *path = file_format("%s/%s.raw", folder, of->name);
	AUTO(freep) uint8_t *buffer = malloc((size_t)PIECE * IN_FLIGHT);
	AUTO(file_closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, (off_t)of->size) < 0)
		return err_set_errno(errp, errno, "%s", path);
	struct copy copy = {.ops = ops, .to = fd, .buffer = buffer, .reader = ops->reader_new(cut, disk, errp)};
	bool ok = copy.reader && ops->map(cut, disk, copy_extent, &copy, errp);
	ops->reader_free(copy.reader);
	printf("disk %s size %" PRIu64 " changed %" PRIu64 " fallback %s\n", of->name, of->size, copy.changed,
	       info->fallback_reason[disk] ? info->fallback_reason[disk] : "none");
	return ok;
}

static bool run(struct engine *engine, const char *name, const struct cut_request *request, const char *folder,
		const char *end, struct err **errp)
{
	const struct engine_ops *ops = engine->ops;
	struct workload workload;
	struct cut *cut = NULL;
	if (!ops->describe(engine, name, &workload, errp))
		return false;
	for (size_t i = 0; i < workload.n_left_out; i++)
		printf("left out %s\n", workload.left_out[i]);
	bool ok = ops->cut(engine, &workload, request, &cut, errp);
	workload_release(&workload);
	if (!ok)
		return false;
	const struct cut_info *info = ops->info(cut);
	printf("tracking %s\nconsistency %d %s\n", info->tracking, info->consistency,
	       info->consistency_note ? info->consistency_note : "");
	fflush(stdout);
	if (strcmp(end, "wait") == 0 && getchar() == EOF)
		fprintf(stderr, "nobody waits\n");
	for (size_t i = 0; ok && i < info->workload.n_disks; i++)
		ok = copy_disk(ops, cut, i, folder, errp);
	fflush(stdout);
	if (strcmp(end, "kill") == 0)
		raise(SIGKILL);
	ok = ok && ops->check(cut, errp);
	if (ok && strcmp(end, "drop") != 0)
		return ops->keep(cut, errp);
	ops->drop(cut);
	return ok;
}

static struct engine *open_files(int argc, char **argv, struct err **errp)
{
	struct files_disk disks[ENGINE_DISKS_MAX] = {0};
	size_t n = 0;
	for (int i = 6; i < argc && n < ENGINE_DISKS_MAX; i++)
		disks[n++].path = argv[i];
	return engine_files_open(argv[2], disks, n, errp);
}

int main(int argc, char **argv)
{
	static struct cancel cancel;
	if (argc < 6)
		return 2;
	bool files = strcmp(argv[1], "files") == 0;
	struct err *err = NULL;
	AUTO(engine_freep)
	struct engine *engine = files ? open_files(argc, argv, &err) : engine_libvirt_open(NULL, &err);
	struct cut_request request = {
		.cancel = &cancel, .owner = getenv("ENGINE_OWNER"), .tracking = argv[3], .freeze_timeout_s = 10};
	if (!files && argc == 9) {
		request.spill_dir = argv[6];
		request.spill_limit = strtoull(argv[7], NULL, 0);
		request.freeze_timeout_s = (unsigned)strtoul(argv[8], NULL, 0);
	}
	if (engine && cancel_on_signals(&cancel, &err) && run(engine, argv[2], &request, argv[4], argv[5], &err))
		return 0;
	printf("error %s: %s\n", err_code_name(err_code(err)), err_message(err));
	err_free(err);
	return 1;
}
