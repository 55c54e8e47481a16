/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nbdkit plugin that serves the disks of one point, each as an export of its name. It opens the repository by
 * itself with the key material that comes over `control`, a socket to the program that started nbdkit; when clients can
 * connect it answers one byte there. Read-only and the same for ever, so any number of connections may share it.
 * nbdkit's plugin interface has no place for state between configuration and handles but statics.
 */
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/hex.h"
#include "restore/export.h"
#include "restore/healed.h"
#include "restore/stream_name.h"
#include "restore/trace_record.h"
#include "storage/point.h"
#include "storage/rescue.h"
#include "storage/stream_read.h"
#include "storage/trace_play.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

enum {
	FOOTERS_BYTES = 64 << 20,
	READ_AHEAD = 2,
	FAR_READ_AHEAD = 16, /* each waits for one request after the other */
	EXTENTS_MAX = 4096,  /* in one answer; clients ask again */
	READ_MAX = 32 << 20,
};

static struct {
	const char *url, *session, *disk, *state_dir, *socket, *keep, *run;
	size_t cache_bytes;
	uint64_t limit_rate;
	int control, trace;
} config = {.control = -1, .trace = -1, .cache_bytes = 64 << 20};

static struct repository *repository;
static struct pack_reader *packs;
static struct rescue *rescue;
static struct point point;
static struct stream_reader **readers;	/* by stream of the point; NULL where it is not served */
static struct trace_recorder *recorder; /* NULL: nobody wants to know */
static struct trace_player *player;	/* NULL: nothing is fetched before it is asked for */

/* A client may wait for a repository that is away; damage stays. */
static int errno_for(enum err_code code)
{
	switch (code) {
	case ERR_CORRUPT:
		return EIO;
	case ERR_NO_MEMORY:
		return ENOMEM;
	default:
		return ESHUTDOWN;
	}
}

static int tell(struct err **errp)
{
	nbdkit_error("%s%s", err_code(*errp) == ERR_CORRUPT ? EXPORT_DAMAGE_MARK : EXPORT_UNREADABLE_MARK,
		     err_message(*errp));
	nbdkit_set_error(errno_for(err_code(*errp)));
	err_clear(errp);
	return -1;
}

/* ---- configuration ---- */

static int plugin_config(const char *key, const char *value)
{
	const struct {
		const char *key;
		const char **value;
	} texts[] = {
		{"url", &config.url},	    {"session", &config.session},
		{"disk", &config.disk},	    {"state-dir", &config.state_dir},
		{"socket", &config.socket}, {"keep", &config.keep},
		{"run", &config.run},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		if (strcmp(key, texts[i].key) == 0) {
			*texts[i].value = nbdkit_strdup_intern(value);
			return *texts[i].value ? 0 : -1;
		}
	}
	if (strcmp(key, "control") == 0)
		return nbdkit_parse_int(key, value, &config.control);
	if (strcmp(key, "trace") == 0)
		return nbdkit_parse_int(key, value, &config.trace);
	if (strcmp(key, "limit-rate") == 0)
		return nbdkit_parse_uint64_t(key, value, &config.limit_rate);
	int64_t size = strcmp(key, "cache") == 0 ? nbdkit_parse_size(value) : -1;
	if (size < 0) {
		nbdkit_error("unknown or wrong parameter %s=%s", key, value);
		return -1;
	}
	config.cache_bytes = (size_t)size;
	return 0;
}

static int plugin_config_complete(void)
{
	if (config.url && config.session && config.state_dir && config.control >= 0)
		return 0;
	nbdkit_error("url, session, state-dir and control are needed; salvor export gives them");
	return -1;
}

/* ---- start ---- */

static bool read_material(uint8_t material[MATERIAL_SIZE], struct err **errp)
{
	for (size_t len = 0; len < MATERIAL_SIZE;) {
		ssize_t got = read(config.control, material + len, MATERIAL_SIZE - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_set(errp, ERR_FAILED, "no key came over the control socket");
		len += (size_t)got;
	}
	return true;
}

static bool open_repository(struct err **errp)
{
	uint8_t material[MATERIAL_SIZE];
	struct repository_options options = {.url = config.url,
					     .key = {.material = material},
					     .limit_rate = config.limit_rate,
					     .cache = {.folder = config.keep,
						       .max_bytes = BACKEND_CACHE_BYTES,
						       .extent = CACHE_CONTENTS,
						       .fresh = config.run},
					     .state_dir = config.state_dir};
	if (config.run && !hex_decode(config.run, options.cache.run, sizeof(options.cache.run)))
		return err_set(errp, ERR_USAGE, "'%s' is not a run", config.run);
	if (!read_material(material, errp))
		return false;
	repository = repository_open(&options, errp);
	explicit_bzero(material, sizeof(material));
	return repository;
}

static bool is_served(const struct stream *stream)
{
	return stream->kind == STREAM_DISK && (!config.disk || strcmp(config.disk, stream->name) == 0);
}

static bool open_readers(struct err **errp)
{
	bool far = pack_reader_in_flight(packs);
	const struct stream_reader_options options = {
		.cache_bytes = config.cache_bytes, .read_ahead = far ? FAR_READ_AHEAD : READ_AHEAD, .careful = far};
	size_t n = 0;
	readers = calloc(point.n_streams + 1, sizeof(struct stream_reader *));
	if (!readers)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < point.n_streams; i++) {
		if (!is_served(&point.streams[i]))
			continue;
		if (!stream_name_check(&point.streams[i], errp))
			return false;
		readers[i] = stream_reader_new(packs, &point.streams[i], &options, errp);
		if (!readers[i])
			return false;
		n++;
	}
	return n > 0 || err_set(errp, ERR_NOT_FOUND, "the point has no such disk");
}

/* At once and not at the end, which a server does not always see. */
static void tell_healed(void *arg, const struct rescue_healed *healed)
{
	AUTO(freep) char *text = healed_text_begun(healed);
	(void)arg;
	if (text)
		nbdkit_error("%s%s", EXPORT_HEALED_MARK, text);
}

static bool open_packs(struct err **errp)
{
	packs = pack_reader_new(repository, FOOTERS_BYTES, errp);
	rescue = packs ? rescue_new(repository, &point, &(struct rescue_options){.begins = tell_healed}, errp) : NULL;
	if (!rescue)
		return false;
	pack_reader_set_rescue(packs, rescue);
	return true;
}

static bool open_point(struct err **errp)
{
	struct session_id session;
	if (!session_id_parse(config.session, &session))
		return err_set(errp, ERR_USAGE, "'%s' is not a session", config.session);
	return point_load(repository, &session, &point, errp) && open_packs(errp);
}

static void tell_no_trace(struct err **errp)
{
	if (*errp)
		nbdkit_debug("trace: %s", err_message(*errp));
	err_clear(errp);
}

/* Whoever boots is served without them, too. */
static void start_traces(void)
{
	AUTO(err_freep) struct err *err = NULL;
	if (config.trace >= 0)
		recorder = trace_recorder_new(config.trace, &point, &err);
	tell_no_trace(&err);
	if (config.keep && pack_reader_in_flight(packs))
		player = trace_player_start(repository, &point, packs, &err);
	tell_no_trace(&err);
}

/* The repository starts threads of its own, so it is opened only when nbdkit has done all its forking. */
static int plugin_after_fork(void)
{
	AUTO(err_freep) struct err *err = NULL;
	if (!open_repository(&err) || !open_point(&err) || !open_readers(&err))
		return tell(&err);
	start_traces();
	if (write(config.control, "R", 1) != 1) {
		nbdkit_error("the program that started nbdkit is gone");
		return -1;
	}
	return 0;
}

static void plugin_unload(void)
{
	trace_player_free(player);
	trace_recorder_free(recorder);
	for (size_t i = 0; readers && i < point.n_streams; i++)
		stream_reader_free(readers[i]);
	free(readers);
	pack_reader_free(packs);
	rescue_free(rescue);
	point_release(&point);
	repository_free(repository);
	if (config.socket)
		unlink(config.socket);
}

/* ---- exports ---- */

static struct stream_reader *find_reader(const char *name)
{
	for (size_t i = 0; i < point.n_streams; i++) {
		if (readers[i] && strcmp(point.streams[i].name, name) == 0)
			return readers[i];
	}
	return NULL;
}

/* Only where there is one disk is it clear what a client without a name wants. */
static const char *plugin_default_export(int readonly, int is_tls)
{
	const char *only = NULL;
	(void)readonly;
	(void)is_tls;
	for (size_t i = 0; i < point.n_streams; i++) {
		if (!readers[i])
			continue;
		if (only)
			return "";
		only = point.streams[i].name;
	}
	return only;
}

static int plugin_list_exports(int readonly, int is_tls, struct nbdkit_exports *exports)
{
	(void)readonly;
	(void)is_tls;
	for (size_t i = 0; i < point.n_streams; i++) {
		if (readers[i] && nbdkit_add_export(exports, point.streams[i].name, NULL) < 0)
			return -1;
	}
	return 0;
}

/* Tells clients that keep something of their own over an export which point it must be. */
static const char *plugin_export_description(void *handle)
{
	char id[2 * POINT_ID_SIZE + 1];
	(void)handle;
	return nbdkit_printf_intern("point %s", hex_encode(point.id, POINT_ID_SIZE, id));
}

static void *plugin_open(int readonly)
{
	const char *name = nbdkit_export_name();
	(void)readonly;
	if (name && !*name)
		name = plugin_default_export(1, 0);
	struct stream_reader *reader = name ? find_reader(name) : NULL;
	if (!reader)
		nbdkit_error("there is no disk '%s' here", name ? name : "");
	return reader;
}

static int64_t plugin_get_size(void *handle)
{
	return (int64_t)stream_reader_size(handle);
}

static int yes(void *handle)
{
	(void)handle;
	return 1;
}

static int plugin_can_cache(void *handle)
{
	(void)handle;
	return NBDKIT_CACHE_NATIVE;
}

static int plugin_block_size(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
	*minimum = 1;
	*preferred = UINT32_C(1) << tree_reader_shape(stream_reader_tree(handle))->exponent;
	if (*preferred < 512)
		*preferred = 512;
	*maximum = READ_MAX;
	return 0;
}

/* ---- reading ---- */

static size_t stream_of(const struct stream_reader *reader)
{
	size_t i = 0;
	while (readers[i] != reader)
		i++;
	return i;
}

static int plugin_pread(void *handle, void *data, uint32_t count, uint64_t offset, uint32_t flags)
{
	AUTO(err_freep) struct err *err = NULL;
	(void)flags;
	trace_recorder_note(recorder, stream_of(handle), offset, count);
	return stream_reader_read(handle, offset, data, count, &err) ? 0 : tell(&err);
}

/* A read whose bytes stay in the reader's cache. */
static int plugin_cache(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	AUTO(freep) void *data = malloc(count);
	if (!data) {
		nbdkit_set_error(ENOMEM);
		return -1;
	}
	return plugin_pread(handle, data, count, offset, flags);
}

struct walk {
	struct nbdkit_extents *extents;
	const struct stream_shape *shape;
	uint64_t at; /* everything before is told */
	unsigned told;
	bool full;
};

static bool tell_extent(struct walk *walk, uint64_t end, uint32_t type)
{
	if (end <= walk->at)
		return true;
	bool ok = nbdkit_add_extent(walk->extents, walk->at, end - walk->at, type) == 0;
	walk->at = end;
	return ok;
}

static bool tell_chunk(void *arg, uint64_t index, const struct tree_ref *chunk, struct err **errp)
{
	struct walk *walk = arg;
	uint64_t start = index << walk->shape->exponent;
	(void)chunk;
	if (walk->told++ == EXTENTS_MAX) {
		walk->full = true;
		return err_set(errp, ERR_CANCELLED, "enough extents");
	}
	if (!tell_extent(walk, start, NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO) ||
	    !tell_extent(walk, start + stream_chunk_len(walk->shape, index), 0))
		return err_set_no_memory(errp);
	return true;
}

static int plugin_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags, struct nbdkit_extents *extents)
{
	AUTO(err_freep) struct err *err = NULL;
	struct tree_reader *tree = stream_reader_tree(handle);
	const struct stream_shape *shape = tree_reader_shape(tree);
	uint64_t first = offset >> shape->exponent, end = ((offset + count - 1) >> shape->exponent) + 1;
	struct walk walk = {.extents = extents, .shape = shape, .at = first << shape->exponent};
	(void)flags;
	if (!tree_each(tree, first, end, tell_chunk, &walk, &err) && !walk.full)
		return tell(&err);
	if (walk.full)
		return 0;
	uint64_t stop = end << shape->exponent, size = stream_reader_size(handle);
	return tell_extent(&walk, stop < size ? stop : size, NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO) ? 0 : -1;
}

static struct nbdkit_plugin plugin = {
	.name = "salvor",
	.longname = "Salvor recovery points",
	.version = SALVOR_VERSION,
	.config = plugin_config,
	.config_complete = plugin_config_complete,
	.after_fork = plugin_after_fork,
	.unload = plugin_unload,
	.list_exports = plugin_list_exports,
	.default_export = plugin_default_export,
	.export_description = plugin_export_description,
	.open = plugin_open,
	.get_size = plugin_get_size,
	.can_multi_conn = yes,
	.can_extents = yes,
	.can_cache = plugin_can_cache,
	.block_size = plugin_block_size,
	.pread = plugin_pread,
	.cache = plugin_cache,
	.extents = plugin_extents,
};

struct nbdkit_plugin *plugin_init(void);
NBDKIT_REGISTER_PLUGIN(plugin)
