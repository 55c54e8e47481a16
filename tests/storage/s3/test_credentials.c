/* SPDX-License-Identifier: Apache-2.0 */
/* Where keys come from: the environment and the files of Amazon's tools. What is asked over the network, in tests/e2e.
 */
#include "storage/s3/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/s3/credentials_internal.h"
#include "storage/s3/http.h"
#include "storage/s3/profile.h"
#include "tests/error.h"
#include "tests/folder.h"

static int enter(void **state)
{
	static const char *const others[] = {"AWS_ACCESS_KEY_ID",
					     "AWS_SECRET_ACCESS_KEY",
					     "AWS_SESSION_TOKEN",
					     "AWS_PROFILE",
					     "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
					     "AWS_CONTAINER_CREDENTIALS_FULL_URI"};
	for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
		unsetenv(others[i]);
	setenv("AWS_SHARED_CREDENTIALS_FILE", "credentials", 1);
	setenv("AWS_CONFIG_FILE", "config", 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	return folder_enter(state);
}

static void write_file(const char *path, const char *text)
{
	AUTO(err_freep) struct err *err = NULL;
	if (!file_replace(path, SPAN(text, strlen(text)), 0600, &err))
		fail_msg("%s", err_message(err));
}

static struct s3_wallet *open_wallet(struct s3_http **http, struct err **errp)
{
	const struct s3_http_options options = {0};
	*http = s3_http_new(&options, errp);
	return *http ? s3_wallet_new(*http, errp) : NULL;
}

static void assert_keys(const char *access_key, const char *secret, const char *token)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(s3_http_freep) struct s3_http *http = NULL;
	AUTO(s3_wallet_freep) struct s3_wallet *wallet = open_wallet(&http, &err);
	AUTO(s3_credentials_release) struct s3_credentials found = {0};
	if (!wallet || !s3_wallet_get(wallet, &found, &err))
		fail_msg("%s", err_message(err));
	assert_string_equal(found.access_key, access_key);
	assert_string_equal(found.secret, secret);
	assert_string_equal(found.token ? found.token : "", token);
}

static void assert_none(enum err_code code, const char *word)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(s3_http_freep) struct s3_http *http = NULL;
	assert_null(open_wallet(&http, &err));
	assert_non_null(http);
	assert_error(&err, code, word);
}

static void the_environment_counts_first(void **state)
{
	(void)state;
	write_file("credentials", "[default]\naws_access_key_id = A\naws_secret_access_key = B\n");
	assert_keys("A", "B", "");
	setenv("AWS_ACCESS_KEY_ID", "C", 1);
	assert_none(ERR_DENIED, "AWS_SECRET_ACCESS_KEY is not");
	setenv("AWS_SECRET_ACCESS_KEY", "D", 1);
	assert_keys("C", "D", "");
	setenv("AWS_SESSION_TOKEN", "E", 1);
	assert_keys("C", "D", "E");
}

static void a_profile_is_named(void **state)
{
	(void)state;
	write_file("credentials", "; a comment\r\n[default]\naws_access_key_id=A\naws_secret_access_key=B\n\n"
				  "[ other ]\n  # indented\naws_access_key_id = C\naws_secret_access_key = D=/+\n"
				  "aws_session_token = E\n[third]\nnonsense\n");
	assert_keys("A", "B", "");
	setenv("AWS_PROFILE", "other", 1);
	assert_keys("C", "D=/+", "E");
	setenv("AWS_PROFILE", "missing", 1);
	assert_none(ERR_USAGE, "'missing'");
	setenv("AWS_PROFILE", "third", 1);
	assert_none(ERR_USAGE, "line 12");
}

static void the_configuration_has_profiles_too(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(s3_profile_release) struct s3_profile profile = {0};
	write_file("config",
		   "[default]\nregion = r0\n[profile p]\nregion = r1\nendpoint_url = http://h\ns3 =\n  a = b\n"
		   "aws_access_key_id = A\naws_secret_access_key = B\nca_bundle = /ca\n[p]\nregion = r2\n");
	write_file("credentials", "[p]\nregion = r3\n");
	setenv("AWS_PROFILE", "p", 1);
	assert_true(s3_profile_load(&profile, &err));
	assert_string_equal(profile.region, "r3"); /* the file of credentials is looked at first */
	assert_string_equal(profile.endpoint, "http://h");
	assert_string_equal(profile.ca_bundle, "/ca");
	assert_keys("A", "B", "");
}

static void keys_from_elsewhere_are_named(void **state)
{
	(void)state;
	assert_none(ERR_DENIED, "AWS_ACCESS_KEY_ID");
	write_file("config", "[default]\nrole_arn = arn\nsource_profile = x\n");
	assert_none(ERR_UNSUPPORTED, "role_arn");
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/keys", 1);
	write_file("config", "");
	assert_none(ERR_DENIED, "http://example.com/keys");
}

static void others_are_found_when_the_file_changes(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(s3_http_freep) struct s3_http *http = NULL;
	AUTO(s3_credentials_release) struct s3_credentials found = {0};
	AUTO(s3_credentials_release) struct s3_credentials next = {0};
	write_file("credentials", "[default]\naws_access_key_id = A\naws_secret_access_key = B\n");
	AUTO(s3_wallet_freep) struct s3_wallet *wallet = open_wallet(&http, &err);
	assert_non_null(wallet);
	assert_true(s3_wallet_get(wallet, &found, &err));
	assert_false(s3_wallet_renew(wallet, &found));
	write_file("credentials", "[default]\naws_access_key_id = C\naws_secret_access_key = D\n");
	assert_true(s3_wallet_renew(wallet, &found));
	assert_true(s3_wallet_renew(wallet, &found)); /* another thread's */
	assert_true(s3_wallet_get(wallet, &next, &err));
	assert_string_equal(next.access_key, "C");
}

static void documents_of_neighbours_are_understood(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(s3_credentials_release) struct s3_credentials found = {0};
	assert_true(
		s3_credentials_parse(SPAN_TEXT("{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"B\", \"Token\": \"C\","
					       "\"Expiration\": \"2013-05-24T00:00:00Z\"}"),
				     &found, &err));
	assert_string_equal(found.token, "C");
	assert_int_equal(found.expires_ns / 1000000000, 1369353600);
	static const char *const wrongs[] = {
		"", "{}", "[1]", "{\"AccessKeyId\": \"A\"}",
		"{\"AccessKeyId\": \"A\", \"SecretAccessKey\": \"B\", \"Expiration\": \"x\"}"};
	for (size_t i = 0; i < ARRAY_LENGTH(wrongs); i++) {
		struct s3_credentials none;
		assert_false(s3_credentials_parse(SPAN(wrongs[i], strlen(wrongs[i])), &none, &err));
		err_clear(&err);
	}
}

static void secrets_do_not_leave_in_the_clear(void **state)
{
	(void)state;
	assert_true(s3_container_address_is_safe("http://127.0.0.1:80/x"));
	assert_true(s3_container_address_is_safe("http://[::1]/x"));
	assert_true(s3_container_address_is_safe("http://169.254.170.23/v1/credentials"));
	assert_true(s3_container_address_is_safe("https://anywhere.example/"));
	assert_false(s3_container_address_is_safe("http://127.0.0.1.example/"));
	assert_false(s3_container_address_is_safe("http://127.0.0.1@example/"));
	assert_false(s3_container_address_is_safe("http://127.0.0.1:80@example/"));
	assert_false(s3_container_address_is_safe("file:///etc/passwd"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, folder_leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_environment_counts_first),	      TEST(a_profile_is_named),
		TEST(the_configuration_has_profiles_too),     TEST(keys_from_elsewhere_are_named),
		TEST(others_are_found_when_the_file_changes), TEST(documents_of_neighbours_are_understood),
		TEST(secrets_do_not_leave_in_the_clear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
