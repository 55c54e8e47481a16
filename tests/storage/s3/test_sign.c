/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures that Amazon published: the examples of S3's documentation, and of the test suite of Signature Version 4.
 */
#include "storage/s3/sign.h"

#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "storage/s3/encode.h"
#include "tests/unit.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define WELCOME "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
#define S3_TIME "20130524T000000Z"
#define SUITE_TIME "20150830T123600Z"

enum { HEADERS = 5 };

static const struct vector {
	const char *method, *path, *query;
	struct s3_header headers[HEADERS];
	const char *body_hash, *signature;
} documented[] =
	{
		{"GET",
		 "/test.txt",
		 "",
		 {{"host", "examplebucket.s3.amazonaws.com"},
		  {"range", "bytes=0-9"},
		  {"x-amz-content-sha256", EMPTY},
		  {"x-amz-date", S3_TIME}},
		 EMPTY,
		 "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"PUT",
		 "/test%24file.text",
		 "",
		 {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
		  {"host", "examplebucket.s3.amazonaws.com"},
		  {"x-amz-content-sha256", WELCOME},
		  {"x-amz-date", S3_TIME},
		  {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
		 WELCOME,
		 "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		{"GET",
		 "/",
		 "lifecycle=",
		 {{"host", "examplebucket.s3.amazonaws.com"}, {"x-amz-content-sha256", EMPTY}, {"x-amz-date", S3_TIME}},
		 EMPTY,
		 "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"GET",
		 "/",
		 "max-keys=2&prefix=J",
		 {{"host", "examplebucket.s3.amazonaws.com"}, {"x-amz-content-sha256", EMPTY}, {"x-amz-date", S3_TIME}},
		 EMPTY,
		 "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
},
  suite[] = {
	  {"GET",
	   "/",
	   "",
	   {{"host", "example.amazonaws.com"}, {"x-amz-date", SUITE_TIME}},
	   EMPTY,
	   "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	  {"POST",
	   "/",
	   "",
	   {{"host", "example.amazonaws.com"}, {"x-amz-date", SUITE_TIME}},
	   EMPTY,
	   "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	  {"GET",
	   "/",
	   "Param1=value1&Param2=value2",
	   {{"host", "example.amazonaws.com"}, {"x-amz-date", SUITE_TIME}},
	   EMPTY,
	   "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
	  {"GET",
	   "/%E1%88%B4",
	   "",
	   {{"host", "example.amazonaws.com"}, {"x-amz-date", SUITE_TIME}},
	   EMPTY,
	   "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
};

static size_t count(const struct vector *vector)
{
	size_t n = 0;
	while (n < HEADERS && vector->headers[n].name)
		n++;
	return n;
}

static void check(const struct vector *vector, const char *secret, const char *service, const char *time)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct s3_signing signing = {.access_key = "AKID",
					   .secret = secret,
					   .region = "us-east-1",
					   .service = service,
					   .time = time,
					   .method = vector->method,
					   .path = vector->path,
					   .query = vector->query,
					   .headers = vector->headers,
					   .n_headers = count(vector),
					   .body_hash = vector->body_hash};
	AUTO(freep) char *value = s3_sign(&signing, &err);
	assert_non_null(value);
	assert_memory_equal(value, "AWS4-HMAC-SHA256 Credential=AKID/20", 35);
	const char *signature = strstr(value, ",Signature=");
	assert_non_null(signature);
	assert_string_equal(signature + strlen(",Signature="), vector->signature);
}

static void published_signatures_are_ours(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(documented); i++)
		check(&documented[i], "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "s3", S3_TIME);
	for (size_t i = 0; i < ARRAY_LENGTH(suite); i++)
		check(&suite[i], "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "service", SUITE_TIME);
}

static void times_are_written_in_utc(void **state)
{
	(void)state;
	char text[S3_TIME_SIZE];
	assert_string_equal(s3_time_text(UINT64_C(1369353600999999999), text), S3_TIME);
	assert_string_equal(s3_time_text(0, text), "19700101T000000Z");
}

static void letters_are_encoded(void **state)
{
	(void)state;
	AUTO(bytes_release) struct bytes out;
	bytes_init(&out, 256);
	s3_encode(&out, "aZ09-._~ /+=*\xff");
	s3_encode_path(&out, "/a b/");
	bytes_u8(&out, '\0');
	assert_string_equal((char *)out.data, "aZ09-._~%20%2F%2B%3D%2A%FF/a%20b/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_signatures_are_ours),
		cmocka_unit_test(times_are_written_in_utc),
		cmocka_unit_test(letters_are_encoded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
