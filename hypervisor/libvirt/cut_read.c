/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/blocks.h"
#include "hypervisor/files/cut.h"
#include "hypervisor/libvirt/cut_internal.h"
#include "hypervisor/libvirt/domain.h"

#define EXPLAIN_PATIENCE_NS UINT64_C(10000000000)

static struct libvirt_cut *of_cut(struct cut *cut)
{
	return (struct libvirt_cut *)cut;
}

bool libvirt_cut_prefix(const struct libvirt_cut *cut, size_t disk, struct err **errp)
{
	return err_prefix(errp, "disk '%s'", cut->info.workload.disks[disk].name);
}

/* QEMU's sockets are closed a while before libvirt knows that it ends; where one is open, there is nothing to wait for.
 */
static bool finds_broken(struct libvirt_cut *cut, struct err **broken)
{
	static const struct timespec pause = {.tv_nsec = 50000000};
	uint64_t give_up = clock_monotonic_ns() + EXPLAIN_PATIENCE_NS;
	for (bool served = false; spill_check(&cut->spill, broken); served = place_is_served(&cut->place)) {
		if (served || clock_monotonic_ns() > give_up || (cut->cancel && cancel_requested(cut->cancel)))
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* When the cut is broken, connections fail in many words; one sentence says why. Returns false. */
static bool explain(struct libvirt_cut *cut, size_t disk, struct err **errp)
{
	struct err *broken = NULL;
	if (err_code(*errp) == ERR_CANCELLED || !cut->spill.watching || !finds_broken(cut, &broken))
		return libvirt_cut_prefix(cut, disk, errp);
	err_clear(errp);
	return err_move(errp, &broken);
}

const struct cut_info *libvirt_cut_info(const struct cut *cut)
{
	const struct libvirt_cut *of = (const struct libvirt_cut *)cut;
	return of->files ? files_cut_info(of->files) : &of->info;
}

struct blocks *libvirt_cut_connect(struct libvirt_cut *cut, size_t disk, struct err **errp)
{
	const char *name = cut->info.workload.disks[disk].name;
	AUTO(freep) char *bitmap = file_format("backup-%s", name);
	if (!bitmap) {
		err_set_no_memory(errp);
		return NULL;
	}
	struct blocks_source source = {.socket = cut->place.socket,
				       .export_name = name,
				       .bitmap = cut->info.fallback_reason[disk] ? NULL : bitmap,
				       .cancel = cut->cancel};
	struct blocks *blocks = blocks_open(&source, errp);
	if (!blocks)
		explain(cut, disk, errp);
	return blocks;
}

bool libvirt_cut_map(struct cut *cut, size_t disk, extent_function *each, void *arg, struct err **errp)
{
	struct libvirt_cut *of = of_cut(cut);
	if (of->files)
		return files_cut_map(of->files, disk, each, arg, errp);
	AUTO(blocks_closep) struct blocks *blocks = libvirt_cut_connect(of, disk, errp);
	return blocks && (blocks_map(blocks, each, arg, errp) || explain(of, disk, errp));
}

static bool connect_reader(struct libvirt_reader *reader, struct err **errp)
{
	struct libvirt_cut *cut = reader->cut;
	if (cut->files)
		reader->files = files_reader_new(cut->files, reader->disk, errp);
	else
		reader->blocks = libvirt_cut_connect(cut, reader->disk, errp);
	return reader->files || reader->blocks;
}

struct cut_reader *libvirt_reader_new(struct cut *cut, size_t disk, struct err **errp)
{
	struct libvirt_reader *reader = calloc(1, sizeof(*reader));
	if (!reader) {
		err_set_no_memory(errp);
		return NULL;
	}
	*reader = (struct libvirt_reader){.ops = &libvirt_engine_ops, .cut = of_cut(cut), .disk = disk};
	if (connect_reader(reader, errp))
		return (struct cut_reader *)reader;
	free(reader);
	return NULL;
}

bool libvirt_reader_read(struct cut_reader *reader, struct read_request *requests, size_t n, struct err **errp)
{
	struct libvirt_reader *of = (struct libvirt_reader *)reader;
	if (of->files)
		return files_reader_read(of->files, requests, n, errp);
	return blocks_read(of->blocks, requests, n, errp) || explain(of->cut, of->disk, errp);
}

void libvirt_reader_free(struct cut_reader *reader)
{
	struct libvirt_reader *of = (struct libvirt_reader *)reader;
	if (!of)
		return;
	files_reader_free(of->files);
	blocks_close(of->blocks);
	free(of);
}

static bool check_shut_off(struct libvirt_cut *cut, struct err **errp)
{
	if (virDomainIsActive(cut->domain) == 1)
		return err_set(errp, ERR_BUSY, "was started while its disks were read; run the backup again");
	return files_cut_check(cut->files, errp);
}

bool libvirt_cut_check(struct cut *cut, struct err **errp)
{
	struct libvirt_cut *of = of_cut(cut);
	return of->files ? check_shut_off(of, errp) : spill_check(&of->spill, errp);
}
