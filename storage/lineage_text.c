/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "storage/lineage.h"

#define CLAUSE_SIZE (WORKLOAD_NAME_MAX + 64)

const char *lost_point_writer(const struct repository *repository, const struct lost_point *lost)
{
	const struct keyring_member *writer = keyring_find(repository_keyring(repository), lost->session.writer);

	return writer ? writer->name : "?";
}

static const char *workload_clause(const struct lost_point *lost, char text[CLAUSE_SIZE])
{
	switch (lost->knowledge) {
	case WORKLOAD_KNOWN:
		snprintf(text, CLAUSE_SIZE, "of '%s'", lost->workload);
		return text;
	case WORKLOAD_OF_OTHERS:
		snprintf(text, CLAUSE_SIZE, "whose other points are of '%s'", lost->workload);
		return text;
	case WORKLOAD_SEVERAL:
		return "who protects several workloads";
	case WORKLOAD_NONE:
		break;
	}
	return "of whose points none is left";
}

static const char *begin_clause(const struct lost_point *lost, char text[CLOCK_TEXT_SIZE + 16])
{
	char time[CLOCK_TEXT_SIZE];

	if (lost->begun_ns == 0)
		return "";
	snprintf(text, CLOCK_TEXT_SIZE + 16, ", begun at %s", clock_format(lost->begun_ns, time));
	return text;
}

static const char *witness_clause(const struct lost_point *lost, char text[CLAUSE_SIZE])
{
	char time[CLOCK_TEXT_SIZE];

	switch (lost->witness) {
	case WITNESS_MEMORY:
		return "it was the newest of that writer that was seen from here";
	case WITNESS_NEXT_POINT:
		snprintf(text, CLAUSE_SIZE, "the writer's next point, of %s, names it",
			 clock_format(lost->before_ns, time));
		return text;
	case WITNESS_CHECKPOINT:
		return "the newest collection names it";
	case WITNESS_RECEIPT:
		break;
	}
	return "a receipt of its verification is there";
}

static const char *replaced_sentence(enum lineage_witness witness)
{
	switch (witness) {
	case WITNESS_MEMORY:
		return "is not the commit that was seen here before";
	case WITNESS_NEXT_POINT:
		return "is not the commit that the writer's next point names";
	case WITNESS_CHECKPOINT:
	case WITNESS_RECEIPT:
		break;
	}
	return "is not the commit that the newest collection names";
}

char *lost_point_text(const struct repository *repository, const struct lost_point *lost)
{
	char workload[CLAUSE_SIZE], begin[CLOCK_TEXT_SIZE + 16], witness[CLAUSE_SIZE];

	if (lost->replaced)
		return strdup(replaced_sentence(lost->witness));
	if (lost->unlisted)
		return file_format("a point of the writer '%s', %s, is there, but the list of the store does not have "
				   "it yet: ask again later",
				   lost_point_writer(repository, lost), workload_clause(lost, workload));
	return file_format("a point of the writer '%s', %s, has vanished (session %" PRIu64
			   "%s): %s; find out who changed the repository, and back up again",
			   lost_point_writer(repository, lost), workload_clause(lost, workload), lost->session.number,
			   begin_clause(lost, begin), witness_clause(lost, witness));
}

char *lost_point_traces(const struct repository *repository, const struct lost_point *lost)
{
	char workload[CLAUSE_SIZE], begin[CLOCK_TEXT_SIZE + 16];

	return file_format("session %" PRIu64 "%s, of the writer '%s', %s", lost->session.number,
			   begin_clause(lost, begin), lost_point_writer(repository, lost),
			   workload_clause(lost, workload));
}
