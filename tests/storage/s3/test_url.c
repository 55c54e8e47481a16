/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/url.h"

#include <string.h>

#include "base/err.h"
#include "storage/s3/endpoint.h"
#include "tests/unit.h"

struct expected {
	const char *url, *endpoint, *bucket, *prefix, *region;
	enum s3_style style;
};

static const struct expected rights[] = {
	{"s3://backups/salvor", NULL, "backups", "salvor", NULL, S3_STYLE_UNSAID},
	{"s3://backups", NULL, "backups", "", NULL, S3_STYLE_UNSAID},
	{"s3://backups/", NULL, "backups", "", NULL, S3_STYLE_UNSAID},
	{"S3://backups/a/b c/", NULL, "backups", "a/b c", NULL, S3_STYLE_UNSAID},
	{"s3://my.bucket/x?region=eu-central-1", NULL, "my.bucket", "x", "eu-central-1", S3_STYLE_UNSAID},
	{"s3://backups?style=path&region=r1", NULL, "backups", "", "r1", S3_STYLE_PATH},
	{"s3+https://Host.Example:9000/bucket/a", "https://host.example:9000", "bucket", "a", NULL, S3_STYLE_UNSAID},
	{"s3+http://127.0.0.1:7480/bucket", "http://127.0.0.1:7480", "bucket", "", NULL, S3_STYLE_UNSAID},
	{"s3+https://[::1]:443/bucket/a@b", "https://[::1]:443", "bucket", "a@b", NULL, S3_STYLE_UNSAID},
	{"s3+https://host:9000/bucket/a@b", "https://host:9000", "bucket", "a@b", NULL, S3_STYLE_UNSAID},
	{"s3+https://[::1]:443/bucket/x?style=host", "https://[::1]:443", "bucket", "x", NULL, S3_STYLE_HOST},
	{"s3+https://host/bucket/J\xc3\xbcrgen", "https://host", "bucket", "J\xc3\xbcrgen", NULL, S3_STYLE_UNSAID},
};

static void assert_text(const char *found, const char *expected)
{
	if (expected)
		assert_string_equal(found, expected);
	else
		assert_null(found);
}

static void right_ones_are_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rights); i++) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(s3_url_release) struct s3_url url = {0};
		assert_true(s3_url_is_one(rights[i].url));
		if (!s3_url_parse(rights[i].url, &url, &err))
			fail_msg("%s: %s", rights[i].url, err_message(err));
		assert_text(url.endpoint, rights[i].endpoint);
		assert_text(url.bucket, rights[i].bucket);
		assert_text(url.prefix, rights[i].prefix);
		assert_text(url.region, rights[i].region);
		assert_int_equal(url.style, rights[i].style);
	}
}

/* Each with a word that its message must have. */
static const char *const wrongs[][2] = {
	{"s3://", "bucket"},
	{"s3:///x", "bucket"},
	{"s3://ab/x", "'ab'"},
	{"s3://-abc/x", "'-abc'"},
	{"s3://bu cket/x", "lower-case"},
	{"s3://Bucket/x", "lower-case"},
	{"s3+ftp://host/bucket", "s3://"},
	{"s3+https://", "host"},
	{"s3+https:///bucket", "host"},
	{"s3+https://host", "bucket"},
	{"s3+https://host:0/bucket", "port"},
	{"s3+https://host:65536/bucket", "port"},
	{"s3+https://host:x/bucket", "port"},
	{"s3+https://[::1/bucket", "host"},
	{"s3+https://key:secret@host/bucket", "credentials"},
	{"s3+https://key:sec/ret@host/bucket", "credentials"},
	{"s3://key:secret@bucket/x", "credentials"},
	{"s3://key:sec/ret@bucket/x", "credentials"},
	{"s3+https://ho st/bucket", "port"},
	{"s3://bucket/a//b", "empty"},
	{"s3://bucket/../b", "'..'"},
	{"s3://bucket/./b", "'.'"},
	{"s3://bucket/a%20b", "letter"},
	{"s3://bucket/a#b", "letter"},
	{"s3://bucket/a\x1b[31m", "letter"},
	{"s3://bucket/\xff", "letter"},
	{"s3://bucket?", "region=NAME"},
	{"s3://bucket?region", "region=NAME"},
	{"s3://bucket?region=", "region"},
	{"s3://bucket?region=a&region=b", "region"},
	{"s3://bucket?region=a/b", "letter"},
	{"s3://bucket?style=other", "other"},
	{"s3://bucket?colour=red", "colour=red"},
	{"/backup", "s3://"},
};

static void wrong_ones_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(wrongs); i++) {
		AUTO(err_freep) struct err *err = NULL;
		struct s3_url url;
		if (s3_url_parse(wrongs[i][0], &url, &err))
			fail_msg("%s was understood", wrongs[i][0]);
		assert_int_equal(err_code(err), ERR_USAGE);
		if (!strstr(err_message(err), wrongs[i][1]))
			fail_msg("%s: %s", wrongs[i][0], err_message(err));
	}
	assert_true(s3_url_is_one("s3+ftp://host"));
	assert_false(s3_url_is_one("/s3://bucket"));
}

static void credentials_are_not_shown(void **state)
{
	(void)state;
	static const char *const shown[][2] = {
		{"s3+https://key:secret@host/bucket/a@b", "s3+https://host/bucket/a@b"},
		{"s3+https://key:sec/ret@host/bucket", "s3+https://host/bucket"},
		{"s3://key:secret@bucket", "s3://bucket"},
		{"https://secret@host:9000/", "https://host:9000/"},
		{"s3+https://host:9000/bucket/a@b", "s3+https://host:9000/bucket/a@b"},
		{"nothing", "nothing"},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(shown); i++) {
		AUTO(freep) char *text = s3_url_shown(shown[i][0]);
		assert_string_equal(text, shown[i][1]);
	}
}

static void assert_address(const char *text, const char *said, const char *region, const char *key,
			   const char *expected)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(s3_url_release) struct s3_url url = {0};
	AUTO(s3_endpoint_release) struct s3_endpoint endpoint = {0};
	char address[256];
	if (!s3_url_parse(text, &url, &err) || !s3_endpoint_make(&url, said, &endpoint, &err))
		fail_msg("%s: %s", text, err_message(err));
	AUTO(freep) char *host = s3_endpoint_host(&endpoint, region);
	AUTO(freep) char *path = s3_endpoint_path(&endpoint, key);
	snprintf(address, sizeof(address), "%s%s%s", endpoint.scheme, host, path);
	assert_string_equal(address, expected);
}

static void requests_go_to_the_right_place(void **state)
{
	(void)state;
	const char *amazon = "https://backups.s3.eu-west-1.amazonaws.com/";
	assert_address("s3://backups/x", NULL, "eu-west-1", "", amazon);
	assert_address("s3://backups", NULL, "cn-north-1", "c/00",
		       "https://backups.s3.cn-north-1.amazonaws.com.cn/c/00");
	assert_address("s3://my.bucket", NULL, "r", "c/00", "https://s3.r.amazonaws.com/my.bucket/c/00");
	assert_address("s3://backups?style=path", NULL, "r", "", "https://s3.r.amazonaws.com/backups");
	assert_address("s3://backups", "http://localhost:9000/", "r", "a", "http://localhost:9000/backups/a");
	assert_address("s3+https://host/backups", "http://localhost", "r", "a b+c", "https://host/backups/a%20b%2Bc");
	assert_address("s3+https://host:1/backups?style=host", NULL, "r", "\xc3\xbc", "https://backups.host:1/%C3%BC");
}

static void a_wrong_endpoint_is_named(void **state)
{
	(void)state;
	static const char *const endpoints[] = {"localhost:9000", "https://", "https://host/path", "ftp://host", ""};
	for (size_t i = 0; i < ARRAY_LENGTH(endpoints); i++) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(s3_url_release) struct s3_url url = {0};
		struct s3_endpoint endpoint;
		assert_true(s3_url_parse("s3://backups", &url, &err));
		assert_false(s3_endpoint_make(&url, endpoints[i], &endpoint, &err));
		assert_int_equal(err_code(err), ERR_USAGE);
		assert_non_null(strstr(err_message(err), endpoints[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_ones_are_understood), cmocka_unit_test(wrong_ones_are_refused),
		cmocka_unit_test(credentials_are_not_shown), cmocka_unit_test(requests_go_to_the_right_place),
		cmocka_unit_test(a_wrong_endpoint_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
