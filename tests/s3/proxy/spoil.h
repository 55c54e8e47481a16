/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are not what the service said. */
#pragma once

#include "tests/s3/proxy/http.h"
#include "tests/s3/proxy/rules.h"

/* Whether the action wants the answer's whole body before anything is passed on. */
bool spoils_body(enum action action);
void spoil_body(const struct decision *decision, char *body, size_t *len);
void spoil_head(const struct decision *decision, struct head *head);
/* An answer of our own to the request. */
void own_answer(const struct decision *decision, const struct request *request, struct head *head, char *body,
		size_t size, size_t *ret_len);
