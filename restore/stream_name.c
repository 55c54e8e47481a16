/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/stream_name.h"

#include <string.h>

#include "base/err.h"
#include "storage/point.h"

bool stream_name_check(const struct stream *stream, struct err **errp)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char *name = stream->name;
	if (*name && *name != '.' && *name != '-' && name[strspn(name, letters)] == '\0')
		return true;
	return err_set(errp, ERR_CORRUPT, "stream %u of the point has a name that is not one of a file",
		       stream->number);
}
