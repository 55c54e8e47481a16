/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/point.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "storage/commit.h"

void point_release(struct point *point)
{
	free(point->streams);
	*point = (struct point){0};
}

const struct stream *point_stream(const struct point *point, const char *name)
{
	for (size_t i = 0; i < point->n_streams; i++)
		if (strcmp(point->streams[i].name, name) == 0)
			return &point->streams[i];
	return NULL;
}

uint64_t point_bytes(const struct point *point)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < point->n_streams; i++)
		if (point->streams[i].kind == STREAM_DISK)
			bytes += point->streams[i].shape.size;
	return bytes;
}

bool point_check_workload(const char *name, struct err **errp)
{
	size_t len = strlen(name);

	if (len < 1 || len > WORKLOAD_NAME_MAX)
		return err_set(errp, ERR_USAGE, "the name of a workload has 1 to %d bytes", WORKLOAD_NAME_MAX);
	return utf8_is_text(SPAN(name, len)) || err_set(errp, ERR_USAGE, "the name of a workload is text in UTF-8");
}

const char *consistency_text(enum consistency consistency)
{
	switch (consistency) {
	case CONSISTENCY_OFFLINE:
		return "offline";
	case CONSISTENCY_FROZEN:
		return "frozen";
	case CONSISTENCY_CRASH:
		return "crash";
	}
	return "unknown";
}

const char *stream_kind_text(enum stream_kind kind)
{
	static const char *const texts[] = {
		[STREAM_DISK] = "disk",		[STREAM_RAM] = "ram",
		[STREAM_FIRMWARE] = "firmware", [STREAM_DEFINITION] = "definition",
		[STREAM_ANSWERS] = "answers",
	};

	return kind >= STREAM_DISK && kind <= STREAM_ANSWERS ? texts[kind] : "unknown";
}

bool point_load(const struct repository *repository, const struct session_id *session, struct point *ret,
		struct err **errp)
{
	AUTO(commit_release) struct commit commit = {0};
	char name[SESSION_TEXT_SIZE];

	if (!commit_load(repository, session, &commit, errp))
		return false;
	if (commit.kind != COMMIT_POINT)
		return err_set(errp, ERR_NOT_FOUND, "session %s did not make a point", session_id_text(session, name));
	*ret = commit.point;
	commit.point = (struct point){0};
	return true;
}
