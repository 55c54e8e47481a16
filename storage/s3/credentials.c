/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/credentials.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "storage/crypto.h"
#include "storage/s3/credentials_internal.h"
#include "storage/s3/profile.h"

/* How long before they expire they are fetched again. */
#define EARLY_NS (UINT64_C(300) * 1000000000)

struct s3_wallet {
	struct s3_http *http;
	pthread_mutex_t lock;
	struct s3_credentials current;
};

static void wipe(char **secret)
{
	if (*secret)
		crypto_wipe(*secret, strlen(*secret));
	free(STEAL(secret));
}

void s3_credentials_release(struct s3_credentials *credentials)
{
	wipe(&credentials->secret);
	wipe(&credentials->token);
	free(STEAL(&credentials->access_key));
}

static bool copy_of(const struct s3_credentials *from, struct s3_credentials *ret, struct err **errp)
{
	struct s3_credentials copy = {.access_key = strdup(from->access_key),
				      .secret = strdup(from->secret),
				      .token = from->token ? strdup(from->token) : NULL,
				      .expires_ns = from->expires_ns};
	if (!copy.access_key || !copy.secret || (from->token && !copy.token)) {
		s3_credentials_release(&copy);
		return err_set_no_memory(errp);
	}
	*ret = copy;
	return true;
}

static const char *environment(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

static bool from_environment(struct s3_credentials *ret, struct err **errp)
{
	const char *access_key = environment("AWS_ACCESS_KEY_ID"), *secret = environment("AWS_SECRET_ACCESS_KEY");
	const char *token = environment("AWS_SESSION_TOKEN");
	if (!access_key && !secret)
		return true;
	if (!access_key || !secret)
		return err_set(errp, ERR_DENIED, "%s is set, and %s is not",
			       access_key ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
			       access_key ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
	/* Borrowed by a copy, which is all that is done with it. */
	const struct s3_credentials found = {.access_key = (char *)(uintptr_t)access_key,
					     .secret = (char *)(uintptr_t)secret,
					     .token = (char *)(uintptr_t)token};
	return copy_of(&found, ret, errp);
}

static bool from_profile(struct s3_credentials *ret, struct err **errp)
{
	AUTO(s3_profile_release) struct s3_profile profile = {0};
	if (!s3_profile_load(&profile, errp))
		return false;
	if (profile.access_key && profile.secret) {
		ret->access_key = STEAL(&profile.access_key);
		ret->secret = STEAL(&profile.secret);
		ret->token = STEAL(&profile.token);
		return true;
	}
	if (profile.elsewhere)
		return err_set(
			errp, ERR_UNSUPPORTED,
			"the profile gets its keys by %s, which salvor does not do: let another tool put them into "
			"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
			profile.elsewhere);
	return true;
}

static bool look(struct s3_http *http, struct s3_credentials *ret, struct err **errp)
{
	if (!from_environment(ret, errp) || (!ret->access_key && !from_profile(ret, errp)) ||
	    (!ret->access_key && !s3_credentials_of_container(http, ret, errp)) ||
	    (!ret->access_key && !s3_credentials_of_instance(http, ret, errp)))
		return false;
	return ret->access_key || err_set(errp, ERR_DENIED,
					  "there are no credentials for it: set AWS_ACCESS_KEY_ID and "
					  "AWS_SECRET_ACCESS_KEY, or name a profile "
					  "of ~/.aws/credentials by AWS_PROFILE");
}

struct s3_wallet *s3_wallet_new(struct s3_http *http, struct err **errp)
{
	AUTO(s3_credentials_release) struct s3_credentials found = {0};
	if (!look(http, &found, errp))
		return NULL;
	struct s3_wallet *wallet = calloc(1, sizeof(*wallet));
	if (!wallet) {
		err_set_no_memory(errp);
		return NULL;
	}
	wallet->http = http;
	pthread_mutex_init(&wallet->lock, NULL);
	wallet->current = found;
	found = (struct s3_credentials){0};
	return wallet;
}

void s3_wallet_free(struct s3_wallet *wallet)
{
	if (!wallet)
		return;
	s3_credentials_release(&wallet->current);
	pthread_mutex_destroy(&wallet->lock);
	free(wallet);
}

/* With the lock held. */
static bool fetch(struct s3_wallet *wallet, struct err **errp)
{
	struct s3_credentials found = {0};
	if (!look(wallet->http, &found, errp)) {
		s3_credentials_release(&found);
		return false;
	}
	s3_credentials_release(&wallet->current);
	wallet->current = found;
	return true;
}

/* Those that still count for a while will do when new ones are not to be had. */
static bool refresh(struct s3_wallet *wallet, struct err **errp)
{
	AUTO(err_freep) struct err *failure = NULL;
	const uint64_t now = clock_now_ns(), expires = wallet->current.expires_ns;
	if (expires == 0 || now + EARLY_NS < expires || fetch(wallet, &failure))
		return true;
	return now < expires || err_move(errp, &failure);
}

bool s3_wallet_get(struct s3_wallet *wallet, struct s3_credentials *ret, struct err **errp)
{
	pthread_mutex_lock(&wallet->lock);
	bool done = refresh(wallet, errp) && copy_of(&wallet->current, ret, errp);
	pthread_mutex_unlock(&wallet->lock);
	return done;
}

static bool are_same(const struct s3_credentials *a, const struct s3_credentials *b)
{
	return strcmp(a->access_key, b->access_key) == 0 && strcmp(a->secret, b->secret) == 0 &&
	       strcmp(a->token ? a->token : "", b->token ? b->token : "") == 0;
}

bool s3_wallet_renew(struct s3_wallet *wallet, const struct s3_credentials *expired)
{
	AUTO(err_freep) struct err *ignored = NULL; /* they stay expired, which is what will be said */
	pthread_mutex_lock(&wallet->lock);
	if (are_same(&wallet->current, expired))
		(void)!fetch(wallet, &ignored);
	bool others = !are_same(&wallet->current, expired);
	pthread_mutex_unlock(&wallet->lock);
	return others;
}
