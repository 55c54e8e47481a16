/* SPDX-License-Identifier: Apache-2.0 */
/* What guests say to a terminal, as lines that steer none. */
#include "restore/plain_text.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "base/err.h"
#include "restore/console_text.h"
#include "restore/tail.h"
#include "tests/unit.h"

struct heard {
	char text[8192];
	size_t lines;
};

static void hear(void *arg, const char *line, bool whole)
{
	struct heard *heard = arg;
	size_t len = strlen(heard->text);
	snprintf(heard->text + len, sizeof(heard->text) - len, "%s%s", line, whole ? "|" : "~");
	heard->lines += whole;
}

static const struct {
	const char *said, *heard;
} rows[] = {
	{"a\nb\n", "a|b|"},
	{"a\r\nb\r\n", "a|b|"},
	{"login: ", "login: ~"},
	{"", ""},
	{"\n\n", "||"},
	{"\033[31mred\033[0m\n", "red|"},
	{"\033]0;title\007text\n", "text|"},
	{"\033]0;title\033\\text\n", "text|"},
	{"\033P1;2q pixels\033\\text\n", "text|"},
	{"\033cnew\n", "new|"},
	{"\033[999999999999999999999999H.\n", ".|"},
	{"10%\r20%\r30%\n", "30%|"},
	{"abc\b\bX\n", "aX|"},
	{"a\tb\n", "a b|"},
	{"bell\a nul\x7f\n", "bell nul|"},
	{"\033[\nnext\n", "|next|"}, /* what has no end hides no more than its line */
	{"\033]never ends\nnext\n", "|next|"},
	{"\033]title\033[1mbold\n", "bold|"},
	{"\033(Bline\n", "line|"},
	{"\033[1\033[2mtwo\n", "two|"},
	{"gr\xc3\xbc\xc3\x9f\n", "gr\xc3\xbc\xc3\x9f|"},
};

static void terminals_are_not_steered(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct plain_text text = {0};
		struct heard heard = {0};
		plain_text_add(&text, rows[i].said, strlen(rows[i].said), hear, &heard);
		assert_string_equal(heard.text, rows[i].heard);
	}
}

/* What is shown to people who read a receipt, and what is judged, are of one mind about what a sequence is. */
static void pages_show_what_is_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		AUTO(bytes_release) struct bytes page;
		struct plain_text text = {0}, again = {0};
		struct heard heard = {0}, from_page = {0};
		if (strpbrk(rows[i].said, "\r\b\a\x7f"))
			continue;
		bytes_init(&page, 1 << 16);
		console_text_append(SPAN(rows[i].said, strlen(rows[i].said)), &page);
		plain_text_add(&text, rows[i].said, strlen(rows[i].said), hear, &heard);
		plain_text_add(&again, (const char *)page.data, page.len, hear, &from_page);
		assert_string_equal(heard.text, from_page.text);
	}
}

/* However it is cut, the whole lines are the same. */
static void pieces_make_the_same_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct plain_text text = {0}, other = {0};
		struct heard whole = {0}, pieces = {0};
		size_t len = strlen(rows[i].said);
		plain_text_add(&text, rows[i].said, len, hear, &whole);
		for (size_t at = 0; at < len; at++)
			plain_text_add(&other, rows[i].said + at, 1, hear, &pieces);
		assert_int_equal(whole.lines, pieces.lines);
		assert_int_equal(text.len, other.len);
		assert_memory_equal(text.line, other.line, text.len);
	}
}

static void count(void *arg, const char *line, bool whole)
{
	assert_true(strlen(line) <= PLAIN_LINE_MAX);
	*(size_t *)arg += whole;
}

static void endless_lines_are_cut(void **state)
{
	(void)state;
	struct plain_text text = {0};
	char flood[4096];
	size_t lines = 0;
	memset(flood, 'x', sizeof(flood));
	for (int i = 0; i < 256; i++)
		plain_text_add(&text, flood, sizeof(flood), count, &lines);
	assert_int_equal(lines, 256 * sizeof(flood) / PLAIN_LINE_MAX - 1);
}

static void nul_bytes_end_no_line(void **state)
{
	(void)state;
	struct plain_text text = {0};
	struct heard heard = {0};
	plain_text_add(&text, "a\0b\n", 4, hear, &heard);
	assert_string_equal(heard.text, "ab|");
}

static void what_is_not_ascii_can_be_masked(void **state)
{
	(void)state;
	char line[] = "a\xc2\x9b[2J\xff";
	assert_string_equal(plain_text_make_ascii(line), "a??[2J?");
}

/* ---- the end of it ---- */

static void add_numbers(struct tail *tail, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		tail_add(tail, &i, sizeof(i));
}

static void check_numbers(const struct tail *tail, uint32_t first, size_t n)
{
	struct err *err = NULL;
	struct bytes copy;
	assert_true(tail_copy(tail, &copy, &err));
	assert_int_equal(copy.len, n * sizeof(first));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(bytes_load_le32(copy.data + i * sizeof(first)), first + i);
	bytes_release(&copy);
}

static void the_end_is_kept(void **state)
{
	(void)state;
	uint32_t room = TAIL_MAX / sizeof(uint32_t);
	AUTO(tail_release) struct tail tail = {0};
	check_numbers(&tail, 0, 0);
	add_numbers(&tail, 0, 10);
	check_numbers(&tail, 0, 10);
	add_numbers(&tail, 10, room - 10);
	check_numbers(&tail, 0, room);
	add_numbers(&tail, room, 3);
	check_numbers(&tail, 3, room);
	assert_int_equal(tail.total, (room + 3) * sizeof(uint32_t));
	add_numbers(&tail, room + 3, room - 3);
	check_numbers(&tail, room, room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminals_are_not_steered),
		cmocka_unit_test(pages_show_what_is_judged),
		cmocka_unit_test(pieces_make_the_same_lines),
		cmocka_unit_test(endless_lines_are_cut),
		cmocka_unit_test(nul_bytes_end_no_line),
		cmocka_unit_test(what_is_not_ascii_can_be_masked),
		cmocka_unit_test(the_end_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
