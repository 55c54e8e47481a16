/* SPDX-License-Identifier: Apache-2.0 */
/* One profile of the files that Amazon's tools keep: ~/.aws/credentials and ~/.aws/config. */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/compiler.h"

struct err;

/* NULL where the files are silent. */
struct s3_profile {
	char *access_key, *secret, *token, *region, *endpoint, *ca_bundle;
	char *elsewhere; /* the name of a setting that gets the keys in a way that we do not know, as role_arn */
};

/* In `config` the section of a profile begins with the word "profile", but for the one named default. */
enum s3_profile_file { S3_PROFILE_CREDENTIALS, S3_PROFILE_CONFIG };

/*
 * Adds what the section of `name` says, and says whether there is one; what *profile has already stays. Lines that are
 * not ours are passed over. ERR_USAGE names the line of a setting without '='. *profile is to be released on failure,
 * too.
 */
NODISCARD bool s3_profile_parse(struct span text, enum s3_profile_file file, const char *name,
				struct s3_profile *profile, bool *ret_found, struct err **errp);
/* From both files, where they are; AWS_PROFILE names the profile. ERR_USAGE when it was named and is not there. */
NODISCARD bool s3_profile_load(struct s3_profile *ret, struct err **errp);
void s3_profile_release(struct s3_profile *profile);
