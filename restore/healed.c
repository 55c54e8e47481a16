/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/healed.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"

enum { ID_DIGITS = 12 };

static const char *stream_text(const struct stream *stream)
{
	return stream->kind == STREAM_DISK ? "disk " : "";
}

/* "point 3f9a12bc0d4e (2026-11-22T07:00:00Z)", and who else. */
static char *source_text(const struct rescue_healed *healed)
{
	char id[2 * POINT_ID_SIZE + 1], time[CLOCK_TEXT_SIZE];
	const char *others = healed->others ? " and others" : "";

	if (!healed->from)
		return file_format("where another backup stored the same%s", others);
	return file_format("point %.*s (%s)%s", ID_DIGITS, hex_encode(healed->from->id, POINT_ID_SIZE, id),
			   clock_format(healed->from->cut_ns, time), others);
}

static char *part_text(const struct rescue_healed *healed)
{
	const char *kind = stream_text(healed->stream), *name = healed->stream->name;
	const char *tree = healed->nodes ? " and parts of its tree" : "";

	if (healed->chunks == 0)
		return file_format("parts of the tree of %s%s are", kind, name);
	return file_format("%" PRIu64 " chunk%s of %s%s%s %s", healed->chunks, healed->chunks == 1 ? "" : "s", kind,
			   name, tree, healed->chunks == 1 && !healed->nodes ? "is" : "are");
}

char *healed_text(const struct rescue_healed *healed)
{
	bool one = healed->chunks == 1 && !healed->nodes;
	AUTO(freep) char *part = part_text(healed);
	AUTO(freep) char *source = source_text(healed);

	return part && source
		       ? file_format("%s damaged here, and %s read from %s instead", part, one ? "was" : "were", source)
		       : NULL;
}

char *healed_text_begun(const struct rescue_healed *healed)
{
	AUTO(freep) char *source = source_text(healed);

	return source ? file_format("what is damaged of %s%s is read from %s instead", stream_text(healed->stream),
				    healed->stream->name, source)
		      : NULL;
}
