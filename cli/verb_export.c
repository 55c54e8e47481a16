/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/nearest.h"
#include "cli/known.h"
#include "cli/report.h"
#include "cli/run.h"
#include "restore/export.h"

DEFINE_AUTO_FREE(struct export, export_stop);

/* Called by a thread of the export's own. */
static void complain(void *arg, enum export_complaint kind, const char *text)
{
	(void)arg;
	(void)kind;
	report_note(NULL, text);
}

static bool choose(const struct context *context, struct export_options *ret, struct err **errp)
{
	const struct options *options = &context->options;
	if (!options->socket)
		return err_set(errp, ERR_USAGE, "at which socket? Say --socket PATH");
	if (options->disks.n > 1)
		return err_set(errp, ERR_USAGE, "say --disk once, or not at all for every disk");
	ret->socket = options->socket;
	ret->disk = options->disks.n ? options->disks.items[0] : NULL;
	ret->state_dir = context->state_dir;
	ret->cancel = &context->cancel;
	ret->complain = complain;
	return true;
}

/* What the server would say, too, but later and without the names. */
static bool check_disk(const struct point *point, const char *disk, struct err **errp)
{
	const struct stream *stream = disk ? point_stream(point, disk) : NULL;
	if (!disk || (stream && stream->kind == STREAM_DISK))
		return true;
	struct nearest nearest;
	nearest_init(&nearest, disk);
	for (size_t i = 0; i < point->n_streams; i++)
		if (point->streams[i].kind == STREAM_DISK)
			nearest_offer(&nearest, point->streams[i].name);
	if (nearest.best)
		return err_set(errp, ERR_NOT_FOUND, "the point has no disk '%s'; the nearest is '%s'", disk,
			       nearest.best);
	return err_set(errp, ERR_NOT_FOUND, "the point has no disk '%s'; 'salvor show' lists what it has", disk);
}

static bool is_served(const struct stream *stream, const char *disk)
{
	return stream->kind == STREAM_DISK && (!disk || strcmp(stream->name, disk) == 0);
}

static bool print_uris(const struct export *export, const struct point *point, const char *disk, struct json *uris,
		       struct err **errp)
{
	for (size_t i = 0; i < point->n_streams; i++) {
		const struct stream *stream = &point->streams[i];
		if (!is_served(stream, disk))
			continue;
		AUTO(freep) char *uri = export_uri(export, stream->name);
		if (!uri)
			return err_set_no_memory(errp);
		if (!uris) {
			printf("%s\n", uri);
			continue;
		}
		struct json *json = json_new_object();
		json_set(json, "name", json_new_text(stream->name));
		json_set(json, "uri", json_new_text(uri));
		json_append(uris, json);
	}
	return true;
}

static bool announce(struct context *context, const struct export *export, const struct point *point, const char *disk,
		     struct err **errp)
{
	char id[POINT_ID_TEXT_SIZE];
	if (!context->options.json)
		return print_uris(export, point, disk, NULL, errp) && report_flush(errp);
	AUTO(json_freep) struct json *uris = json_new_array();
	if (!print_uris(export, point, disk, uris, errp))
		return false;
	struct json *json = json_new_object();
	json_set(json, "point", json_new_text(point_id_text(point->id, id)));
	json_set(json, "uris", STEAL(&uris));
	return report_json(context, json, errp);
}

static bool serve(struct context *context, const struct repository *repository, const struct point *point,
		  const struct export_options *options, struct err **errp)
{
	AUTO(export_stopp) struct export *export = export_start(repository, point, options, errp);
	return export && announce(context, export, point, options->disk, errp) &&
	       export_wait(export, &context->cancel, errp);
}

bool run_export(struct context *context, struct err **errp)
{
	AUTO(point_release) struct point point = {0};
	atomic_bool met_damage = false;
	struct export_options options = {.foreign_clients = true, .met_damage = &met_damage};
	if (!choose(context, &options, errp))
		return false;
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_READ, errp);
	if (!repository || !point_find(repository, context->options.operands.items[0], &point, errp) ||
	    !check_disk(&point, options.disk, errp))
		return false;
	report_missed(context, &point);
	known_warn_of_damage(repository, &point);
	if (!serve(context, repository, &point, &options, errp))
		return false;
	return !atomic_load(&met_damage) ||
	       err_set(errp, ERR_CORRUPT,
		       "what is damaged could not be served, and clients were told of read errors; 'salvor scrub' says "
		       "which points it hurts");
}
