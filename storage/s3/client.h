/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests about one bucket, until they have an answer: signed, tried again where that may help, slowed down where the
 * service wants it, sent to the region where the bucket is, with our clock put right by theirs. Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "storage/s3/http.h"

struct cancel;
struct err;
struct s3_client;
struct s3_url;

struct s3_client_options {
	uint64_t rate;		     /* bytes a second, both ways together; 0: no limit */
	const struct cancel *cancel; /* once requested, nothing is tried again; NULL */
};

/* All borrowed for the call. */
struct s3_request {
	const char *method, *action; /* the action as policies name it, "s3:GetObject" */
	const char *name;	     /* of the object; NULL: the bucket itself */
	const char *query;	     /* percent-encoded, ascending, each with its '='; NULL */
	const char *range;	     /* "bytes=0-9"; NULL */
	bool create_once;	     /* only if there is no such object */
	struct span body;	     /* of a PUT */
	const uint8_t *sha256;	     /* of the body, where it is known; NULL */
	void *data;		     /* for the body of a 206 */
	size_t room;
	size_t text_max; /* of any other body */
};

NODISCARD struct s3_client *s3_client_new(const struct s3_url *url, const struct s3_client_options *options,
					  struct err **errp);
void s3_client_free(struct s3_client *client);
DEFINE_AUTO_FREE(struct s3_client, s3_client_free);

/*
 * True with an answer that the caller has to look at: 2xx; 404 when the bucket is there; 412; 416. The caller looks at
 * too_long, too. Otherwise false, with an error that names bucket and key: ERR_DENIED, ERR_NO_SPACE, ERR_UNSUPPORTED
 * for what the service does not know, and ERR_GONE for whatever else the service or the way there has. *ret is to be
 * released in both cases.
 */
NODISCARD bool s3_client_request(struct s3_client *client, const struct s3_request *request, struct s3_answer *ret,
				 struct err **errp);
/* The key of an object is prefix/name; for NULL the prefix with its slash, or "". A new string; NULL with an error. */
char *s3_client_key(const struct s3_client *client, const char *name, struct err **errp);
/* "bucket 'b' at HOST", to begin a sentence with. Borrowed. */
const char *s3_client_place(const struct s3_client *client);
const struct cancel *s3_client_cancel(const struct s3_client *client);
/* Puts bucket and key before the message; name may be NULL. Returns false. */
bool s3_client_err_at(const struct s3_client *client, const char *name, struct err **errp);
