/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making an object that is not there. Each PUT carries the condition, and then
 *
 *   no versions    the service refuses a second object (412), which this process sees with its own eyes once
 *   versions       some services forget the condition there; whoever made the oldest version has won
 *   a lone writer  looks first; there is nobody to race with
 *
 * A PUT whose answer got lost is sent again by the client: if the first one had made the object, the second one is
 * refused, or makes a version that is not the oldest, and in both cases what counts is read and compared. The same
 * bytes are ours.
 */
#include <string.h>

#include "base/cancel.h"
#include "base/err.h"
#include "storage/s3/backend_internal.h"
#include "storage/s3/retry.h"

#define SECOND_NS UINT64_C(1000000000)
#define LAG_NS (60 * SECOND_NS)
/* What was refused for being there may be deleted by now, and then it can be made. */
#define LAG_OF_OTHERS_NS (5 * SECOND_NS)

bool s3_put(struct s3 *s3, const char *name, struct span body, const uint8_t *sha256, bool *ret_made,
	    char ret_version[S3_VERSION_SIZE], struct err **errp)
{
	AUTO(s3_answer_release) struct s3_answer answer = {0};
	const struct s3_request request = {.method = "PUT",
					   .action = "s3:PutObject",
					   .name = name,
					   .create_once = s3->rule != CREATE_ONCE_ALONE,
					   .body = body,
					   .sha256 = sha256};
	if (!s3_client_request(s3->client, &request, &answer, errp))
		return false;
	if (answer.status != 412 && (answer.status < 200 || answer.status > 299)) {
		err_set(errp, ERR_FAILED, "the service answers a PUT with status %ld", answer.status);
		return s3_client_err_at(s3->client, name, errp);
	}
	*ret_made = answer.status != 412;
	memcpy(ret_version, answer.headers.version, S3_VERSION_SIZE);
	if (answer.headers.versioned)
		atomic_store(&s3->versions, true);
	return true;
}

static bool exists(const struct s3 *s3, const char *name, struct err **errp)
{
	backend_err_exists(errp, name);
	return s3_client_err_at(s3->client, name, errp);
}

/* The object that counts, against ours. ERR_NOT_FOUND when there is none. */
static bool compare(struct s3 *s3, const char *name, struct span body, struct err **errp)
{
	AUTO(bytes_release) struct bytes there = {0};
	AUTO(err_freep) struct err *failure = NULL;
	if (!s3_get(&s3->backend, name, body.len, &there, &failure))
		return err_code(failure) == ERR_CORRUPT ? exists(s3, name, errp) : err_move(errp, &failure);
	return (there.len == body.len && (body.len == 0 || memcmp(there.data, body.data, body.len) == 0)) ||
	       exists(s3, name, errp);
}

/* Sends the same once more, which changes nothing: it must be refused. */
static bool prove(struct s3 *s3, const char *name, struct span body, const uint8_t *sha256, struct err **errp)
{
	char version[S3_VERSION_SIZE] = "";
	bool made = false;
	if (atomic_load(&s3->proven))
		return true;
	if (!s3_put(s3, name, body, sha256, &made, version, errp))
		return false;
	if (made && !version[0]) {
		err_set(errp, ERR_UNSUPPORTED,
			"the service makes an object twice, so that two writers could not tell who was first; it did "
			"not when "
			"the repository was made, or the repository was copied there");
		return s3_client_err_at(s3->client, name, errp);
	}
	atomic_store(&s3->proven, true);
	return true;
}

/*
 * A list that lags does not have what was just made: it is asked for until it has. ours: NULL when nothing was made for
 * what is there; ERR_NOT_FOUND when nothing is.
 */
static bool wait_for_version(struct s3 *s3, const char *name, const char *ours, struct s3_version *ret,
			     struct err **errp)
{
	struct s3_retry retry;
	s3_retry_init(&retry, ours ? LAG_NS : LAG_OF_OTHERS_NS, s3_client_cancel(s3->client));
	for (;;) {
		bool found;
		if (!s3_version_oldest(s3, name, ours, ret, &found, errp))
			return false;
		if (found)
			return true;
		if (!s3_retry_wait(&retry))
			break;
	}
	if (!ours)
		return s3_err_not_found(s3, name, errp);
	err_set(errp, ERR_GONE, "it was made, and the bucket's list of versions does not have it yet: try again later");
	return s3_client_err_at(s3->client, name, errp);
}

/* Whoever made the oldest version has won. */
static bool settle_by_age(struct s3 *s3, const char *name, struct span body, bool made, const char *version,
			  struct err **errp)
{
	struct s3_version oldest;
	if (!wait_for_version(s3, name, made ? version : NULL, &oldest, errp))
		return false;
	s3_version_remember(&s3->cache, name, oldest.id);
	return (made && s3_version_is(oldest.id, version)) || compare(s3, name, body, errp);
}

static bool settle(struct s3 *s3, const char *name, struct span body, const uint8_t *sha256, struct err **errp)
{
	char version[S3_VERSION_SIZE] = "";
	bool made = false;
	if (!s3_put(s3, name, body, sha256, &made, version, errp))
		return false;
	if (made && !version[0] && s3->rule == CREATE_ONCE_OLDEST) {
		err_set(errp, ERR_UNSUPPORTED,
			"the bucket does not keep versions any more, by which this repository tells who was first: "
			"turn versioning on again");
		return s3_client_err_at(s3->client, name, errp);
	}
	if (made && !version[0] && !prove(s3, name, body, sha256, errp))
		return false;
	if (atomic_load(&s3->versions))
		return settle_by_age(s3, name, body, made, version, errp);
	return made || compare(s3, name, body, errp);
}

/* There is no other writer, on the user's word: so what is there is there, and what is not is made. */
static bool put_alone(struct s3 *s3, const char *name, struct span body, const uint8_t *sha256, struct err **errp)
{
	AUTO(err_freep) struct err *failure = NULL;
	char version[S3_VERSION_SIZE] = "";
	bool made = false;
	if (compare(s3, name, body, &failure))
		return true;
	if (err_code(failure) != ERR_NOT_FOUND)
		return err_move(errp, &failure);
	return s3_put(s3, name, body, sha256, &made, version, errp);
}

bool s3_put_once(struct backend *backend, const char *name, struct span body, const uint8_t *sha256, struct err **errp)
{
	enum { TRIES = 3 };
	struct s3 *s3 = s3_of(backend);
	if (s3->rule == CREATE_ONCE_ALONE)
		return put_alone(s3, name, body, sha256, errp);
	for (unsigned tries = 1;; tries++) {
		AUTO(err_freep) struct err *failure = NULL;
		if (settle(s3, name, body, sha256, &failure))
			return true;
		/* Refused, and then not there: somebody deleted it in between. */
		if (err_code(failure) != ERR_NOT_FOUND || tries == TRIES)
			return err_move(errp, &failure);
	}
}
