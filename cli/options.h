/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person said on the command line, in one struct that is passed down. Which options a verb has is in its table
 * (cli/verb.h); from the same tables come the parser, --help, the manual pages and the completion.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/text_list.h"

struct err;
struct verb;

/* Texts are NULL and lists empty where nothing was said. In the order of the verbs, which leaves gaps. */
struct options { // NOLINT(clang-analyzer-optin.performance.Padding)
	/* Of all verbs. */
	const char *repo, *key, *limit_rate;
	bool json, verbose, quiet, help, version;
	/* init */
	const char *recovery_key, *owner;
	bool no_recovery_key, single_writer;
	/* backup; disks of restore and export, too */
	struct text_list disks;
	const char *connect, *spill_dir, *spill_limit, *freeze_timeout;
	bool full;
	/* diff */
	bool ranges;
	/* restore */
	const char *to, *format;
	bool force, keep_damaged;
	/* export */
	const char *socket;
	/* boot */
	const char *memory, *accelerator;
	bool network;
	/* scrub */
	const char *level;
	bool anew;
	/* verify */
	const char *expect, *timeout, *jobs, *evidence, *receipt;
	bool all, newest, agent, accept_screen;
	/* receipt; and out, as of key */
	const char *html;
	/* vm; and disks, memory, force and timeout, as of others */
	const char *vcpus, *from;
	struct text_list taps, passts;
	/* key */
	const char *name, *role, *out;

	const struct verb *verb;   /* NULL when only --help or --version was asked for */
	struct text_list operands; /* what stands behind the verb, without options */
	struct text_list owned;	   /* every text above is one of these */
};

/* ERR_USAGE in one sentence that names the word, and the nearest that exists. ret is to be released on failure, too. */
NODISCARD bool options_parse(int argc, char **argv, struct options *ret, struct err **errp);
void options_release(struct options *options);
/* Whether the words ask for --json: for failures to understand the rest of them. */
bool options_want_json(int argc, char **argv);
