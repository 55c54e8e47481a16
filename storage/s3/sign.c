/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/sign.h"

#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "storage/crypto.h"

enum { DAY_LENGTH = 8, TEXT_MAX = 1 << 20, HASH_TEXT_SIZE = 2 * HASH_SIZE + 1 };

#define ALGORITHM "AWS4-HMAC-SHA256"

char *s3_time_text(uint64_t ns, char text[S3_TIME_SIZE])
{
	const time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;
	if (!gmtime_r(&seconds, &tm) || strftime(text, S3_TIME_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
		text[0] = '\0';
	return text;
}

static void put(struct bytes *out, const char *text)
{
	bytes_put(out, text, strlen(text));
}

static void put_names(struct bytes *out, const struct s3_signing *signing)
{
	for (size_t i = 0; i < signing->n_headers; i++) {
		if (i > 0)
			put(out, ";");
		put(out, signing->headers[i].name);
	}
}

static void put_line(struct bytes *out, const char *text)
{
	put(out, text);
	put(out, "\n");
}

static bool hash_canonical_request(const struct s3_signing *signing, char ret[HASH_TEXT_SIZE], struct err **errp)
{
	uint8_t hash[HASH_SIZE];
	AUTO(bytes_release) struct bytes text;
	bytes_init(&text, TEXT_MAX);
	put_line(&text, signing->method);
	put_line(&text, signing->path);
	put_line(&text, signing->query);
	for (size_t i = 0; i < signing->n_headers; i++) {
		put(&text, signing->headers[i].name);
		put(&text, ":");
		put_line(&text, signing->headers[i].value);
	}
	put(&text, "\n");
	put_names(&text, signing);
	put(&text, "\n");
	put(&text, signing->body_hash);
	if (!bytes_ok(&text))
		return err_set_no_memory(errp);
	const struct span part = bytes_span(&text);
	if (!crypto_sha256(&part, 1, hash, errp))
		return false;
	hex_encode(hash, sizeof(hash), ret);
	return true;
}

/* One step of the key, or the signature itself; ret may be the key. */
static bool hmac(struct span key, const char *text, uint8_t ret[HASH_SIZE], struct err **errp)
{
	const struct span part = SPAN(text, strlen(text));
	return crypto_hmac_any(key, &part, 1, ret, errp);
}

/* HMAC over HMAC: day, region, service, "aws4_request". */
static bool sign_text(const struct s3_signing *signing, const char *day, const char *text, uint8_t ret[HASH_SIZE],
		      struct err **errp)
{
	AUTO(freep) char *first = file_format("AWS4%s", signing->secret);
	if (!first)
		return err_set_no_memory(errp);
	bool done = hmac(SPAN(first, strlen(first)), day, ret, errp) &&
		    hmac(SPAN(ret, HASH_SIZE), signing->region, ret, errp) &&
		    hmac(SPAN(ret, HASH_SIZE), signing->service, ret, errp) &&
		    hmac(SPAN(ret, HASH_SIZE), "aws4_request", ret, errp) &&
		    hmac(SPAN(ret, HASH_SIZE), text, ret, errp);
	crypto_wipe(first, strlen(first));
	return done;
}

static char *authorization(const struct s3_signing *signing, const char *scope, const uint8_t signature[HASH_SIZE])
{
	char text[HASH_TEXT_SIZE];
	AUTO(bytes_release) struct bytes names;
	bytes_init(&names, TEXT_MAX);
	put_names(&names, signing);
	bytes_u8(&names, '\0');
	return bytes_ok(&names)
		       ? file_format(ALGORITHM " Credential=%s/%s,SignedHeaders=%s,Signature=%s", signing->access_key,
				     scope, (const char *)names.data, hex_encode(signature, HASH_SIZE, text))
		       : NULL;
}

char *s3_sign(const struct s3_signing *signing, struct err **errp)
{
	char request[HASH_TEXT_SIZE], day[DAY_LENGTH + 1];
	uint8_t signature[HASH_SIZE];
	if (!hash_canonical_request(signing, request, errp))
		return NULL;
	memcpy(day, signing->time, DAY_LENGTH);
	day[DAY_LENGTH] = '\0';
	AUTO(freep) char *scope = file_format("%s/%s/%s/aws4_request", day, signing->region, signing->service);
	AUTO(freep) char *text = scope ? file_format(ALGORITHM "\n%s\n%s\n%s", signing->time, scope, request) : NULL;
	if (!text) {
		err_set_no_memory(errp);
		return NULL;
	}
	if (!sign_text(signing, day, text, signature, errp))
		return NULL;
	char *ret = authorization(signing, scope, signature);
	if (!ret)
		err_set_no_memory(errp);
	return ret;
}
