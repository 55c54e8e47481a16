/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "tests/unit.h"

static const char *near_of(const char *wanted)
{
	static const char *const words[] = {"backup", "boot", "export", "points", "show"};
	struct nearest nearest;
	nearest_init(&nearest, wanted);
	for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
		nearest_offer(&nearest, words[i]);
	return nearest.best;
}

static void the_nearest_word_is_near(void **state)
{
	char *longest = calloc(1, 1000);
	(void)state;
	assert_string_equal(near_of("bakcup"), "backup");
	assert_string_equal(near_of("point"), "points");
	assert_string_equal(near_of("bot"), "boot");
	assert_null(near_of("verify"));
	assert_non_null(longest);
	memset(longest, 'b', 999);
	assert_null(near_of(longest));
	free(longest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_nearest_word_is_near)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
