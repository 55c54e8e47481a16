/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of a verb: what it takes, and what is to be said about it (base/manual.h). The one source of parsing,
 * --help, manual page and completion. Pure data: the programs that make the manual pages link it without the rooms
 * below.
 */
#pragma once

#include "base/manual.h"
#include "cli/options.h"

#define VERB_SYNOPSES 8
#define ANY_NUMBER 65535u

/* What there are names of, for completion: of operands, and as words of COMPLETE_NAMES. */
#define NAMES_MACHINES "machines"
#define NAMES_WORKLOADS "workloads"
#define NAMES_POINTS "points"

struct verb {
	const char *name;
	const char *summary;		     /* "makes a repository" */
	const char *synopses[VERB_SYNOPSES]; /* what stands behind "salvor NAME" */
	unsigned min_operands, max_operands;
	const char *operand_words; /* what the first operand may be, for completion; or NULL */
	const char *named_words;   /* those of them that a name stands behind; NULL: names need no word before them */
	const char *names;	   /* what the operands are the names of; NULL: of nothing that is known */
	const char *about;
	const struct option_spec *options;
	const struct example *examples;
	const char *attention; /* why it may exit with 3; NULL: it never does */
	const char *damage;    /* why it may exit with 4; likewise */
	const char *see_also;  /* one more manual page, "salvor-vmm 8"; or NULL */
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
