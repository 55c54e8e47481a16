/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "storage/crypto.h"
#include "storage/s3/client_internal.h"

enum { HEADERS_MAX = 8, ERROR_TEXT_MAX = 64 << 10 };

/* One try as it goes over the wire. */
struct message {
	char *host, *path, *url, *authorization;
	char time[S3_TIME_SIZE];
	struct s3_header headers[HEADERS_MAX];
	size_t n_headers;
};

static void message_release(struct message *message)
{
	free(message->host);
	free(message->path);
	free(message->url);
	free(message->authorization);
}

/* Buckets that lock objects want a checksum with each. */
static bool set_checksum(struct s3_attempt *attempt, const uint8_t hash[HASH_SIZE], struct err **errp)
{
	AUTO(bytes_release) struct bytes text;
	bytes_init(&text, sizeof(attempt->checksum));
	base64_encode(SPAN(hash, HASH_SIZE), &text);
	if (!bytes_ok(&text))
		return err_set_no_memory(errp);
	memcpy(attempt->checksum, text.data, text.len - 1); /* less its line feed */
	return true;
}

bool s3_attempt_prepare(struct s3_client *client, struct s3_attempt *attempt, struct err **errp)
{
	const struct s3_request *request = attempt->request;
	uint8_t hash[HASH_SIZE];
	if (request->sha256)
		memcpy(hash, request->sha256, sizeof(hash));
	else if (!crypto_sha256(&request->body, request->body.len > 0, hash, errp))
		return false;
	hex_encode(hash, sizeof(hash), attempt->body_hash);
	if (strcmp(request->method, "PUT") == 0 && !set_checksum(attempt, hash, errp))
		return false;
	attempt->key = request->name ? s3_client_key(client, request->name, errp) : strdup("");
	return attempt->key || err_set_no_memory(errp);
}

static void add(struct message *message, const char *name, const char *value)
{
	if (value && *value)
		message->headers[message->n_headers++] = (struct s3_header){name, value};
}

/* Ascending by name, as the signature wants them. */
static void add_headers(struct message *message, const struct s3_attempt *attempt)
{
	add(message, "host", message->host);
	add(message, "if-none-match", attempt->request->create_once ? "*" : NULL);
	add(message, "range", attempt->request->range);
	add(message, "x-amz-checksum-sha256", attempt->checksum);
	add(message, "x-amz-content-sha256", attempt->body_hash);
	add(message, "x-amz-date", message->time);
	add(message, "x-amz-security-token", attempt->credentials.token);
}

static bool address(const struct s3_client *client, const struct s3_attempt *attempt, struct message *message)
{
	const char *query = attempt->request->query;
	message->host = s3_endpoint_host(&client->endpoint, attempt->region);
	message->path = s3_endpoint_path(&client->endpoint, attempt->key);
	if (!message->host || !message->path)
		return false;
	message->url = file_format("%s%s%s%s%s", client->endpoint.scheme, message->host, message->path,
				   query ? "?" : "", query ? query : "");
	return message->url != NULL;
}

static bool sign(const struct s3_attempt *attempt, struct message *message, struct err **errp)
{
	const struct s3_signing signing = {
		.access_key = attempt->credentials.access_key,
		.secret = attempt->credentials.secret,
		.region = attempt->region,
		.service = "s3",
		.time = message->time,
		.method = attempt->request->method,
		.path = message->path,
		.query = attempt->request->query ? attempt->request->query : "",
		.headers = message->headers,
		.n_headers = message->n_headers,
		.body_hash = attempt->body_hash,
	};
	message->authorization = s3_sign(&signing, errp);
	if (message->authorization)
		add(message, "authorization", message->authorization);
	return message->authorization != NULL;
}

static bool compose(struct s3_client *client, struct s3_attempt *attempt, struct message *message, struct err **errp)
{
	s3_credentials_release(&attempt->credentials);
	if (!s3_wallet_get(client->wallet, &attempt->credentials, errp))
		return false;
	pthread_mutex_lock(&client->lock);
	memcpy(attempt->region, client->region, sizeof(attempt->region));
	pthread_mutex_unlock(&client->lock);
	s3_time_text((uint64_t)((int64_t)clock_now_ns() + atomic_load(&client->clock_ns)), message->time);
	if (!address(client, attempt, message))
		return err_set_no_memory(errp);
	add_headers(message, attempt);
	return sign(attempt, message, errp);
}

enum s3_outcome s3_client_send(struct s3_client *client, struct s3_attempt *attempt, struct s3_answer *ret,
			       struct err **errp)
{
	const struct s3_request *request = attempt->request;
	AUTO(message_release) struct message message = {0};
	*ret = (struct s3_answer){0};
	if (!compose(client, attempt, &message, errp))
		return S3_HOPELESS;
	const struct s3_exchange exchange = {
		.method = request->method,
		.url = message.url,
		.headers = message.headers,
		.n_headers = message.n_headers,
		.body = request->body,
		.data = request->data,
		.room = request->room,
		.text_max = request->text_max > ERROR_TEXT_MAX ? request->text_max : ERROR_TEXT_MAX,
	};
	return s3_http_exchange(client->http, &exchange, ret, errp);
}
