/* SPDX-License-Identifier: Apache-2.0 */
/* definition and firmware variables ──► NBD server ──► run ──► all of it backwards */
#include "restore/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "restore/healed.h"
#include "restore/trace_record.h"
#include "storage/rescue.h"
#include "storage/stream_read.h"

enum {
	DEFINITION_MAX = 1 << 20,
	FIRMWARE_MAX = 16 << 20,
	FOOTERS_BYTES = 8 << 20,
};

struct machine {
	struct runner *runner;
	struct bytes definition, firmware;
	struct run_disk *disks;
	size_t n_disks;
	char *socket; /* of the NBD server */
	int trace;    /* 0: nothing is recorded */
	struct export *export;
	struct run *run;
};

/* ---- what it is made of ---- */

static const struct stream *stream_of_kind(const struct point *point, enum stream_kind kind)
{
	for (size_t i = 0; i < point->n_streams; i++) {
		if (point->streams[i].kind == kind)
			return &point->streams[i];
	}
	return NULL;
}

static bool read_small(struct pack_reader *packs, const struct point *point, enum stream_kind kind, size_t max,
		       struct bytes *ret, struct err **errp)
{
	const struct stream *stream = stream_of_kind(point, kind);
	if (!stream)
		return true;
	return stream_read_all(packs, stream, max, ret, errp) || err_prefix(errp, "%s", stream->name);
}

struct listener {
	export_complaint_function *complain;
	void *arg;
};

static void tell_healed(void *arg, const struct rescue_healed *healed)
{
	const struct listener *listener = arg;
	AUTO(freep) char *text = healed_text_begun(healed);
	if (listener->complain && text)
		listener->complain(listener->arg, EXPORT_HEALED, text);
}

static bool read_streams(struct machine *machine, const struct repository *repository, const struct point *point,
			 const struct machine_options *options, struct err **errp)
{
	struct listener listener = {.complain = options->complain, .arg = options->complain_arg};
	const struct rescue_options rescue_options = {.begins = tell_healed, .arg = &listener};
	AUTO(rescue_freep) struct rescue *rescue = rescue_new(repository, point, &rescue_options, errp);
	if (!rescue)
		return false;
	AUTO(pack_reader_freep) struct pack_reader *packs = pack_reader_new(repository, FOOTERS_BYTES, errp);
	if (!packs)
		return false;
	pack_reader_set_rescue(packs, rescue);
	return read_small(packs, point, STREAM_DEFINITION, DEFINITION_MAX, &machine->definition, errp) &&
	       read_small(packs, point, STREAM_FIRMWARE, FIRMWARE_MAX, &machine->firmware, errp);
}

static bool list_disks(struct machine *machine, const struct point *point, struct err **errp)
{
	machine->disks = calloc(point->n_streams + 1, sizeof(*machine->disks));
	if (!machine->disks)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < point->n_streams; i++) {
		const struct stream *stream = &point->streams[i];
		if (stream->kind == STREAM_DISK)
			machine->disks[machine->n_disks++] = (struct run_disk){
				.name = stream->name, .nbd_socket = machine->socket, .size = stream->shape.size};
	}
	return machine->n_disks > 0 || err_set(errp, ERR_UNSUPPORTED, "the point has no disk to boot from");
}

/* ---- start ---- */

static const char *overlay_folder(const struct machine_options *options)
{
	const char *temporary = getenv("TMPDIR");
	if (options->overlay_dir)
		return options->overlay_dir;
	return temporary && *temporary ? temporary : "/var/tmp";
}

/* Without a trace, the next one boots more slowly from far away. */
static void record(struct machine *machine)
{
	AUTO(err_freep) struct err *err = NULL;
	if (trace_record_file(&machine->trace, &err))
		return;
	machine->trace = 0;
	log_debug("trace: %s", err_message(err));
}

static bool serve(struct machine *machine, const struct repository *repository, const struct point *point,
		  const struct machine_options *options, struct err **errp)
{
	if (options->record)
		record(machine);
	const struct export_options export_options = {.socket = machine->socket,
						      .state_dir = options->state_dir,
						      .trace = machine->trace,
						      .cancel = options->cancel,
						      .complain = options->complain,
						      .complain_arg = options->complain_arg,
						      .met_damage = options->met_damage};
	machine->export = export_start(repository, point, &export_options, errp);
	if (!machine->export)
		return false;
	return geteuid() != 0 || chmod(machine->socket, 0666) == 0 ||
	       err_set_errno(errp, errno, "open %s to QEMU's user", machine->socket);
}

static bool start_run(struct machine *machine, const char *workload, const struct machine_options *options,
		      struct err **errp)
{
	const struct run_request request = {
		.workload = workload,
		.definition = bytes_span(&machine->definition),
		.firmware = bytes_span(&machine->firmware),
		.disks = machine->disks,
		.n_disks = machine->n_disks,
		.overlay_dir = overlay_folder(options),
		.memory = options->memory,
		.memory_max = options->memory_max,
		.network = options->network,
		.accelerator = options->accelerator,
		.console_in = options->console_in,
		.console_out = options->console_out,
		.watcher = options->watcher,
	};
	return machine->runner->ops->start(machine->runner, &request, options->note, options->note_arg, &machine->run,
					   errp);
}

struct machine *machine_start(struct runner *runner, const struct repository *repository, const struct point *point,
			      const struct machine_options *options, struct err **errp)
{
	struct machine *machine = calloc(1, sizeof(*machine));
	if (!machine) {
		err_set_no_memory(errp);
		return NULL;
	}
	machine->runner = runner;
	machine->socket = file_format("%s/nbd-%u", runner->folder, options->slot);
	if (!machine->socket)
		err_set_no_memory(errp);
	if (machine->socket && list_disks(machine, point, errp) &&
	    read_streams(machine, repository, point, options, errp) &&
	    serve(machine, repository, point, options, errp) && start_run(machine, point->workload, options, errp))
		return machine;
	machine_stop(machine);
	return NULL;
}

struct run *machine_run(const struct machine *machine)
{
	return machine->run;
}

bool machine_is_served(const struct machine *machine)
{
	return export_serves(machine->export);
}

void machine_trace(const struct machine *machine, struct trace *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	*ret = (struct trace){0};
	if (machine->trace && !trace_record_read(machine->trace, ret, &err))
		log_debug("trace: %s", err_message(err));
}

void machine_stop(struct machine *machine)
{
	if (!machine)
		return;
	machine->runner->ops->stop(machine->run);
	export_stop(machine->export);
	if (machine->trace)
		close(machine->trace);
	bytes_release(&machine->definition);
	bytes_release(&machine->firmware);
	free(machine->disks);
	free(machine->socket);
	free(machine);
}
