/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of client share: client.c has the loop, client_send.c one try, client_judge.c what an answer asks for.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "storage/s3/answer.h"
#include "storage/s3/client.h"
#include "storage/s3/credentials.h"
#include "storage/s3/endpoint.h"
#include "storage/s3/gate.h"

struct s3_client {
	struct s3_http *http;
	struct s3_wallet *wallet;
	struct s3_endpoint endpoint;
	char *prefix, *place;
	const struct cancel *cancel;
	struct s3_gate gate;
	pthread_mutex_t lock;
	char region[S3_REGION_SIZE];  /* under the lock */
	atomic_int_fast64_t clock_ns; /* how far their clock is before ours */
	atomic_bool answered;	      /* somebody who speaks S3 has answered before */
};

/* One request, as long as it takes. */
struct s3_attempt {
	const struct s3_request *request;
	char *key;
	char body_hash[65];
	char checksum[48];		   /* the same in base64; "" without a body */
	char region[S3_REGION_SIZE];	   /* that the last try was signed for */
	struct s3_credentials credentials; /* of the last try */
	unsigned moved;			   /* how often it was sent elsewhere */
	bool clock_set, renewed;
};

/* What to do after an answer. */
enum s3_verdict { S3_GIVE, S3_AT_ONCE, S3_AGAIN, S3_SLOWER, S3_FAIL };

NODISCARD bool s3_attempt_prepare(struct s3_client *client, struct s3_attempt *attempt, struct err **errp);
NODISCARD enum s3_outcome s3_client_send(struct s3_client *client, struct s3_attempt *attempt, struct s3_answer *ret,
					 struct err **errp);
/* error has what the answer says when it is one. */
enum s3_verdict s3_client_judge(struct s3_client *client, struct s3_attempt *attempt, const struct s3_answer *answer,
				const struct s3_error *error);
/* Says in words why a request failed. Returns false. */
bool s3_explain(const struct s3_client *client, const struct s3_attempt *attempt, const struct s3_answer *answer,
		const struct s3_error *error, struct err **errp);
