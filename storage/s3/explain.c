/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures of the service in words of whoever has to mend them: credentials, policies, the clock, the address.
 * ERR_GONE is for all that says nothing about the object: nobody is to take it for damage.
 */
#include <string.h>

#include "base/err.h"
#include "storage/s3/client_internal.h"

/* What failed, for who knows none of the codes. */
struct failure {
	const struct s3_attempt *attempt;
	const struct s3_answer *answer;
	const struct s3_error *error;
};

static bool no_bucket(const struct failure *failure, struct err **errp)
{
	(void)failure;
	return err_set(errp, ERR_GONE, "there is no such bucket; salvor makes none, so make it first");
}

static bool unknown_key(const struct failure *failure, struct err **errp)
{
	return err_set(errp, ERR_DENIED, "the access key '%s' is not known there",
		       failure->attempt->credentials.access_key);
}

static bool wrong_secret(const struct failure *failure, struct err **errp)
{
	return err_set(errp, ERR_DENIED, "the secret that was given with the access key '%s' is not the right one",
		       failure->attempt->credentials.access_key);
}

static bool expired(const struct failure *failure, struct err **errp)
{
	return err_set(errp, ERR_DENIED,
		       "the session of the access key '%s' has expired: fetch new credentials and try again",
		       failure->attempt->credentials.access_key);
}

static bool not_allowed(const struct failure *failure, struct err **errp)
{
	return err_set(errp, ERR_DENIED, "the access key '%s' may not do this: a policy has to allow %s",
		       failure->attempt->credentials.access_key, failure->attempt->request->action);
}

static bool wrong_time(const struct failure *failure, struct err **errp)
{
	(void)failure;
	return err_set(errp, ERR_DENIED, "the clock of this machine is too far from that of the service: put it right");
}

static bool elsewhere(const struct failure *failure, struct err **errp)
{
	const char *region = failure->error->region[0] ? failure->error->region : failure->answer->headers.region;
	if (!*region)
		return err_set(errp, ERR_GONE,
			       "the bucket is in another region: name it in the URL, as ?region=eu-central-1");
	return err_set(
		errp, ERR_GONE,
		"the bucket is in the region %s: write ?region=%s behind the URL, or the endpoint of that region",
		region, region);
}

static bool full(const struct failure *failure, struct err **errp)
{
	(void)failure;
	return err_set(errp, ERR_NO_SPACE,
		       "the quota is used up: make room there and run this again; its points are whole");
}

/* A service that can read objects can read this one, too, when it is asked itself. */
static bool not_implemented(const struct failure *failure, struct err **errp)
{
	const struct s3_request *request = failure->attempt->request;
	const bool reads = request->name && strcmp(request->method, "GET") == 0;
	return err_set(errp, reads ? ERR_GONE : ERR_UNSUPPORTED, "the service does not know how to do this (%s): %s",
		       request->action, failure->error->message);
}

static bool archived(const struct failure *failure, struct err **errp)
{
	(void)failure;
	return err_set(errp, ERR_GONE, "the object lies in an archive: restore it from there first");
}

static const struct known {
	const char *code;
	bool (*say)(const struct failure *failure, struct err **errp);
} known[] = {
	{"NoSuchBucket", no_bucket},
	{"InvalidBucketName", no_bucket},
	{"InvalidAccessKeyId", unknown_key},
	{"SignatureDoesNotMatch", wrong_secret},
	{"ExpiredToken", expired},
	{"ExpiredTokenException", expired},
	{"TokenRefreshRequired", expired},
	{"InvalidToken", expired},
	{"AccessDenied", not_allowed},
	{"AllAccessDisabled", not_allowed},
	{"RequestTimeTooSkewed", wrong_time},
	{"RequestExpired", wrong_time},
	{"PermanentRedirect", elsewhere},
	{"TemporaryRedirect", elsewhere},
	{"AuthorizationHeaderMalformed", elsewhere},
	{"QuotaExceeded", full},
	{"NotImplemented", not_implemented},
	{"InvalidObjectState", archived},
};

static const struct known *known_of(const struct failure *failure)
{
	for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
		if (strcmp(failure->error->code, known[i].code) == 0)
			return &known[i];
	return NULL;
}

static bool say_status(const struct failure *failure, struct err **errp)
{
	const struct s3_answer *answer = failure->answer;
	if (answer->headers.html)
		return err_set(errp, ERR_GONE,
			       "what answers there sends web pages (status %ld) and is no S3 service; are host and "
			       "port right?",
			       answer->status);
	if (answer->status == 403)
		return not_allowed(failure, errp);
	if (answer->status == 404)
		return err_set(errp, ERR_GONE,
			       "what answers there does not say what it has not found (status 404), so it is no S3 "
			       "service; are host and port right?");
	if (answer->status == 507)
		return full(failure, errp);
	if (answer->status == 501)
		return not_implemented(failure, errp);
	if (answer->status >= 300 && answer->status < 400)
		return elsewhere(failure, errp);
	return err_set(errp, ERR_GONE, "the service answers with status %ld", answer->status);
}

/* What passes by itself, and did not. */
static bool say_trouble(const struct failure *failure, struct err **errp)
{
	const struct s3_error *error = failure->error;
	return err_set(errp, ERR_GONE, "the service cannot do it now (status %ld%s%s%s%s): try again later",
		       failure->answer->status, error->code[0] ? ", " : "", error->code, error->message[0] ? ": " : "",
		       error->message);
}

static bool say(const struct failure *failure, struct err **errp)
{
	const struct known *code = known_of(failure);
	const struct s3_error *error = failure->error;
	if (code)
		return code->say(failure, errp);
	if (failure->answer->status == 429 ||
	    (failure->answer->status >= 500 && failure->answer->status != 501 && failure->answer->status != 507))
		return say_trouble(failure, errp);
	if (!error->code[0])
		return say_status(failure, errp);
	return err_set(errp, ERR_GONE, "the service refuses it (status %ld, %s%s%s)", failure->answer->status,
		       error->code, error->message[0] ? ": " : "", error->message);
}

bool s3_explain(const struct s3_client *client, const struct s3_attempt *attempt, const struct s3_answer *answer,
		const struct s3_error *error, struct err **errp)
{
	const struct failure failure = {.attempt = attempt, .answer = answer, .error = error};
	say(&failure, errp);
	return s3_client_err_at(client, attempt->request->name, errp);
}
