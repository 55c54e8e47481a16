/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tracking.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/json.h"

#define TRACKING_FILE_MAX 4096

static void free_text(char **text)
{
	free(*text);
}

/* STATE/workloads/<id in hex><suffix>, with its folder made; a new string. */
static char *workload_path(const struct repository *repository, const struct workload *workload, const char *suffix,
			   struct err **errp)
{
	const char *state = repository_state_path(repository);
	char id[2 * sizeof(workload->id) + 1];

	if (!state) {
		err_set(errp, ERR_DENIED,
			"the state folder cannot be written to, and a backup needs it: set SALVOR_STATE_DIR");
		return NULL;
	}
	AUTO(free_text) char *folder = file_join(state, "workloads");
	if (!folder) {
		err_set_no_memory(errp);
		return NULL;
	}
	if (!file_make_folders(folder, 0700, errp))
		return NULL;
	char *path = file_format("%s/%s%s", folder, hex_encode(workload->id, sizeof(workload->id), id), suffix);

	if (!path)
		err_set_no_memory(errp);
	return path;
}

bool tracking_lock(const struct repository *repository, const struct workload *workload, int *ret_fd, struct err **errp)
{
	AUTO(free_text) char *path = workload_path(repository, workload, ".lock", errp);
	struct err *err = NULL;

	if (!path)
		return false;
	if (file_lock(path, ret_fd, &err))
		return true;
	if (err_code(err) != ERR_BUSY)
		return err_move(errp, &err);
	err_free(err);
	return err_set(errp, ERR_BUSY,
		       "another backup of it is running on this host: wait for it, or end it, and try again");
}

static bool parse(const struct json *json, struct tracking *ret)
{
	const char *session = json_get_text(json, "session");
	const char *point = json_get_text(json, "point");
	const char *change_map = json_get_text(json, "change_map");

	if (!session || !point || !change_map || strlen(change_map) > TRACKING_MAX)
		return false;
	if (!session_id_parse(session, &ret->session) || !hex_decode(point, ret->point, sizeof(ret->point)))
		return false;
	memcpy(ret->change_map, change_map, strlen(change_map) + 1);
	return true;
}

bool tracking_load(const struct repository *repository, const struct workload *workload, struct tracking *ret,
		   struct err **errp)
{
	AUTO(free_text) char *path = workload_path(repository, workload, ".json", errp);
	AUTO(bytes_release) struct bytes text = {0};
	struct tracking found = {.known = true};
	struct err *err = NULL;

	*ret = (struct tracking){0};
	if (!path)
		return false;
	if (!file_read_all(path, TRACKING_FILE_MAX, &text, &err)) {
		err_free(err);
		return true;
	}
	bytes_u8(&text, 0);
	AUTO(json_freep) struct json *json = bytes_ok(&text) ? json_parse((const char *)text.data, path, &err) : NULL;
	if (json && parse(json, &found))
		*ret = found;
	err_free(err);
	return true;
}

bool tracking_save(const struct repository *repository, const struct workload *workload,
		   const struct tracking *tracking, struct err **errp)
{
	char session[SESSION_TEXT_SIZE], point[2 * POINT_ID_SIZE + 1];
	AUTO(free_text) char *path = workload_path(repository, workload, ".json", errp);
	AUTO(json_freep) struct json *json = json_new_object();

	if (!path)
		return false;
	json_set(json, "session", json_new_text(session_id_text(&tracking->session, session)));
	json_set(json, "point", json_new_text(hex_encode(tracking->point, POINT_ID_SIZE, point)));
	json_set(json, "change_map", json_new_text(tracking->change_map));
	AUTO(free_text) char *text = json_to_text(json);
	if (!text)
		return err_set_no_memory(errp);
	return file_replace(path, SPAN(text, strlen(text)), 0600, errp);
}
