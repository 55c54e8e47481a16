/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"

enum { OPEN_FOLDERS = 16 };

int folder_enter(void **state)
{
	const char *temporary = getenv("TMPDIR");
	char *folder = NULL;
	if (asprintf(&folder, "%s/salvor-test-XXXXXX", temporary && *temporary ? temporary : "/var/tmp") < 0)
		return -1;
	*state = folder;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
	(void)st, (void)type, (void)place;
	return remove(path);
}

int folder_leave(void **state)
{
	AUTO(freep) char *folder = *state;
	return chdir("/") == 0 && nftw(folder, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : -1;
}
