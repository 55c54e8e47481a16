/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "storage/s3/client_internal.h"

enum { MOVES_MAX = 2 };

static bool is_one_of(const char *code, const char *const *codes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

#define IS_ONE_OF(code, ...)                                       \
	({                                                         \
		static const char *const codes_[] = {__VA_ARGS__}; \
		is_one_of(code, codes_, ARRAY_LENGTH(codes_));     \
	})

static bool is_throttled(long status, const char *code)
{
	return status == 429 || status == 503 ||
	       IS_ONE_OF(code, "SlowDown", "RequestLimitExceeded", "Throttling", "ThrottlingException",
			 "TooManyRequests");
}

/* What the same request may not meet the next time. */
static bool is_passing(long status, const char *code)
{
	return status == 408 || (status >= 500 && status != 501 && status != 505 && status != 507) ||
	       IS_ONE_OF(code, "RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "IncompleteBody",
			 "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch");
}

static bool is_expired(const char *code)
{
	return IS_ONE_OF(code, "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired");
}

/* Where the bucket is, when that is not where we asked; "" when nobody said. */
static const char *region_said(const struct s3_answer *answer, const struct s3_error *error)
{
	return error->region[0] ? error->region : answer->headers.region;
}

/* Only Amazon's own hosts follow from a region; but any service may want the region in the signature. */
static bool move(struct s3_client *client, struct s3_attempt *attempt, const char *region, bool in_signature)
{
	if (!*region || strcmp(region, attempt->region) == 0 || strlen(region) >= sizeof(client->region) ||
	    strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(region) ||
	    (client->endpoint.authority && !in_signature) || attempt->moved++ >= MOVES_MAX)
		return false;
	pthread_mutex_lock(&client->lock);
	memcpy(client->region, region, strlen(region) + 1);
	pthread_mutex_unlock(&client->lock);
	return true;
}

static bool set_clock(struct s3_client *client, struct s3_attempt *attempt, const struct s3_answer *answer)
{
	if (answer->headers.date_ns == 0 || attempt->clock_set)
		return false;
	attempt->clock_set = true;
	atomic_store(&client->clock_ns, (int64_t)answer->headers.date_ns - (int64_t)clock_now_ns());
	return true;
}

static bool renew(struct s3_client *client, struct s3_attempt *attempt)
{
	if (attempt->renewed)
		return false;
	attempt->renewed = true;
	return s3_wallet_renew(client->wallet, &attempt->credentials);
}

/* Of an answer that is neither success nor about the object. */
static enum s3_verdict judge_error(struct s3_client *client, struct s3_attempt *attempt, const struct s3_answer *answer,
				   const struct s3_error *error)
{
	const char *region = region_said(answer, error);
	if ((answer->status == 301 || answer->status == 307 ||
	     strcmp(error->code, "IllegalLocationConstraintException") == 0) &&
	    move(client, attempt, region, false))
		return S3_AT_ONCE;
	if (strcmp(error->code, "AuthorizationHeaderMalformed") == 0 && move(client, attempt, region, true))
		return S3_AT_ONCE;
	if (strcmp(error->code, "RequestTimeTooSkewed") == 0)
		return set_clock(client, attempt, answer) ? S3_AT_ONCE : S3_FAIL;
	if (is_expired(error->code))
		return renew(client, attempt) ? S3_AT_ONCE : S3_FAIL;
	if (is_throttled(answer->status, error->code))
		return S3_SLOWER;
	return is_passing(answer->status, error->code) ? S3_AGAIN : S3_FAIL;
}

enum s3_verdict s3_client_judge(struct s3_client *client, struct s3_attempt *attempt, const struct s3_answer *answer,
				const struct s3_error *error)
{
	/* A page for people is from something in between, which may go away. */
	if (answer->headers.html)
		return S3_AGAIN;
	if (error->code[0] || answer->status < 300)
		atomic_store(&client->answered, true);
	if (answer->status >= 200 && answer->status < 300)
		return S3_GIVE;
	if (answer->status == 404 && IS_ONE_OF(error->code, "NoSuchKey", "NoSuchVersion"))
		return S3_GIVE;
	/* S3 says what is not there. Who does not is something in between, too. */
	if (answer->status == 404 && !error->code[0])
		return S3_AGAIN;
	if (answer->status == 412 || answer->status == 416)
		return S3_GIVE;
	return judge_error(client, attempt, answer, error);
}
