/* SPDX-License-Identifier: Apache-2.0 */
/* What is done after an answer, and what people are told of one that is no success. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "storage/s3/client_internal.h"
#include "tests/unit.h"

struct judged {
	long status;
	const char *code;
	bool html;
	enum s3_verdict verdict;
	enum err_code meaning;
	const char *word; /* of what people are told; NULL where nothing is said */
};

static const struct judged cases[] = {
	{200, "", false, S3_GIVE, 0, NULL},
	{206, "", false, S3_GIVE, 0, NULL},
	{404, "NoSuchKey", false, S3_GIVE, 0, NULL},
	{404, "NoSuchVersion", false, S3_GIVE, 0, NULL},
	{404, "NoSuchBucket", false, S3_FAIL, ERR_GONE, "no such bucket"},
	{412, "PreconditionFailed", false, S3_GIVE, 0, NULL},
	{416, "InvalidRange", false, S3_GIVE, 0, NULL},
	{200, "", true, S3_AGAIN, ERR_GONE, "web pages"},
	{404, "", true, S3_AGAIN, ERR_GONE, "web pages"},
	{404, "", false, S3_AGAIN, ERR_GONE, "host and port"},
	{502, "", true, S3_AGAIN, ERR_GONE, "502"},
	{403, "AccessDenied", false, S3_FAIL, ERR_DENIED, "s3:GetObject"},
	{403, "", false, S3_FAIL, ERR_DENIED, "s3:GetObject"},
	{403, "InvalidAccessKeyId", false, S3_FAIL, ERR_DENIED, "'ME' is not known"},
	{403, "SignatureDoesNotMatch", false, S3_FAIL, ERR_DENIED, "secret"},
	{400, "InvalidToken", false, S3_FAIL, ERR_DENIED, "expired"},
	{403, "RequestTimeTooSkewed", false, S3_FAIL, ERR_DENIED, "clock"},
	{301, "PermanentRedirect", false, S3_FAIL, ERR_GONE, "another region"},
	{500, "InternalError", false, S3_AGAIN, ERR_GONE, "InternalError"},
	{400, "RequestTimeout", false, S3_AGAIN, ERR_GONE, "RequestTimeout"},
	{409, "ConditionalRequestConflict", false, S3_AGAIN, ERR_GONE, "Conflict"},
	{400, "BadDigest", false, S3_AGAIN, ERR_GONE, "BadDigest"},
	{503, "SlowDown", false, S3_SLOWER, ERR_GONE, "SlowDown"},
	{503, "", false, S3_SLOWER, ERR_GONE, "503"},
	{429, "", false, S3_SLOWER, ERR_GONE, "429"},
	{501, "NotImplemented", false, S3_FAIL, ERR_GONE, "s3:GetObject"},
	{507, "QuotaExceeded", false, S3_FAIL, ERR_NO_SPACE, "quota"},
	{403, "QuotaExceeded", false, S3_FAIL, ERR_NO_SPACE, "quota"},
	{403, "InvalidObjectState", false, S3_FAIL, ERR_GONE, "archive"},
	{407, "", false, S3_FAIL, ERR_GONE, "407"},
	{418, "ImATeapot", false, S3_FAIL, ERR_GONE, "418"},
};

static const struct s3_request request = {.method = "GET", .action = "s3:GetObject", .name = "c/00"};

static char prefix[] = "r", place[] = "bucket 'b' at host", access_key[] = "ME";

/* As much of a client as judging takes. */
static struct s3_client *client_of(struct s3_client *client, const char *authority)
{
	*client = (struct s3_client){.endpoint = {.scheme = "https://", .authority = (char *)(uintptr_t)authority},
				     .prefix = prefix,
				     .place = place,
				     .region = "us-east-1"};
	pthread_mutex_init(&client->lock, NULL);
	return client;
}

static struct s3_attempt attempt_of(void)
{
	return (struct s3_attempt){
		.request = &request, .region = "us-east-1", .credentials = {.access_key = access_key}};
}

static void check(const struct judged *judged)
{
	AUTO(err_freep) struct err *err = NULL;
	static struct s3_client client;
	struct s3_attempt attempt = attempt_of();
	struct s3_error error = {0};
	const struct s3_answer answer = {.status = judged->status, .headers = {.html = judged->html}};
	client_of(&client, "host");
	snprintf(error.code, sizeof(error.code), "%s", judged->code);
	enum s3_verdict verdict = s3_client_judge(&client, &attempt, &answer, &error);
	if (verdict != judged->verdict)
		fail_msg("%ld %s: %d", judged->status, judged->code, (int)verdict);
	if (!judged->word)
		return;
	s3_explain(&client, &attempt, &answer, &error, &err);
	if (err_code(err) != judged->meaning || !strstr(err_message(err), judged->word) ||
	    strncmp(err_message(err), "bucket 'b' at host, key 'r/c/00': ", 34) != 0)
		fail_msg("%ld %s: %s", judged->status, judged->code, err_message(err));
}

static void answers_are_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		check(&cases[i]);
}

static enum s3_verdict judge_redirect(struct s3_client *client, struct s3_attempt *attempt, const char *code,
				      const char *region)
{
	struct s3_error error = {0};
	const struct s3_answer answer = {.status = strcmp(code, "PermanentRedirect") == 0 ? 301 : 400};
	snprintf(error.code, sizeof(error.code), "%s", code);
	snprintf(error.region, sizeof(error.region), "%s", region);
	return s3_client_judge(client, attempt, &answer, &error);
}

static void a_bucket_elsewhere_is_followed(void **state)
{
	(void)state;
	static struct s3_client client;
	struct s3_attempt attempt = attempt_of();
	client_of(&client, NULL);
	assert_int_equal(judge_redirect(&client, &attempt, "PermanentRedirect", "eu-west-1"), S3_AT_ONCE);
	assert_string_equal(client.region, "eu-west-1");
	memcpy(attempt.region, client.region, sizeof(attempt.region));
	assert_int_equal(judge_redirect(&client, &attempt, "PermanentRedirect", "eu-west-1"), S3_FAIL);
	assert_int_equal(judge_redirect(&client, &attempt, "PermanentRedirect", "evil.example/"), S3_FAIL);
	assert_int_equal(judge_redirect(&client, &attempt, "AuthorizationHeaderMalformed", "eu-west-2"), S3_AT_ONCE);
	assert_int_equal(judge_redirect(&client, &attempt, "PermanentRedirect", "eu-west-3"), S3_FAIL); /* no circle */
}

/* Another maker's host does not follow from a region; but its signature may. */
static void other_services_are_not_left(void **state)
{
	(void)state;
	static struct s3_client client;
	struct s3_attempt attempt = attempt_of();
	client_of(&client, "host");
	assert_int_equal(judge_redirect(&client, &attempt, "PermanentRedirect", "eu-west-1"), S3_FAIL);
	assert_string_equal(client.region, "us-east-1");
	assert_int_equal(judge_redirect(&client, &attempt, "AuthorizationHeaderMalformed", "garage"), S3_AT_ONCE);
	assert_string_equal(client.region, "garage");
}

static void a_wrong_clock_is_put_right_once(void **state)
{
	(void)state;
	const int64_t day = INT64_C(86400) * 1000000000;
	static struct s3_client client;
	struct s3_attempt attempt = attempt_of();
	const struct s3_error error = {.code = "RequestTimeTooSkewed"};
	const struct s3_answer answer = {.status = 403, .headers = {.date_ns = clock_now_ns() + (uint64_t)day}};
	client_of(&client, "host");
	assert_int_equal(s3_client_judge(&client, &attempt, &answer, &error), S3_AT_ONCE);
	assert_in_range(client.clock_ns, day - day / 100, day);
	assert_int_equal(s3_client_judge(&client, &attempt, &answer, &error), S3_FAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_judged),
		cmocka_unit_test(a_bucket_elsewhere_is_followed),
		cmocka_unit_test(other_services_are_not_left),
		cmocka_unit_test(a_wrong_clock_is_put_right_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
