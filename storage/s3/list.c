/* SPDX-License-Identifier: Apache-2.0 */
/* Listing, a page at a time. Where there are versions, their list is the list of objects: it knows no delete markers.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/file.h"
#include "storage/s3/backend_internal.h"
#include "storage/s3/encode.h"

enum { PAGE = 1000, QUERY_MAX = 16384, NUMBER_SIZE = 12 };

const char *s3_name_of(const struct s3 *s3, const char *key)
{
	AUTO(err_freep) struct err *ignored = NULL;
	AUTO(freep) char *start = s3_client_key(s3->client, NULL, &ignored);
	if (!start || strncmp(key, start, strlen(start)) != 0)
		return NULL;
	const char *name = key + strlen(start);
	return backend_name_is_valid(name) ? name : NULL;
}

/* "name=value" percent-encoded, for a value that is not NULL. */
static void put_setting(struct bytes *query, const char *name, const char *value)
{
	if (!value)
		return;
	if (query->len > 0)
		bytes_u8(query, '&');
	s3_encode(query, name);
	bytes_u8(query, '=');
	s3_encode(query, value);
}

char *s3_list_query(const struct s3 *s3, const char *name, const char *behind, unsigned max, bool versions,
		    const struct s3_page *page, struct err **errp)
{
	AUTO(freep) char *prefix = s3_client_key(s3->client, name, errp);
	AUTO(freep) char *number = prefix ? file_format("%u", max) : NULL;
	AUTO(bytes_release) struct bytes query;
	bytes_init(&query, QUERY_MAX);
	if (!prefix)
		return NULL;
	/* Ascending, for the signature. */
	if (versions) {
		put_setting(&query, "key-marker", page ? page->next_key : behind);
		put_setting(&query, "max-keys", number);
		put_setting(&query, "prefix", prefix);
		put_setting(&query, "version-id-marker", page ? page->next_version : NULL);
		put_setting(&query, "versions", "");
	} else {
		put_setting(&query, "continuation-token", page ? page->token : NULL);
		put_setting(&query, "list-type", "2");
		put_setting(&query, "max-keys", number);
		put_setting(&query, "prefix", prefix);
	}
	bytes_u8(&query, '\0');
	char *text = number && bytes_ok(&query) ? strdup((const char *)query.data) : NULL;
	if (!text)
		err_set_no_memory(errp);
	return text;
}

/* ERR_GONE when it is no list, which says nothing about the objects in it. */
static bool parse_list(const struct s3_answer *answer, bool versions, struct s3_page *ret, struct err **errp)
{
	AUTO(err_freep) struct err *failure = NULL;
	if (answer->status != 200 || answer->too_long)
		return err_set(errp, ERR_GONE, "its list is no list (status %ld)", answer->status);
	if (s3_page_parse(bytes_span(&answer->text), versions, ret, &failure))
		return true;
	return err_code(failure) == ERR_FAILED ? err_set(errp, ERR_GONE, "%s", err_message(failure))
					       : err_move(errp, &failure);
}

/* A page that is not one was cut off or changed on its way. */
bool s3_list_page(struct s3 *s3, const char *query, bool versions, struct s3_page *ret, struct err **errp)
{
	enum { TRIES = 3 };
	const struct s3_request request = {.method = "GET",
					   .action = versions ? "s3:ListBucketVersions" : "s3:ListBucket",
					   .query = query,
					   .text_max = S3_ANSWER_MAX};
	for (unsigned tries = 1;; tries++) {
		AUTO(s3_answer_release) struct s3_answer answer = {0};
		if (!s3_client_request(s3->client, &request, &answer, errp))
			return false;
		if (parse_list(&answer, versions, ret, errp))
			return true;
		if (tries == TRIES || err_code(*errp) != ERR_GONE)
			return s3_client_err_at(s3->client, NULL, errp);
		err_clear(errp);
	}
}

static bool is_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Whether what follows this page begins where what follows the one before it did. */
static bool is_stuck(const struct s3_page *page, const struct s3_page *before)
{
	return before->truncated && page->truncated && is_same(page->token, before->token) &&
	       is_same(page->next_key, before->next_key) && is_same(page->next_version, before->next_version);
}

/* The first page comes even after the user's wish to stop: what is cleaned up then is looked for, too. */
bool s3_list_next(struct s3 *s3, const char *name, unsigned max, bool versions, struct s3_page *page, struct err **errp)
{
	const struct cancel *cancel = s3_client_cancel(s3->client);
	struct s3_page next = {0};
	if (page->truncated && cancel && !cancel_check(cancel, errp))
		return false;
	AUTO(freep) char *query = s3_list_query(s3, name, NULL, max, versions, page->truncated ? page : NULL, errp);
	if (!query || !s3_list_page(s3, query, versions, &next, errp))
		return false;
	const bool stuck = is_stuck(&next, page);
	s3_page_release(page);
	*page = next;
	if (!stuck)
		return true;
	err_set(errp, ERR_GONE, "the service gives the same page of its list again and again");
	return s3_client_err_at(s3->client, NULL, errp);
}

/* What is still to be given: the last name of a page may have older versions on the next one. */
struct pending {
	char name[OBJECT_NAME_SIZE]; /* "": nothing */
	char version[S3_VERSION_SIZE];
	uint64_t size;
	bool there; /* there is more than delete markers of it */
};

struct listing {
	struct s3 *s3;
	backend_list_function *each;
	void *arg;
	bool versions;
	struct pending pending;
};

static bool give(struct listing *listing, struct err **errp)
{
	struct pending *pending = &listing->pending;
	if (!pending->name[0] || !pending->there)
		return true;
	if (listing->versions)
		s3_version_remember(&listing->s3->cache, pending->name, pending->version);
	return listing->each(listing->arg, pending->name, pending->size, errp);
}

static bool take(struct listing *listing, const struct s3_entry *entry, struct err **errp)
{
	struct pending *pending = &listing->pending;
	const char *name = s3_name_of(listing->s3, entry->key);
	if (!name)
		return true;
	const int order = strcmp(name, pending->name);
	if (order < 0)
		return err_set(errp, ERR_UNSUPPORTED,
			       "the service lists objects in another order than that of their names ('%s' behind '%s')",
			       name, pending->name);
	if (order > 0) {
		if (!give(listing, errp))
			return false;
		*pending = (struct pending){0};
		memcpy(pending->name, name, strlen(name) + 1);
	}
	if (entry->marker)
		return true;
	pending->there = true;
	pending->size = entry->size;
	if (entry->version)
		memcpy(pending->version, entry->version, strlen(entry->version) + 1);
	return true;
}

static bool take_page(struct listing *listing, const struct s3_page *page, struct err **errp)
{
	for (size_t i = 0; i < page->n; i++)
		if (!take(listing, &page->entries[i], errp))
			return false;
	return true;
}

bool s3_list(struct backend *backend, const char *prefix, backend_list_function *each, void *arg, struct err **errp)
{
	struct s3 *s3 = s3_of(backend);
	struct listing listing = {.s3 = s3, .each = each, .arg = arg, .versions = atomic_load(&s3->versions)};
	AUTO(s3_page_release) struct s3_page page = {0};
	do {
		if (!s3_list_next(s3, prefix, PAGE, listing.versions, &page, errp) || !take_page(&listing, &page, errp))
			return false;
	} while (page.truncated);
	return give(&listing, errp);
}
