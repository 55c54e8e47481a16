/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit.h"

static void assert_encodes(const char *plain, const char *text)
{
	AUTO(bytes_release) struct bytes encoded, decoded;
	bytes_init(&encoded, 1000);
	bytes_init(&decoded, 1000);
	base64_encode(SPAN(plain, strlen(plain)), &encoded);
	assert_int_equal(encoded.len, strlen(text));
	assert_memory_equal(encoded.data ? (const char *)encoded.data : "", text, encoded.len);
	assert_true(base64_decode(bytes_span(&encoded), &decoded));
	assert_int_equal(decoded.len, strlen(plain));
	assert_memory_equal(decoded.data ? (const char *)decoded.data : "", plain, decoded.len);
}

/* RFC 4648, section 10. */
static void test_known_answers(void **state)
{
	(void)state;
	assert_encodes("", "");
	assert_encodes("f", "Zg==\n");
	assert_encodes("fo", "Zm8=\n");
	assert_encodes("foo", "Zm9v\n");
	assert_encodes("foob", "Zm9vYg==\n");
	assert_encodes("fooba", "Zm9vYmE=\n");
	assert_encodes("foobar", "Zm9vYmFy\n");
}

static void test_lines(void **state)
{
	(void)state;
	char plain[115], text[158];
	memset(plain, 0, sizeof(plain));
	memset(plain, 'A', 114);
	memset(text, 0, sizeof(text));
	for (size_t i = 0; i < 152; i++)
		text[i + i / 76] = "QUFB"[i % 4];
	text[76] = text[153] = '\n';
	assert_encodes(plain, text);
}

static void test_what_is_not_base64(void **state)
{
	static const char *const refused[] = {"Z",    "Zg",	  "Zg=",   "Zg===", "Zh==",	"Zm9=", "Zm9v=",
					      "=Zg=", "Zg==Zg==", "Z g==", "Zm9-",  "Zg==\r\n", "Zg=a", "===="};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
		AUTO(bytes_release) struct bytes decoded;
		bytes_init(&decoded, 1000);
		if (base64_decode(SPAN(refused[i], strlen(refused[i])), &decoded))
			fail_msg("'%s' is not base64", refused[i]);
	}
	AUTO(bytes_release) struct bytes decoded;
	bytes_init(&decoded, 2);
	assert_false(base64_decode(SPAN_TEXT("Zm9v"), &decoded));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_what_is_not_base64),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
