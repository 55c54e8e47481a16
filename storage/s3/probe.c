/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service does in the bucket's real state, found out by doing it: two objects of one name, with different bytes,
 * each with the condition that there is none. The name begins as those that are never read.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "storage/crypto.h"
#include "storage/s3/backend_internal.h"

enum { RANDOM_SIZE = 8, FEW = 100 };

bool s3_learn_versioning(struct s3 *s3, struct err **errp)
{
	AUTO(s3_answer_release) struct s3_answer answer = {0};
	AUTO(err_freep) struct err *failure = NULL;
	enum s3_versioning state;
	const struct s3_request request = {
		.method = "GET", .action = "s3:GetBucketVersioning", .query = "versioning=", .text_max = S3_ANSWER_MAX};
	if (!s3_client_request(s3->client, &request, &answer, &failure))
		/* Who may not ask, or asks a service that does not know the question, learns it from other answers. */
		return err_code(failure) == ERR_UNSUPPORTED || err_code(failure) == ERR_DENIED ||
		       err_move(errp, &failure);
	if (answer.status != 200 || !s3_versioning_parse(bytes_span(&answer.text), &state, &failure)) {
		if (!failure)
			err_set(&failure, ERR_FAILED,
				"the service does not say whether the bucket keeps versions (status %ld)",
				answer.status);
		s3_client_err_at(s3->client, NULL, &failure);
		return err_move(errp, &failure);
	}
	atomic_store(&s3->versions, state != S3_UNVERSIONED);
	return true;
}

/* The key without the prefix, as people are to see it. */
static bool check_key(const struct s3 *s3, const char *key, struct err **errp)
{
	AUTO(freep) char *start = s3_client_key(s3->client, NULL, errp);
	if (!start)
		return false;
	const char *rest = strncmp(key, start, strlen(start)) == 0 ? key + strlen(start) : key;
	if (strncmp(rest, "tmp", 3) == 0 || s3_name_of(s3, key))
		return true;
	err_set(errp, ERR_EXISTS, "it is not empty: it holds '%s'", rest);
	return s3_client_err_at(s3->client, NULL, errp);
}

/* Of objects of ours the caller knows more to say. */
static bool check_nothing_foreign(struct s3 *s3, struct err **errp)
{
	struct s3_page page;
	AUTO(freep) char *query = s3_list_query(s3, NULL, NULL, FEW, false, NULL, errp);
	if (!query || !s3_list_page(s3, query, false, &page, errp))
		return false;
	bool clean = true;
	for (size_t i = 0; clean && i < page.n; i++)
		clean = check_key(s3, page.entries[i].key, errp);
	s3_page_release(&page);
	return clean;
}

struct probe {
	char name[OBJECT_NAME_SIZE];
	char first[S3_VERSION_SIZE], second[S3_VERSION_SIZE]; /* their versions; "" where there are none */
	bool refused;					      /* the second was not made */
};

/* The names of versions are from the answers; the condition may be a word that the service does not know. */
static bool put_twice(struct s3 *s3, struct probe *probe, struct err **errp)
{
	AUTO(err_freep) struct err *failure = NULL;
	bool made;
	if (!s3_put(s3, probe->name, SPAN_TEXT("1"), NULL, &made, probe->first, &failure)) {
		if (err_code(failure) != ERR_UNSUPPORTED)
			return err_move(errp, &failure);
		return true;
	}
	if (!s3_put(s3, probe->name, SPAN_TEXT("2"), NULL, &made, probe->second, errp))
		return false;
	probe->refused = !made;
	return true;
}

static bool first_is_oldest(struct s3 *s3, const struct probe *probe, bool *ret, struct err **errp)
{
	struct s3_version oldest;
	bool found;
	*ret = false;
	if (!probe->first[0])
		return true;
	if (!s3_version_oldest(s3, probe->name, probe->first, &oldest, &found, errp))
		return false;
	*ret = found && strcmp(oldest.id, probe->first) == 0;
	return true;
}

/* Who may not delete leaves two bytes behind, which nobody reads. */
static void clean_up(struct s3 *s3, const struct probe *probe)
{
	AUTO(err_freep) struct err *ignored = NULL;
	if (!s3_remove(&s3->backend, probe->name, &ignored))
		err_clear(&ignored);
}

static bool choose(struct s3 *s3, const struct probe *probe, bool single_writer, struct err **errp)
{
	bool by_age;
	if (!first_is_oldest(s3, probe, &by_age, errp))
		return false;
	if (by_age)
		s3->rule = CREATE_ONCE_OLDEST;
	else if (probe->refused)
		s3->rule = CREATE_ONCE_OWN;
	else if (single_writer)
		s3->rule = CREATE_ONCE_ALONE;
	else {
		err_set(errp, ERR_UNSUPPORTED,
			"the service makes an object twice and keeps no versions, so that two writers could not tell "
			"who was "
			"first: turn on versioning, or accept with --single-writer that only one machine ever writes "
			"to it");
		return s3_client_err_at(s3->client, NULL, errp);
	}
	return true;
}

bool s3_probe(struct s3 *s3, bool single_writer, struct err **errp)
{
	struct probe probe = {0};
	uint8_t random[RANDOM_SIZE];
	char text[2 * RANDOM_SIZE + 1];
	if (!check_nothing_foreign(s3, errp) || !crypto_random(random, sizeof(random), errp))
		return false;
	snprintf(probe.name, sizeof(probe.name), "tmp-%s", hex_encode(random, sizeof(random), text));
	if (!put_twice(s3, &probe, errp))
		return false;
	bool chosen = choose(s3, &probe, single_writer, errp);
	clean_up(s3, &probe);
	return chosen;
}
