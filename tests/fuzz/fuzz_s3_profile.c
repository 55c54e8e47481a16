/* SPDX-License-Identifier: Apache-2.0 */
/* A file of profiles, read as either of the two. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/s3/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"default", "other"};
	for (int i = 0; i < 4; i++) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(s3_profile_release) struct s3_profile profile = {0};
		bool found;
		enum s3_profile_file file = i % 2 == 0 ? S3_PROFILE_CREDENTIALS : S3_PROFILE_CONFIG;
		bool ok = s3_profile_parse(SPAN(data, size), file, names[i / 2], &profile, &found, &err);
		assert(ok == (err == NULL));
	}
	return 0;
}
