/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/utf8.h"
#include "hypervisor/engine.h"
#include "hypervisor/files/cut.h"

enum { LETTERS = 26 };

struct files_engine {
	struct engine engine;
	char *workload;
	struct workload_disk *disks;
	size_t n_disks;
};

static struct files_engine *of_engine(struct engine *engine)
{
	return (struct files_engine *)engine;
}

/* A name is all that says which workload it is. FNV-1a, 128 bits, big-endian, over "salvor files", a NUL, and the name.
 */
static void id_from_name(const char *name, uint8_t id[16])
{
	static const char domain[] = "salvor files";
	const unsigned __int128 prime = ((unsigned __int128)1 << 88) + 0x13b;
	unsigned __int128 hash = ((unsigned __int128)UINT64_C(0x6c62272e07bb0142) << 64) | UINT64_C(0x62b821756295c58d);
	for (size_t i = 0; i < sizeof(domain); i++)
		hash = (hash ^ (uint8_t)domain[i]) * prime;
	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * prime;
	for (size_t i = 0; i < 16; i++)
		id[i] = (uint8_t)(hash >> (8 * (15 - i)));
}

/* vda … vdz, vdaa … as Linux names them. */
static void name_by_place(size_t place, char name[ENGINE_NAME_MAX + 1])
{
	if (place < LETTERS)
		snprintf(name, ENGINE_NAME_MAX + 1, "vd%c", (char)('a' + place));
	else
		snprintf(name, ENGINE_NAME_MAX + 1, "vd%c%c", (char)('a' + place / LETTERS - 1),
			 (char)('a' + place % LETTERS));
}

static bool is_fit_name(const char *name)
{
	size_t length = strlen(name);
	return length > 0 && length <= ENGINE_NAME_MAX && name[0] != '.' && !strchr(name, '/');
}

static bool is_taken(const struct files_engine *files, const char *name)
{
	for (size_t i = 0; i < files->n_disks; i++) {
		if (strcmp(files->disks[i].name, name) == 0)
			return true;
	}
	return false;
}

static bool add_disk(struct files_engine *files, const struct files_disk *disk, struct err **errp)
{
	struct workload_disk *added = &files->disks[files->n_disks];
	if (disk->name && !is_fit_name(disk->name))
		return err_set(errp, ERR_USAGE,
			       "'%s' is no name for a disk: 1 to %d letters, no '/', no '.' at the start", disk->name,
			       ENGINE_NAME_MAX);
	char name[ENGINE_NAME_MAX + 1];
	if (disk->name)
		snprintf(name, sizeof(name), "%s", disk->name);
	else
		name_by_place(files->n_disks, name);
	if (is_taken(files, name))
		return err_set(errp, ERR_USAGE, "two disks are named '%s'", name);
	memcpy(added->name, name, sizeof(name));
	added->source = strdup(disk->path);
	if (!added->source)
		return err_set_no_memory(errp);
	files->n_disks++;
	return true;
}

static bool files_list(struct engine *engine,
		       bool (*each)(void *arg, const char *name, const char *state, struct err **errp), void *arg,
		       struct err **errp)
{
	return each(arg, of_engine(engine)->workload, "files", errp);
}

static bool copy_disks(const struct files_engine *files, struct workload *ret)
{
	ret->disks = calloc(files->n_disks, sizeof(*ret->disks));
	if (!ret->disks)
		return false;
	for (; ret->n_disks < files->n_disks; ret->n_disks++) {
		struct workload_disk *disk = &ret->disks[ret->n_disks];
		*disk = files->disks[ret->n_disks];
		disk->source = strdup(disk->source);
		if (!disk->source)
			return false;
	}
	return true;
}

static bool copy_workload(const struct files_engine *files, struct workload *ret, struct err **errp)
{
	*ret = (struct workload){.name = strdup(files->workload)};
	id_from_name(files->workload, ret->id);
	if (ret->name && copy_disks(files, ret))
		return true;
	workload_release(ret);
	return err_set_no_memory(errp);
}

/* Whatever path leads to it. */
static bool is_same_file(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
		return a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool refuse_twice(const struct workload *workload, const struct stat *opened, size_t i, struct err **errp)
{
	const struct workload_disk *disk = &workload->disks[i];
	for (size_t j = 0; j < i; j++) {
		if (is_same_file(&opened[i], &opened[j]))
			return err_set(errp, ERR_USAGE, "disks '%s' and '%s' are one image: %s",
				       workload->disks[j].name, disk->name, disk->source);
	}
	return true;
}

/* The sizes are asked of the images themselves. */
static bool measure(const struct workload *workload, struct err **errp)
{
	struct stat opened[ENGINE_DISKS_MAX];
	for (size_t i = 0; i < workload->n_disks; i++) {
		struct workload_disk *disk = &workload->disks[i];
		AUTO(image_release) struct image image = {.fd = -1};
		if (!image_open(&(struct image_options){.path = disk->source}, &image, errp))
			return err_prefix(errp, "disk '%s'", disk->name);
		if (image.size == 0)
			return err_set(errp, ERR_FAILED, "disk '%s': %s is empty: there is nothing to protect",
				       disk->name, disk->source);
		disk->size = image.size;
		opened[i] = image.opened;
		if (!refuse_twice(workload, opened, i, errp))
			return false;
	}
	return true;
}

static bool files_describe(struct engine *engine, const char *name, struct workload *ret, struct err **errp)
{
	const struct files_engine *files = of_engine(engine);
	if (strcmp(name, files->workload) != 0)
		return err_set(errp, ERR_NOT_FOUND, "the disks given are those of '%s'", files->workload);
	struct workload workload;
	if (!copy_workload(files, &workload, errp))
		return false;
	if (!measure(&workload, errp)) {
		workload_release(&workload);
		return false;
	}
	*ret = workload;
	return true;
}

static bool files_cut(struct engine *engine, const struct workload *workload, const struct cut_request *request,
		      struct cut **ret, struct err **errp)
{
	(void)workload; /* the engine has but one */
	struct workload copy;
	if (!copy_workload(of_engine(engine), &copy, errp))
		return false;
	const struct files_cut_options options = {
		.tracking = request->tracking, .remember = true, .cancel = request->cancel};
	struct cut *cut = files_cut_new(&copy, &options, errp);
	if (!cut)
		return false;
	*ret = cut;
	return true;
}

static void files_free(struct engine *engine)
{
	struct files_engine *files = of_engine(engine);
	for (size_t i = 0; i < files->n_disks; i++)
		free(files->disks[i].source);
	free(files->disks);
	free(files->workload);
	free(files);
}

const struct engine_ops files_engine_ops = {
	.name = "files",
	.list = files_list,
	.describe = files_describe,
	.cut = files_cut,
	.info = files_cut_info,
	.map = files_cut_map,
	.reader_new = files_reader_new,
	.read = files_reader_read,
	.reader_free = files_reader_free,
	.check = files_cut_check,
	.keep = files_cut_keep,
	.drop = files_cut_drop,
	.free = files_free,
};

/* Who names a workload can name it so that NAME@latest is typed without a trick, and means it alone. */
static bool check_name(const char *name, struct err **errp)
{
	uint64_t ignored;
	const char *at = strrchr(name, '@');
	if (name[0] == '\0')
		return err_set(errp, ERR_USAGE, "a workload needs a name that is not empty");
	if (name[0] == '-')
		return err_set(errp, ERR_USAGE, "'%s' is no name for a workload: it begins like an option", name);
	if (!utf8_is_printable(SPAN(name, strlen(name))))
		return err_set(errp, ERR_USAGE, "'%s' is no name for a workload: it has letters that cannot be typed",
			       name);
	if (at && (strcmp(at + 1, "latest") == 0 || clock_parse(at + 1, &ignored)))
		return err_set(errp, ERR_USAGE, "'%s' is no name for a workload: it means a point of '%.*s'", name,
			       (int)(at - name), name);
	return true;
}

static bool fill(struct files_engine *files, const char *workload, const struct files_disk *disks, size_t n,
		 struct err **errp)
{
	files->workload = strdup(workload);
	files->disks = calloc(n, sizeof(*files->disks));
	if (!files->workload || !files->disks)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < n; i++) {
		if (!add_disk(files, &disks[i], errp))
			return false;
	}
	return true;
}

struct engine *engine_files_open(const char *workload, const struct files_disk *disks, size_t n, struct err **errp)
{
	if (!check_name(workload, errp))
		return NULL;
	if (n == 0 || n > ENGINE_DISKS_MAX) {
		err_set(errp, ERR_USAGE, "'%s' has 1 to %d disks, not %zu", workload, ENGINE_DISKS_MAX, n);
		return NULL;
	}
	AUTO(engine_freep) struct engine *engine = calloc(1, sizeof(struct files_engine));
	if (!engine) {
		err_set_no_memory(errp);
		return NULL;
	}
	engine->ops = &files_engine_ops;
	if (!fill(of_engine(engine), workload, disks, n, errp))
		return NULL;
	return STEAL(&engine);
}
