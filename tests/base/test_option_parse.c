/* SPDX-License-Identifier: Apache-2.0 */
#include "base/option_parse.h"

#include <string.h>

#include "base/manual.h"
#include "base/text_list.h"
#include "tests/error.h"
#include "tests/unit.h"

enum { WORDS_MAX = 24 };

struct said {
	bool flag, question;
	const char *text;
	struct text_list list;
	int number, beside; /* nothing is stored beside a place */

	struct text_list operands, owned;
};

static const struct option_spec first[] = {
	{.name = "flag", .letter = 'f', .kind = OPTION_FLAG, .offset = offsetof(struct said, flag)},
	{.name = "question", .letter = 'q', .kind = OPTION_QUESTION, .offset = offsetof(struct said, question)},
	{.name = "text", .kind = OPTION_TEXT, .argument = "TEXT", .offset = offsetof(struct said, text)},
	{0},
};
static const struct option_spec second[] = {
	{.name = "list", .letter = 'l', .kind = OPTION_LIST, .argument = "ITEM", .offset = offsetof(struct said, list)},
	{.name = "number", .kind = OPTION_NUMBER, .argument = "N", .offset = offsetof(struct said, number)},
	{0},
};

static void said_release(struct said *said)
{
	text_list_release(&said->operands);
	text_list_release(&said->list);
	text_list_release_owned(&said->owned);
}

/* Words as a shell would cut them, at blanks; "''" is the empty one. */
static bool parse_as(const char *line, bool operands_end_options, struct said *ret, struct err **errp)
{
	const char *words[WORDS_MAX + 1] = {"program"};
	char *rest = NULL;
	AUTO(freep) char *copy = strdup(line);
	int n = 1;
	for (char *word = strtok_r(copy, " ", &rest); word && n < WORDS_MAX; word = strtok_r(NULL, " ", &rest))
		words[n++] = strcmp(word, "''") == 0 ? "" : word;
	*ret = (struct said){.number = -1, .beside = -1};
	const struct option_parse parse = {.tables = {first, second},
					   .options = ret,
					   .operands = &ret->operands,
					   .owned = &ret->owned,
					   .operands_end_options = operands_end_options,
					   .hint = "see the manual"};
	return option_parse(&parse, n, words, errp);
}

static void each_kind_has_its_place(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(said_release) struct said said = {0};
	assert_true(parse_as("-f one --text=a --list x -l y --number 0 two --text b --number 2147483647 -- -z", false,
			     &said, &err));
	assert_true(said.flag);
	assert_string_equal(said.text, "b");
	assert_int_equal(said.list.n, 2);
	assert_string_equal(said.list.items[0], "x");
	assert_string_equal(said.list.items[1], "y");
	assert_int_equal(said.number, 2147483647);
	assert_int_equal(said.beside, -1);
	assert_int_equal(said.operands.n, 3);
	assert_string_equal(said.operands.items[2], "-z");
}

static void the_first_operand_may_end_options(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(said_release) struct said said = {0};
	assert_true(parse_as("-f verb --unknown --text", true, &said, &err));
	assert_true(said.flag);
	assert_int_equal(said.operands.n, 3);
	assert_string_equal(said.operands.items[1], "--unknown");
}

static void wrong_words_are_named(void **state)
{
	static const struct {
		const char *line, *words;
	} cases[] = {
		{"--flagg", "unknown option '--flagg': did you mean '--flag'? see the manual"},
		{"--different=1", "unknown option '--different': see the manual"},
		{"-x", "unknown option '-x': see the manual"},
		{"--text", "option '--text' needs a value"},
		{"--flag=yes", "option '--flag' takes no value"},
		{"--text ''", "--text needs a TEXT that is not empty"},
		{"--list=", "--list needs an ITEM that is not empty"},
		{"--number ''", "--number needs an N that is not empty"},
		{"--number root", "--number 'root' is not a number of 0 or more"},
		{"--number 1x", "'1x' is not a number"},
		{"--number -1", "'-1' is not a number"},
		{"--number 2147483648", "'2147483648' is not a number"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(said_release) struct said said = {0};
		assert_false(parse_as(cases[i].line, false, &said, &err));
		assert_error(&err, ERR_USAGE, cases[i].words);
		assert_int_equal(said.number, -1);
	}
}

static void a_question_is_heard_whatever_else_is_said(void **state)
{
	static const char *const lines[] = {
		"--question", "--number root --question", "--unknown=1 -x --flag=yes --text '' -q",
		"-qx",	      "--question --list",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(said_release) struct said said = {0};
		assert_true(parse_as(lines[i], false, &said, &err));
		assert_true(said.question);
	}
	AUTO(err_freep) struct err *err = NULL;
	AUTO(said_release) struct said said = {0};
	assert_false(parse_as("--number root --unknown --flag -- --question", false, &said, &err));
	assert_error(&err, ERR_USAGE, "'root'");
	assert_true(said.flag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_has_its_place),
		cmocka_unit_test(the_first_operand_may_end_options),
		cmocka_unit_test(wrong_words_are_named),
		cmocka_unit_test(a_question_is_heard_whatever_else_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
