/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/crypto.h"
#include "storage/s3/profile.h"

enum { FILE_MAX = 1 << 20 };

static const struct place {
	const char *variable, *below_home;
} places[] = {
	[S3_PROFILE_CREDENTIALS] = {"AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"},
	[S3_PROFILE_CONFIG] = {"AWS_CONFIG_FILE", ".aws/config"},
};

static char *path_of(enum s3_profile_file file)
{
	const char *said = getenv(places[file].variable), *home = getenv("HOME");
	return said && *said ? strdup(said) : file_format("%s/%s", home ? home : "", places[file].below_home);
}

/* A file that is not there is silent. */
static bool load(enum s3_profile_file file, const char *name, struct s3_profile *profile, bool *ret_found,
		 struct err **errp)
{
	AUTO(bytes_release) struct bytes text = {0};
	AUTO(freep) char *path = path_of(file);
	if (!path)
		return err_set_no_memory(errp);
	*ret_found = false;
	if (access(path, F_OK) != 0)
		return true;
	if (!file_read_all(path, FILE_MAX, &text, errp))
		return false;
	bool parsed = s3_profile_parse(bytes_span(&text), file, name, profile, ret_found, errp);
	crypto_wipe(text.data, text.len);
	return parsed || err_prefix(errp, "%s", path);
}

bool s3_profile_load(struct s3_profile *ret, struct err **errp)
{
	const char *said = getenv("AWS_PROFILE");
	const char *name = said && *said ? said : "default";
	struct s3_profile profile = {0};
	bool in_credentials, in_config;
	bool loaded = load(S3_PROFILE_CREDENTIALS, name, &profile, &in_credentials, errp) &&
		      load(S3_PROFILE_CONFIG, name, &profile, &in_config, errp);
	if (loaded && !in_credentials && !in_config && name == said)
		loaded = err_set(errp, ERR_USAGE,
				 "AWS_PROFILE names '%s', which is neither in ~/.aws/credentials nor in ~/.aws/config",
				 name);
	if (!loaded) {
		s3_profile_release(&profile);
		return false;
	}
	*ret = profile;
	return true;
}
