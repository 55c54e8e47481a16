/* SPDX-License-Identifier: Apache-2.0 */
/* Reading objects, whole and in parts: of the version that counts, where there are versions. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/s3/backend_internal.h"
#include "storage/s3/encode.h"

enum { QUERY_MAX = 4096 };

bool s3_err_not_found(const struct s3 *s3, const char *name, struct err **errp)
{
	backend_err_not_found(errp, name);
	return s3_client_err_at(s3->client, name, errp);
}

static char *version_query(const char *version, struct err **errp)
{
	AUTO(bytes_release) struct bytes query;
	bytes_init(&query, QUERY_MAX);
	bytes_put(&query, "versionId=", 10);
	s3_encode(&query, version);
	bytes_u8(&query, '\0');
	char *text = bytes_ok(&query) ? strdup((const char *)query.data) : NULL;
	if (!text)
		err_set_no_memory(errp);
	return text;
}

/* The oldest version that we know of may have been deleted since; then another one is, or none. */
static bool ask_versions(struct s3 *s3, struct s3_request *request, struct s3_answer *ret, struct err **errp)
{
	request->action = "s3:GetObjectVersion";
	for (unsigned tries = 0; tries < 2; tries++) {
		char version[S3_VERSION_SIZE];
		if (!s3_version_known(s3, request->name, version, errp))
			return false;
		AUTO(freep) char *query = version_query(version, errp);
		if (!query)
			return false;
		request->query = query;
		bool answered = s3_client_request(s3->client, request, ret, errp);
		request->query = NULL;
		if (!answered || ret->status != 404)
			return answered;
		s3_version_forget(&s3->cache, request->name);
		s3_answer_release(ret);
		*ret = (struct s3_answer){0};
	}
	return s3_err_not_found(s3, request->name, errp);
}

/* Of a bucket that was thought to keep no versions, an answer may tell that it does. */
static bool tells_of_versions(const struct s3_answer *answer)
{
	return answer->headers.delete_marker || answer->headers.versioned;
}

/* Of what is not there, a service says 403 to who may list only under a condition. Then the list knows. */
static bool is_absent(struct s3 *s3, const char *name)
{
	AUTO(err_freep) struct err *ignored = NULL;
	AUTO(freep) char *key = s3_client_key(s3->client, name, &ignored);
	AUTO(freep) char *query = key ? s3_list_query(s3, name, NULL, 1, false, NULL, &ignored) : NULL;
	AUTO(s3_page_release) struct s3_page page = {0};
	return query && s3_list_page(s3, query, false, &page, &ignored) &&
	       (page.n == 0 || strcmp(page.entries[0].key, key) != 0);
}

/* A refusal, in *failure, unless it is about an object that is not there. */
static bool refused(struct s3 *s3, const char *name, const struct s3_answer *answer, struct err **failure,
		    struct err **errp)
{
	return answer->status == 403 && is_absent(s3, name) ? s3_err_not_found(s3, name, errp)
							    : err_move(errp, failure);
}

/* ERR_NOT_FOUND, or an answer that is 200, 206 or 416. */
static bool ask(struct s3 *s3, struct s3_request *request, struct s3_answer *ret, struct err **errp)
{
	request->method = "GET";
	request->action = "s3:GetObject";
	if (!atomic_load(&s3->versions)) {
		AUTO(err_freep) struct err *failure = NULL;
		if (!s3_client_request(s3->client, request, ret, &failure))
			return refused(s3, request->name, ret, &failure, errp);
		if (!tells_of_versions(ret))
			return ret->status != 404 || s3_err_not_found(s3, request->name, errp);
		s3_answer_release(ret);
		*ret = (struct s3_answer){0};
		atomic_store(&s3->versions, true);
	}
	return ask_versions(s3, request, ret, errp);
}

bool s3_get(struct backend *backend, const char *name, size_t max, struct bytes *ret, struct err **errp)
{
	struct s3 *s3 = s3_of(backend);
	AUTO(s3_answer_release) struct s3_answer answer = {0};
	struct s3_request request = {.name = name, .text_max = max};
	if (!ask(s3, &request, &answer, errp))
		return false;
	if (answer.too_long || answer.text.len > max) {
		err_set(errp, ERR_CORRUPT, "object '%s' has more than the %zu bytes that it may have", name, max);
		return s3_client_err_at(s3->client, name, errp);
	}
	*ret = answer.text;
	bytes_init(&answer.text, 0);
	return true;
}

/* What came is not what was asked for: the service, or what stands before it, does not know ranges. */
static bool strange_range(const struct s3 *s3, const char *name, const struct s3_answer *answer, struct err **errp)
{
	err_set(errp, ERR_GONE, "a part was asked for, and something else came (status %ld)", answer->status);
	return s3_client_err_at(s3->client, name, errp);
}

static bool too_short(const struct s3 *s3, const char *name, uint64_t size, uint64_t offset, size_t len,
		      struct err **errp)
{
	backend_err_short(errp, name, size, offset, len);
	return s3_client_err_at(s3->client, name, errp);
}

/* Nothing is asked for: but it must be there, and reach so far. */
static bool check_reach(struct backend *backend, const char *name, uint64_t offset, struct err **errp)
{
	uint64_t size = 0;
	return s3_size(backend, name, &size, errp) &&
	       (offset <= size || too_short(s3_of(backend), name, size, offset, 0, errp));
}

bool s3_get_range(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len, struct err **errp)
{
	struct s3 *s3 = s3_of(backend);
	AUTO(s3_answer_release) struct s3_answer answer = {0};
	uint64_t end, size = 0;
	if (len == 0)
		return check_reach(backend, name, offset, errp);
	if (__builtin_add_overflow(offset, len, &end) || end > INT64_MAX)
		return s3_size(backend, name, &size, errp) && too_short(s3, name, size, offset, len, errp);
	AUTO(freep) char *range = file_format("bytes=%" PRIu64 "-%" PRIu64, offset, end - 1);
	if (!range)
		return err_set_no_memory(errp);
	struct s3_request request = {.name = name, .range = range, .data = data, .room = len};
	if (!ask(s3, &request, &answer, errp))
		return false;
	const struct s3_headers *headers = &answer.headers;
	if (answer.status == 416 || (headers->has_range && headers->size < end))
		return s3_size(backend, name, &size, errp) && too_short(s3, name, size, offset, len, errp);
	if (answer.status != 206 || !headers->has_range || headers->first != offset || headers->last != end - 1 ||
	    answer.len != len || answer.too_long)
		return strange_range(s3, name, &answer, errp);
	return true;
}

/* An object without bytes has no part that could be asked for. */
static bool empty_tail(struct backend *backend, const char *name, size_t *ret_len, uint64_t *ret_size,
		       struct err **errp)
{
	uint64_t size = 0;
	if (!s3_size(backend, name, &size, errp))
		return false;
	*ret_len = 0;
	*ret_size = size;
	return true;
}

bool s3_get_tail(struct backend *backend, const char *name, void *data, size_t max, size_t *ret_len, uint64_t *ret_size,
		 struct err **errp)
{
	struct s3 *s3 = s3_of(backend);
	AUTO(s3_answer_release) struct s3_answer answer = {0};
	if (max == 0)
		return empty_tail(backend, name, ret_len, ret_size, errp);
	AUTO(freep) char *range = file_format("bytes=-%zu", max);
	if (!range)
		return err_set_no_memory(errp);
	struct s3_request request = {.name = name, .range = range, .data = data, .room = max};
	if (!ask(s3, &request, &answer, errp))
		return false;
	const struct s3_headers *headers = &answer.headers;
	if (answer.status == 416 || (answer.status == 200 && answer.text.len == 0))
		return empty_tail(backend, name, ret_len, ret_size, errp);
	if (answer.status != 206 || !headers->has_range || headers->last + 1 != headers->size ||
	    headers->last - headers->first + 1 != answer.len || answer.too_long ||
	    answer.len != (headers->size < max ? headers->size : max))
		return strange_range(s3, name, &answer, errp);
	*ret_len = answer.len;
	*ret_size = headers->size;
	return true;
}

static bool size_of_oldest(struct s3 *s3, const char *name, uint64_t *ret, struct err **errp)
{
	struct s3_version oldest;
	bool found;
	if (!s3_version_oldest(s3, name, NULL, &oldest, &found, errp))
		return false;
	if (!found)
		return s3_err_not_found(s3, name, errp);
	*ret = oldest.size;
	return true;
}

/* By its first byte: unlike a HEAD, a GET that fails says why. */
bool s3_size(struct backend *backend, const char *name, uint64_t *ret, struct err **errp)
{
	struct s3 *s3 = s3_of(backend);
	AUTO(s3_answer_release) struct s3_answer answer = {0};
	uint8_t first;
	if (atomic_load(&s3->versions))
		return size_of_oldest(s3, name, ret, errp);
	struct s3_request request = {.name = name, .range = "bytes=0-0", .data = &first, .room = sizeof(first)};
	if (!ask(s3, &request, &answer, errp))
		return false;
	if (answer.status == 416 || (answer.status == 200 && answer.text.len == 0 && !answer.too_long))
		*ret = 0;
	else if (answer.status == 206 && answer.headers.has_range)
		*ret = answer.headers.size;
	else
		return strange_range(s3, name, &answer, errp);
	return true;
}
