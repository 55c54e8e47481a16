/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/context.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "cli/passphrase.h"
#include "cli/words.h"

/* Set and not empty, or NULL. */
static const char *environment(const char *name)
{
	const char *value = getenv(name);
	return value && value[0] ? value : NULL;
}

static char *folder_of_user(const char *xdg_name, const char *below_home)
{
	const char *folder = environment(xdg_name);
	if (folder && folder[0] == '/') /* the XDG specification: what is relative is to be ignored */
		return file_join(folder, "salvor");
	const char *home = environment("HOME");
	return file_format("%s/%s/salvor", home ? home : "", below_home);
}

static char *state_folder(const char *said)
{
	if (said)
		return strdup(said);
	return geteuid() == 0 ? strdup("/var/lib/salvor") : folder_of_user("XDG_STATE_HOME", ".local/state");
}

static char *cache_folder(const char *said)
{
	if (said)
		return strdup(said);
	return geteuid() == 0 ? strdup("/var/cache/salvor") : folder_of_user("XDG_CACHE_HOME", ".cache");
}

static const char *first_of(const char *a, const char *b)
{
	return a ? a : b;
}

bool context_prepare(struct context *context, struct err **errp)
{
	if (!conf_load(NULL, &context->conf, errp))
		return err_prefix(errp, "configuration");
	context->state_dir = state_folder(first_of(environment("SALVOR_STATE_DIR"), context->conf.state_dir));
	context->cache_dir = cache_folder(first_of(environment("SALVOR_CACHE_DIR"), context->conf.cache_dir));
	return (context->state_dir && context->cache_dir) || err_set_no_memory(errp);
}

void context_release(struct context *context)
{
	options_release(&context->options);
	conf_release(&context->conf);
	free(context->state_dir);
	free(context->cache_dir);
	context->state_dir = context->cache_dir = NULL;
}

const char *context_repository_url(const struct context *context, struct err **errp)
{
	const char *said = first_of(context->options.repo, environment("SALVOR_REPO"));
	const char *url = first_of(said, first_of(context->remembered_repo, context->conf.repo));
	if (!url)
		err_set(errp, ERR_USAGE, "which repository? Say --repo URL, or set SALVOR_REPO");
	return url;
}

/* NULL where a passphrase is to open it. What the configuration says counts after every word of the environment. */
static const char *key_file(const struct context *context)
{
	const char *said = first_of(context->options.key, environment("SALVOR_KEY_FILE"));
	return said || passphrase_in_environment() ? said : context->conf.key_file;
}

static struct backend_cache_options cache_for(enum context_use use, const char *folder)
{
	return (struct backend_cache_options){.folder = use == CONTEXT_CHECK ? NULL : folder,
					      .max_bytes = BACKEND_CACHE_BYTES,
					      .extent = use == CONTEXT_WRITE ? CACHE_RECORDS : CACHE_TREES,
					      .fresh = use == CONTEXT_PROVE};
}

struct repository *context_open_repository(const struct context *context, enum context_use use, struct err **errp)
{
	AUTO(passphrase_wipe) struct passphrase passphrase = {0};
	AUTO(freep) char *cache = file_join(context->cache_dir, "objects");
	const char *rate = first_of(context->options.limit_rate, context->conf.limit_rate);
	struct repository_options options = {.url = context_repository_url(context, errp),
					     .cancel = &context->cancel,
					     .cache = cache_for(use, cache),
					     .state_dir = context->state_dir};
	if (!cache) {
		err_set_no_memory(errp);
		return NULL;
	}
	if (!options.url || (rate && !words_parse_size("limit-rate", rate, &options.limit_rate, errp)))
		return NULL;
	options.key.key_file = key_file(context);
	if (!options.key.key_file) {
		if (!passphrase_get(context->conf.passphrase_file, &context->cancel, &passphrase, errp))
			return NULL;
		options.key.passphrase = passphrase_span(&passphrase);
	}
	return repository_open(&options, errp);
}

struct progress_line *context_progress(const struct context *context, struct progress *progress, const char *verb,
				       const char *extra_word, struct err **errp)
{
	return context->options.quiet ? NULL : progress_line_start(progress, verb, extra_word, false, errp);
}

bool context_explain_interruption(struct err **errp, const char *what_is_left)
{
	if (err_code(*errp) != ERR_CANCELLED)
		return false;
	err_clear(errp);
	return err_set(errp, ERR_CANCELLED, "interrupted; %s", what_is_left);
}
