/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be said about a program, or about a verb of one, as tables and texts; and the parts of its help for a
 * terminal (help_…) and of its manual page in mdoc(7) (mdoc_…), both from them.
 *
 * Texts are plain. In paragraphs, an empty line ends one. Lists end with an entry whose first member is NULL; that of
 * statuses with one that has no text.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

enum option_kind {
	OPTION_FLAG,	 /* a bool */
	OPTION_QUESTION, /* a bool, as --help: it is answered, whatever else is said */
	OPTION_TEXT,	 /* a const char *; said twice, the last one counts */
	OPTION_LIST,	 /* a struct text_list (base/text_list.h) */
	OPTION_NUMBER,	 /* an int; the last one counts, too */
};

/* What a shell may offer in an option's place. Names are of what the program knows. */
enum completion { COMPLETE_NOTHING, COMPLETE_FILE, COMPLETE_FOLDER, COMPLETE_WORDS, COMPLETE_NAMES };

struct option_spec {
	const char *name; /* without dashes */
	char letter;	  /* 0: none */
	enum option_kind kind;
	const char *argument; /* "FILE"; NULL for flags */
	const char *fallback; /* what counts when it is not said; NULL where that goes without saying */
	const char *text;     /* a phrase without a capital and without a full stop */
	enum completion completion;
	const char *words; /* for COMPLETE_WORDS, separated by blanks; for COMPLETE_NAMES, what it calls such names */
	size_t offset;	   /* into the program's struct of options */
};

struct example {
	const char *text, *command;
};

/* An environment variable, a file, or what else has a name and is to be explained. */
struct place_spec {
	const char *name, *text;
};

struct status_spec {
	int status;
	const char *text;
};

void help_paragraphs(FILE *out, const char *text);
void help_options(FILE *out, const char *heading, const struct option_spec *specs);
void help_places(FILE *out, const char *heading, const struct place_spec *places);
void help_examples(FILE *out, const struct example *examples);
void help_statuses(FILE *out, const struct status_spec *statuses);

struct mdoc_head {
	const char *name; /* "salvor-restore" */
	int section;
	const char *summary; /* "make images of a point" */
};
/* Up to, and with, the heading of the synopsis. */
void mdoc_head(FILE *out, const struct mdoc_head *head);
/* Text that goes on where a line begins. */
void mdoc_line(FILE *out, const char *text);
void mdoc_paragraphs(FILE *out, const char *text);
void mdoc_options(FILE *out, const struct option_spec *specs);
/* `macro` is the one of names: "Ev". */
void mdoc_places(FILE *out, const char *heading, const char *macro, const struct place_spec *places);
void mdoc_examples(FILE *out, const struct example *examples);
void mdoc_statuses(FILE *out, const struct status_spec *statuses);
