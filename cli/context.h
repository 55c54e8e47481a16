/* SPDX-License-Identifier: Apache-2.0 */
/* What every verb works with: what was said, the configuration, where things are remembered, and whether to stop. */
#pragma once

#include <stdbool.h>

#include "base/cancel.h"
#include "base/conf.h"
#include "base/progress.h"
#include "cli/options.h"
#include "storage/repository.h"

enum exit_status { EXIT_DONE = 0, EXIT_ATTENTION = 3, EXIT_DAMAGE = 4 };

struct context {
	struct options options;
	struct conf conf;
	char *state_dir, *cache_dir;
	const char *remembered_repo; /* of what the verb is about; NULL: none. Borrowed */
	struct cancel cancel;	     /* requested by SIGINT and SIGTERM */
	enum exit_status status;     /* of a verb that succeeds */
	bool json_written;	     /* the one object is out */
};

/* Reads the configuration and settles the folders; options are there already. */
NODISCARD bool context_prepare(struct context *context, struct err **errp);
void context_release(struct context *context);

/* --repo, SALVOR_REPO, what is remembered, or the configuration. ERR_USAGE when none is named; borrowed. */
const char *context_repository_url(const struct context *context, struct err **errp);
/* How a repository that is far away may be answered for by what was kept of it. */
enum context_use {
	CONTEXT_CHECK, /* nothing may: it is about what the store has */
	CONTEXT_WRITE, /* what a LIST decides about */
	CONTEXT_READ,  /* whatever is authenticated when it is read */
	CONTEXT_PROVE, /* what this run has fetched */
};
/* Opens it with the key or passphrase that was said, or asks for it. */
NODISCARD struct repository *context_open_repository(const struct context *context, enum context_use use,
						     struct err **errp);

/* As progress_line_start(), but nothing under --quiet. */
NODISCARD struct progress_line *context_progress(const struct context *context, struct progress *progress,
						 const char *verb, const char *extra_word, struct err **errp);
/* After a failure: where it was the interruption, says what is left of the work. Returns false. */
bool context_explain_interruption(struct err **errp, const char *what_is_left);
