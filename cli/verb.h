/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of a verb: what it takes, and what is to be said about it. The one source of parsing, --help, manual page
 * and completion. Pure data: the programs that make the manual pages link it without the rooms below.
 *
 * Texts are plain. In `about`, an empty line ends a paragraph. Lists end with an entry whose first member is NULL.
 */
#pragma once

#include <stddef.h>

#include "cli/options.h"

enum option_kind {
	OPTION_FLAG, /* a bool */
	OPTION_TEXT, /* a const char *; said twice, the last one counts */
	OPTION_LIST, /* a struct text_list */
};

/* What a shell may offer in an option's place. */
enum completion { COMPLETE_NOTHING, COMPLETE_FILE, COMPLETE_FOLDER, COMPLETE_WORDS };

struct option_spec {
	const char *name; /* without dashes */
	char letter;	  /* 0: none */
	enum option_kind kind;
	const char *argument; /* "FILE"; NULL for flags */
	const char *fallback; /* what counts when it is not said; NULL where that goes without saying */
	const char *text;     /* a phrase without a capital and without a full stop */
	enum completion completion;
	const char *words; /* for COMPLETE_WORDS, separated by blanks */
	size_t offset;	   /* into struct options */
};

struct example {
	const char *text, *command;
};

/* Environment variables, and files, of the whole program. */
struct place_spec {
	const char *name, *text;
};

#define VERB_SYNOPSES 8
#define ANY_NUMBER 65535u

struct verb {
	const char *name;
	const char *summary;		     /* "makes a repository" */
	const char *synopses[VERB_SYNOPSES]; /* what stands behind "salvor NAME" */
	unsigned min_operands, max_operands;
	const char *operand_words; /* what the first operand may be, for completion; or NULL */
	const char *about;
	const struct option_spec *options;
	const struct example *examples;
	const char *attention; /* why it may exit with 3; NULL: it never does */
	const char *damage;    /* why it may exit with 4; likewise */
};

extern const struct verb verb_init, verb_backup, verb_points, verb_show, verb_diff, verb_restore, verb_export,
	verb_boot, verb_verify, verb_receipt, verb_scrub, verb_vm, verb_key, verb_status, verb_help;

/* In the order in which a person meets them; ends with NULL. */
extern const struct verb *const verbs[];
extern const struct option_spec global_options[];
extern const struct place_spec global_environment[], global_files[];
extern const char *const global_about;

/* NULL when there is none. */
const struct verb *verb_find(const char *name);
/* A verb's option, or a global one; NULL when there is none. `verb` may be NULL. */
const struct option_spec *verb_option(const struct verb *verb, const char *name);
