/* SPDX-License-Identifier: Apache-2.0 */
/* runner (its supervisor forks before other threads are there) ──► NBD server ──► machine ──► wait ──► all of it
 * backwards */
#include "restore/boot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "restore/export.h"
#include "storage/stream_read.h"

enum {
	DEFINITION_MAX = 1 << 20,
	FIRMWARE_MAX = 16 << 20,
	FOOTERS_BYTES = 8 << 20,
};

struct boot {
	const struct repository *repository;
	const struct point *point;
	const struct boot_options *options;
	struct bytes definition, firmware;
	struct run_disk *disks;
	size_t n_disks;
	char *socket; /* of the NBD server */
};

static void boot_release(struct boot *boot)
{
	bytes_release(&boot->definition);
	bytes_release(&boot->firmware);
	free(boot->disks);
	free(boot->socket);
}

/* ---- what the machine is made of ---- */

static const struct stream *stream_of_kind(const struct point *point, enum stream_kind kind)
{
	for (size_t i = 0; i < point->n_streams; i++) {
		if (point->streams[i].kind == kind)
			return &point->streams[i];
	}
	return NULL;
}

static bool read_small(struct boot *boot, struct pack_reader *packs, enum stream_kind kind, size_t max,
		       struct bytes *ret, struct err **errp)
{
	const struct stream *stream = stream_of_kind(boot->point, kind);
	if (!stream)
		return true;
	return stream_read_all(packs, stream, max, ret, errp) || err_prefix(errp, "%s", stream->name);
}

static bool read_streams(struct boot *boot, struct err **errp)
{
	AUTO(pack_reader_freep) struct pack_reader *packs = pack_reader_new(boot->repository, FOOTERS_BYTES, errp);
	return packs && read_small(boot, packs, STREAM_DEFINITION, DEFINITION_MAX, &boot->definition, errp) &&
	       read_small(boot, packs, STREAM_FIRMWARE, FIRMWARE_MAX, &boot->firmware, errp);
}

static bool list_disks(struct boot *boot, struct err **errp)
{
	const struct point *point = boot->point;
	boot->disks = calloc(point->n_streams + 1, sizeof(*boot->disks));
	if (!boot->disks)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < point->n_streams; i++) {
		const struct stream *stream = &point->streams[i];
		if (stream->kind == STREAM_DISK)
			boot->disks[boot->n_disks++] = (struct run_disk){
				.name = stream->name, .nbd_socket = boot->socket, .size = stream->shape.size};
	}
	return boot->n_disks > 0 || err_set(errp, ERR_UNSUPPORTED, "the point has no disk to boot from");
}

/* ---- running ---- */

static const char *overlay_folder(const struct boot_options *options)
{
	const char *temporary = getenv("TMPDIR");
	if (options->overlay_dir)
		return options->overlay_dir;
	return temporary && *temporary ? temporary : "/var/tmp";
}

static bool run_machine(struct boot *boot, struct runner *runner, uint64_t begin_ns, struct err **errp)
{
	const struct boot_options *options = boot->options;
	const struct run_request request = {
		.workload = boot->point->workload,
		.definition = bytes_span(&boot->definition),
		.firmware = bytes_span(&boot->firmware),
		.disks = boot->disks,
		.n_disks = boot->n_disks,
		.overlay_dir = overlay_folder(options),
		.memory = options->memory,
		.network = options->network,
		.accelerator = options->accelerator,
		.console_in = options->console_in,
		.console_out = options->console_out,
	};
	struct run *run;
	if (!runner->ops->start(runner, &request, options->note, options->note_arg, &run, errp))
		return false;
	if (options->started)
		options->started(options->note_arg, clock_monotonic_ns() - begin_ns);
	bool ok = runner->ops->wait(run, options->cancel, errp);
	runner->ops->stop(run);
	return ok;
}

static bool serve_and_run(struct boot *boot, struct runner *runner, uint64_t begin_ns, struct err **errp)
{
	const struct export_options options = {.socket = boot->socket,
					       .state_dir = boot->options->state_dir,
					       .complain = boot->options->note,
					       .complain_arg = boot->options->note_arg};
	struct export *export = export_start(boot->repository, boot->point, &options, errp);
	if (!export)
		return false;
	bool ok = geteuid() != 0 || chmod(boot->socket, 0666) == 0 ||
		  err_set_errno(errp, errno, "open %s to QEMU's user", boot->socket);
	ok = ok && run_machine(boot, runner, begin_ns, errp);
	export_stop(export);
	return ok;
}

bool boot_point(const struct repository *repository, const struct point *point, const struct boot_options *options,
		struct err **errp)
{
	uint64_t begin_ns = clock_monotonic_ns();
	if (!repository_check_readable(repository, errp))
		return false;
	AUTO(runner_freep) struct runner *runner = runner_libvirt_open(options->cache_dir, errp);
	if (!runner)
		return false;
	AUTO(boot_release) struct boot boot = {.repository = repository, .point = point, .options = options};
	boot.socket = file_join(runner->folder, "nbd");
	if (!boot.socket)
		return err_set_no_memory(errp);
	return list_disks(&boot, errp) && read_streams(&boot, errp) && serve_and_run(&boot, runner, begin_ns, errp);
}
