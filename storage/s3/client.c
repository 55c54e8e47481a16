/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "storage/s3/client_internal.h"
#include "storage/s3/profile.h"
#include "storage/s3/retry.h"
#include "storage/s3/url.h"

#define SECOND_NS UINT64_C(1000000000)
/* A wrong address is to be said soon; a network that was there will come back. */
#define PATIENCE_FIRST_NS (5 * SECOND_NS)
#define PATIENCE_NS (180 * SECOND_NS)

static const char *environment(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

static const char *first_of(const char *a, const char *b, const char *c)
{
	return a ? a : b ? b : c;
}

static bool set_region(struct s3_client *client, const struct s3_url *url, const struct s3_profile *profile,
		       struct err **errp)
{
	const char *said = first_of(environment("AWS_REGION"), environment("AWS_DEFAULT_REGION"), profile->region);
	const char *region = first_of(url->region, said, "us-east-1");
	if (strlen(region) >= sizeof(client->region) ||
	    strspn(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(region))
		return err_set(errp, ERR_USAGE, "'%s' cannot be the name of a region", region);
	memcpy(client->region, region, strlen(region) + 1);
	return true;
}

static bool set_place(struct s3_client *client, const struct s3_url *url, const struct s3_profile *profile,
		      struct err **errp)
{
	const char *said =
		first_of(environment("AWS_ENDPOINT_URL_S3"), environment("AWS_ENDPOINT_URL"), profile->endpoint);
	if (!set_region(client, url, profile, errp) || !s3_endpoint_make(url, said, &client->endpoint, errp))
		return false;
	client->prefix = strdup(url->prefix);
	AUTO(freep) char *host = s3_endpoint_host(&client->endpoint, client->region);
	client->place = host ? file_format("bucket '%s' at %s", url->bucket, host) : NULL;
	return (client->prefix && client->place) || err_set_no_memory(errp);
}

static bool connect_to(struct s3_client *client, const struct s3_url *url, const struct s3_client_options *options,
		       struct err **errp)
{
	AUTO(s3_profile_release) struct s3_profile profile = {0};
	if (!s3_profile_load(&profile, errp) || !set_place(client, url, &profile, errp))
		return false;
	const struct s3_http_options http = {.ca_bundle =
						     first_of(environment("AWS_CA_BUNDLE"), profile.ca_bundle, NULL),
					     .rate = options->rate,
					     .cancel = options->cancel};
	client->http = s3_http_new(&http, errp);
	client->wallet = client->http ? s3_wallet_new(client->http, errp) : NULL;
	return client->wallet || (client->http && err_prefix(errp, "%s", client->place));
}

struct s3_client *s3_client_new(const struct s3_url *url, const struct s3_client_options *options, struct err **errp)
{
	struct s3_client *client = calloc(1, sizeof(*client));
	if (!client) {
		err_set_no_memory(errp);
		return NULL;
	}
	client->cancel = options->cancel;
	pthread_mutex_init(&client->lock, NULL);
	s3_gate_init(&client->gate, options->cancel);
	if (connect_to(client, url, options, errp))
		return client;
	s3_client_free(client);
	return NULL;
}

void s3_client_free(struct s3_client *client)
{
	if (!client)
		return;
	s3_wallet_free(client->wallet);
	s3_http_free(client->http);
	s3_endpoint_release(&client->endpoint);
	s3_gate_release(&client->gate);
	pthread_mutex_destroy(&client->lock);
	free(client->prefix);
	free(client->place);
	free(client);
}

const char *s3_client_place(const struct s3_client *client)
{
	return client->place;
}

const struct cancel *s3_client_cancel(const struct s3_client *client)
{
	return client->cancel;
}

char *s3_client_key(const struct s3_client *client, const char *name, struct err **errp)
{
	const char *slash = *client->prefix ? "/" : "";
	char *key = file_format("%s%s%s", client->prefix, slash, name ? name : "");
	if (!key)
		err_set_no_memory(errp);
	return key;
}

bool s3_client_err_at(const struct s3_client *client, const char *name, struct err **errp)
{
	const char *slash = *client->prefix ? "/" : "";
	return name ? err_prefix(errp, "%s, key '%s%s%s'", client->place, client->prefix, slash, name)
		    : err_prefix(errp, "%s", client->place);
}

static void attempt_release(struct s3_attempt *attempt)
{
	free(attempt->key);
	s3_credentials_release(&attempt->credentials);
}

/* One try, and what is to be done next. *errp is set for S3_AGAIN, S3_SLOWER and S3_FAIL. */
static enum s3_verdict try(struct s3_client *client, struct s3_attempt *attempt, struct s3_answer *answer,
			   struct err **errp)
{
	struct s3_error error = {0};
	s3_gate_enter(&client->gate);
	enum s3_outcome outcome = s3_client_send(client, attempt, answer, errp);
	enum s3_verdict verdict = outcome == S3_LOST ? S3_AGAIN : S3_FAIL;
	if (outcome == S3_ANSWERED) {
		if (answer->status >= 300)
			s3_error_parse(bytes_span(&answer->text), &error);
		verdict = s3_client_judge(client, attempt, answer, &error);
	}
	s3_gate_leave(&client->gate,
		      verdict == S3_SLOWER ? S3_THROTTLED
		      : verdict == S3_GIVE ? S3_PASSED
					   : S3_TROUBLED,
		      answer->headers.retry_after_s * SECOND_NS);
	if (outcome != S3_ANSWERED)
		s3_client_err_at(client, attempt->request->name, errp);
	else if (verdict != S3_GIVE && verdict != S3_AT_ONCE)
		s3_explain(client, attempt, answer, &error, errp);
	return verdict;
}

/* The error of the last try stays when there is to be no other, unless that is the user's wish. */
static bool wait_for_next(struct s3_client *client, struct s3_retry *retry, struct err **errp)
{
	log_debug("%s", err_message(*errp));
	retry->patience_ns = atomic_load(&client->answered) ? PATIENCE_NS : PATIENCE_FIRST_NS;
	if (!s3_retry_wait(retry) && !(client->cancel && cancel_requested(client->cancel)))
		return err_prefix(errp, "given up after %u seconds of trying",
				  (unsigned)(retry->patience_ns / SECOND_NS));
	err_clear(errp);
	return !client->cancel || cancel_check(client->cancel, errp);
}

static bool go_on(struct s3_client *client, struct s3_attempt *attempt, struct s3_answer *ret, struct err **errp)
{
	struct s3_retry retry;
	s3_retry_init(&retry, PATIENCE_FIRST_NS, client->cancel);
	for (;;) {
		enum s3_verdict verdict = try(client, attempt, ret, errp);
		if (verdict == S3_GIVE || verdict == S3_FAIL)
			return verdict == S3_GIVE;
		if (verdict != S3_AT_ONCE && !wait_for_next(client, &retry, errp))
			return false;
		s3_answer_release(ret);
	}
}

/* The codes that callers tell apart stay; any other failure is of the way there, and never of the object. */
static bool of_the_way(struct err **errp)
{
	const enum err_code code = err_code(*errp);
	if (code == ERR_DENIED || code == ERR_NO_SPACE || code == ERR_NO_MEMORY || code == ERR_CANCELLED ||
	    code == ERR_UNSUPPORTED)
		return false;
	AUTO(err_freep) struct err *failure = STEAL(errp);
	return err_set(errp, ERR_GONE, "%s", err_message(failure));
}

bool s3_client_request(struct s3_client *client, const struct s3_request *request, struct s3_answer *ret,
		       struct err **errp)
{
	AUTO(attempt_release) struct s3_attempt attempt = {.request = request};
	*ret = (struct s3_answer){0};
	return (s3_attempt_prepare(client, &attempt, errp) && go_on(client, &attempt, ret, errp)) || of_the_way(errp);
}
