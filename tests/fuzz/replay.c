/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target once on every file of a corpus folder, for builds without libFuzzer. */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"

enum { INPUT_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool replay_file(const char *path, struct err **errp)
{
	AUTO(bytes_release) struct bytes input = {0};
	if (!file_read_all(path, INPUT_MAX, &input, errp))
		return false;
	/* A copy of exactly that size, so that a sanitizer sees the first byte beyond it. */
	AUTO(bytes_release) struct bytes exact;
	bytes_init(&exact, input.len);
	bytes_put(&exact, input.data, input.len);
	(void)LLVMFuzzerTestOneInput(exact.data, exact.len);
	return true;
}

static bool is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int replay_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	if (!dir) {
		perror(folder);
		return EXIT_FAILURE;
	}
	AUTO(err_freep) struct err *err = NULL;
	unsigned replayed = 0;
	for (struct dirent *entry; !err && (entry = readdir(dir));) {
		char path[PATH_MAX];
		int len = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (len < (int)sizeof(path) && is_file(path) && replay_file(path, &err))
			replayed++;
	}
	closedir(dir);
	if (err)
		fprintf(stderr, "%s\n", err_message(err));
	if (replayed == 0)
		fprintf(stderr, "%s: no input to replay\n", folder);
	return err || replayed == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	return replay_folder(argv[1]);
}
