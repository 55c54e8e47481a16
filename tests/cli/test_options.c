/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "tests/unit.h"

enum { WORDS_MAX = 16 };

/* Words as a shell would cut them, at blanks. */
static bool parse(const char *line, struct options *ret, struct err **errp)
{
	char *argv[WORDS_MAX + 1], *rest = NULL;
	AUTO(freep) char *copy = strdup(line);
	int argc = 0;
	for (char *word = strtok_r(copy, " ", &rest); word && argc < WORDS_MAX; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	argv[argc] = NULL;
	return options_parse(argc, argv, ret, errp);
}

static void global_options_stand_anywhere(void **state)
{
	static const char *const lines[] = {
		"salvor --repo /r --json backup web01",
		"salvor backup web01 --repo /r --json",
		"salvor --json backup --repo=/r web01",
		"salvor --repo /x backup --json --repo /r -- web01",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
		struct err *err = NULL;
		AUTO(options_release) struct options options = {0};
		assert_true(parse(lines[i], &options, &err));
		assert_ptr_equal(options.verb, &verb_backup);
		assert_string_equal(options.repo, "/r");
		assert_true(options.json);
		assert_int_equal(options.operands.n, 1);
		assert_string_equal(options.operands.items[0], "web01");
	}
}

static void lists_keep_all_and_texts_the_last(void **state)
{
	struct err *err = NULL;
	AUTO(options_release) struct options options = {0};
	(void)state;
	assert_true(parse("salvor backup a --disk x.raw --disk vdb=y.raw --spill-dir /1 --spill-dir /2 -q", &options,
			  &err));
	assert_int_equal(options.disks.n, 2);
	assert_string_equal(options.disks.items[0], "x.raw");
	assert_string_equal(options.disks.items[1], "vdb=y.raw");
	assert_string_equal(options.spill_dir, "/2");
	assert_true(options.quiet);
	assert_false(options.full);
}

static void wrong_usage_is_named(void **state)
{
	static const struct {
		const char *line, *said;
	} cases[] = {
		{"salvor", "what is to be done"},
		{"salvor bakcup web01", "did you mean 'backup'"},
		{"salvor frobnicate", "'frobnicate'"},
		{"salvor backup", "usage: salvor backup DOMAIN"},
		{"salvor backup a b", "or: salvor backup NAME --disk"},
		{"salvor status extra", "usage: salvor status"},
		{"salvor backup web01 --fulll", "did you mean '--full'"},
		{"salvor backup web01 --nonsense=1", "unknown option '--nonsense'"},
		{"salvor --disk x backup web01", "before the verb"},
		{"salvor --jsno points", "did you mean '--json'"},
		{"salvor backup web01 --connect", "'--connect' needs a value"},
		{"salvor backup web01 --full=yes", "'--full' takes no value"},
		{"salvor backup web01 --connect=", "--connect needs a URI"},
		{"salvor points -x", "'-x'"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(options_release) struct options options = {0};
		assert_false(parse(cases[i].line, &options, &err));
		assert_int_equal(err_code(err), ERR_USAGE);
		if (!strstr(err_message(err), cases[i].said))
			fail_msg("'%s' said: %s", cases[i].line, err_message(err));
	}
}

static void questions_need_nothing_else_to_be_right(void **state)
{
	static const char *const lines[] = {"salvor backup --help", "salvor backup --connect= --help",
					    "salvor --help backup --nonsense", "salvor backup --nonsense --version"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
		struct err *err = NULL;
		AUTO(options_release) struct options options = {0};
		assert_true(parse(lines[i], &options, &err));
		assert_ptr_equal(options.verb, &verb_backup);
		assert_true(options.help || options.version);
	}
}

/* Whatever a table names is stored where the table says, and nothing is there twice. */
static void every_option_is_understood(const struct verb *verb, const struct option_spec *spec)
{
	char line[128];
	struct err *err = NULL;
	AUTO(options_release) struct options options = {0};
	snprintf(line, sizeof(line), "salvor %s --help --%s%s", verb->name, spec->name, spec->argument ? " value" : "");
	assert_true(parse(line, &options, &err));
	const void *place = (const char *)&options + spec->offset;
	if (!spec->argument)
		assert_true(*(const bool *)place);
	else if (spec->kind == OPTION_TEXT)
		assert_string_equal(*(const char *const *)place, "value");
	else
		assert_string_equal(((const struct text_list *)place)->items[0], "value");
	assert_ptr_equal(verb_option(verb, spec->name), spec);
}

static void tables_are_parsed(void **state)
{
	(void)state;
	for (const struct verb *const *verb = verbs; *verb; verb++) {
		for (const struct option_spec *spec = (*verb)->options; spec->name; spec++)
			every_option_is_understood(*verb, spec);
		for (const struct option_spec *spec = global_options; spec->name; spec++)
			every_option_is_understood(*verb, spec);
	}
}

static void json_is_seen_in_words_that_are_wrong(void **state)
{
	char *with[] = {"salvor", "bogus", "--json"}, *behind[] = {"salvor", "points", "--", "--json"};
	(void)state;
	assert_true(options_want_json(3, with));
	assert_false(options_want_json(4, behind));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(global_options_stand_anywhere),
		cmocka_unit_test(lists_keep_all_and_texts_the_last),
		cmocka_unit_test(wrong_usage_is_named),
		cmocka_unit_test(questions_need_nothing_else_to_be_right),
		cmocka_unit_test(tables_are_parsed),
		cmocka_unit_test(json_is_seen_in_words_that_are_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
