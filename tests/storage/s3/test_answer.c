/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from a service: headers, and documents of XML. */
#include "storage/s3/answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/s3/headers.h"
#include "tests/unit.h"

#define XMLNS "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static struct span text(const char *document)
{
	return SPAN(document, strlen(document));
}

static void errors_are_understood(void **state)
{
	(void)state;
	struct s3_error error;
	assert_true(
		s3_error_parse(text("<?xml version=\"1.0\"?><Error><Code>PermanentRedirect</Code><Message>No &amp; no"
				    "</Message><Region>eu-west-1</Region><RequestId>1</RequestId></Error>"),
			       &error));
	assert_string_equal(error.code, "PermanentRedirect");
	assert_string_equal(error.message, "No & no");
	assert_string_equal(error.region, "eu-west-1");
	assert_true(s3_error_parse(text("<Error><Message>a\x7f\n\xc2\x9b"
					"b</Message></Error>"),
				   &error));
	assert_string_equal(error.message, "a  ??b");
	assert_string_equal(error.code, "");
}

static void other_documents_are_no_errors(void **state)
{
	(void)state;
	static const char *const others[] = {"", "x", "<html><body>404</body></html>", "<Error>",
					     "<Error><Code></Error>"};
	struct s3_error error = {.code = "left"};
	for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
		assert_false(s3_error_parse(text(others[i]), &error));
		assert_string_equal(error.code, "");
	}
}

static void objects_are_listed(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(s3_page_release) struct s3_page page = {0};
	if (!s3_page_parse(text("<ListBucketResult " XMLNS "><Name>b</Name><IsTruncated>true</IsTruncated>"
				"<Contents><Key>a/c</Key><Size>10</Size><Owner><ID>x</ID></Owner></Contents>"
				"<Contents><Key>a/&quot;d&quot;</Key><Size>0</Size></Contents>"
				"<NextContinuationToken>t=/</NextContinuationToken></ListBucketResult>"),
			   false, &page, &err))
		fail_msg("%s", err_message(err));
	assert_int_equal(page.n, 2);
	assert_string_equal(page.entries[0].key, "a/c");
	assert_int_equal(page.entries[0].size, 10);
	assert_null(page.entries[0].version);
	assert_string_equal(page.entries[1].key, "a/\"d\"");
	assert_true(page.truncated);
	assert_string_equal(page.token, "t=/");
}

static void versions_are_listed_in_their_order(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(s3_page_release) struct s3_page page = {0};
	if (!s3_page_parse(text("<ListVersionsResult " XMLNS "><IsTruncated>false</IsTruncated>"
				"<DeleteMarker><Key>k</Key><VersionId>v3</VersionId></DeleteMarker>"
				"<Version><Key>k</Key><VersionId>v2</VersionId><Size>2</Size></Version>"
				"<Version><Key>k</Key><VersionId>null</VersionId><Size>1</Size></Version>"
				"</ListVersionsResult>"),
			   true, &page, &err))
		fail_msg("%s", err_message(err));
	assert_int_equal(page.n, 3);
	assert_true(page.entries[0].marker);
	assert_string_equal(page.entries[1].version, "v2");
	assert_string_equal(page.entries[2].version, "null");
	assert_false(page.truncated);
}

/* With the entity, a key would be as long as a service likes. */
#define BOMB                                                            \
	"<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b "            \
	"\"&a;&a;&a;&a;&a;&a;\">]><ListBucketResult><IsTruncated>false" \
	"</IsTruncated><Contents><Key>&b;</Key><Size>1</Size></Contents></ListBucketResult>"

static void what_is_no_page_is_refused(void **state)
{
	(void)state;
	static const char *const wrongs[] = {
		"",
		"<html/>",
		BOMB,
		"<ListBucketResult></ListBucketResult>",
		"<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>",
		"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
		"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents></"
		"ListBucketResult>",
		"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k</Key></Contents></"
		"ListBucketResult>",
		"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k</Key><Size>-1</Size></Contents>"
		"</ListBucketResult>",
		"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k</Key><Size>1</Size></Contents>",
		"<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>",
		"<ListVersionsResult><IsTruncated>false</IsTruncated><Version><Key>k</Key><Size>1</Size></Version>"
		"</ListVersionsResult>",
	};
	for (size_t i = 0; i < ARRAY_LENGTH(wrongs); i++) {
		AUTO(err_freep) struct err *err = NULL;
		struct s3_page page;
		if (s3_page_parse(text(wrongs[i]), strstr(wrongs[i], "<ListVersionsResult>") != NULL, &page, &err))
			fail_msg("%s", wrongs[i]);
		assert_int_equal(err_code(err), ERR_FAILED);
	}
}

/* Its entries would have no versions to delete, and the next page would be the first one. */
static void the_other_list_is_refused(void **state)
{
	(void)state;
	static const char *const lists[] = {
		"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
		"<ListVersionsResult><IsTruncated>false</IsTruncated></ListVersionsResult>",
	};
	for (int versions = 0; versions < 2; versions++) {
		AUTO(err_freep) struct err *err = NULL;
		struct s3_page page;
		assert_true(s3_page_parse(text(lists[versions]), versions, &page, &err));
		s3_page_release(&page);
		assert_false(s3_page_parse(text(lists[!versions]), versions, &page, &err));
		assert_int_equal(err_code(err), ERR_FAILED);
	}
}

static void versioning_is_understood(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	enum s3_versioning found;
	assert_true(s3_versioning_parse(text("<VersioningConfiguration " XMLNS "/>"), &found, &err));
	assert_int_equal(found, S3_UNVERSIONED);
	assert_true(s3_versioning_parse(
		text("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"), &found, &err));
	assert_int_equal(found, S3_VERSIONED);
	assert_true(s3_versioning_parse(
		text("<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"), &found, &err));
	assert_int_equal(found, S3_SUSPENDED);
	assert_false(s3_versioning_parse(text("<html/>"), &found, &err));
}

static struct s3_headers headers_of(const char *const *lines, size_t n)
{
	struct s3_headers headers = {0};
	for (size_t i = 0; i < n; i++)
		s3_headers_line(&headers, text(lines[i]));
	return headers;
}

static void headers_are_understood(void **state)
{
	(void)state;
	static const char *const lines[] = {"HTTP/1.1 206 Partial Content\r\n",
					    "Content-Range: bytes 3-6/10\r\n",
					    "X-Amz-Version-Id:  abc \r\n",
					    "x-amz-delete-marker: true\r\n",
					    "x-amz-bucket-region: eu-west-1\r\n",
					    "Date: Fri, 24 May 2013 00:00:00 GMT\r\n",
					    "Retry-After: 7\r\n",
					    "Content-Type: text/html; charset=utf-8\r\n"};
	struct s3_headers headers = headers_of(lines, ARRAY_LENGTH(lines));
	assert_true(headers.has_range);
	assert_int_equal(headers.first, 3);
	assert_int_equal(headers.last, 6);
	assert_int_equal(headers.size, 10);
	assert_string_equal(headers.version, "abc");
	assert_true(headers.delete_marker);
	assert_string_equal(headers.region, "eu-west-1");
	assert_int_equal(headers.date_ns, UINT64_C(1369353600000000000));
	assert_int_equal(headers.retry_after_s, 7);
	assert_true(headers.html);
	s3_headers_line(&headers, SPAN_TEXT("HTTP/1.1 200 OK\r\n"));
	assert_false(headers.has_range || headers.html || headers.version[0] || headers.date_ns);
}

static void malformed_headers_count_as_absent(void **state)
{
	(void)state;
	static const char *const lines[] = {"HTTP/1.1 206",
					    "",
					    ":",
					    "Content-Range: bytes 6-3/10",
					    "Content-Range: bytes 0-10/10",
					    "Content-Range: bytes 0-9/99999999999999999999",
					    "Content-Range: lines 0-9/10",
					    "x-amz-version-id: null",
					    "x-amz-bucket-region: evil.example/",
					    "Date: yesterday",
					    "Date: Fri, 24 May 2013 00:00:00 CET",
					    "Date: Fri, 99 May 2013 00:00:00 GMT",
					    "Retry-After: soon"};
	struct s3_headers headers = headers_of(lines, ARRAY_LENGTH(lines));
	assert_false(headers.has_range || headers.has_size || headers.version[0] || headers.region[0]);
	assert_true(headers.versioned); /* by its name alone: a bucket that never kept versions does not send it */
	assert_int_equal(headers.date_ns, 0);
	assert_int_equal(headers.retry_after_s, 0);
	s3_headers_line(&headers, SPAN_TEXT("Content-Range: bytes */10"));
	assert_true(headers.has_size && !headers.has_range);
	assert_int_equal(headers.size, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_are_understood),
		cmocka_unit_test(other_documents_are_no_errors),
		cmocka_unit_test(objects_are_listed),
		cmocka_unit_test(versions_are_listed_in_their_order),
		cmocka_unit_test(what_is_no_page_is_refused),
		cmocka_unit_test(the_other_list_is_refused),
		cmocka_unit_test(versioning_is_understood),
		cmocka_unit_test(headers_are_understood),
		cmocka_unit_test(malformed_headers_count_as_absent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
