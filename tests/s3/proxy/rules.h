/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What shall go wrong. A rule is a line
 *
 *	ACTION[=VALUE] [method=NAME] [kind=KIND] [class=NAME] [match=REGEX] [skip=N] [times=N] [chance=PER_MILLE]
 *
 * and means: of the requests with that method, kind (get put head delete list versions other), class (the letter of an
 * object, "config", or "-") and with that expression in their target, leave the first N alone, then do it to at most so
 * many, each with that chance. All rules that say delay add up; of the others the first that fits is done. "seed=N" is
 * a rule of its own, and makes the same of the same order of requests. The actions:
 *
 *	delay=MS      the answer comes that much later
 *	drop          the connection ends before the service has seen anything
 *	stop          … in the middle of the request's body, which the service does not get whole
 *	lose          … after the service has done what was asked, before the answer
 *	cut           … in the middle of the answer's body
 *	truncate      the answer says that it is half as long, and is
 *	repeat        the service gets the request twice, the client the second answer
 *	flip          one bit of the answer's body
 *	header        one header of the answer is gone, or says something else
 *	html          a page for people instead of an answer
 *	status=CODE[:WORD]  that instead of an answer, with WORD as S3's code, or without a body; the service does not
 *	              hear of it
 *	ignore-condition    412 becomes 200, as from a service that knows no conditional writes
 *	hide=REGEX    listings leave out the entries whose XML has that expression
 *	skew=SECONDS  the answer's Date is that far off
 *	any           one of the faults above, from drop to html, or 503, 429 and 500
 */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/s3/proxy/request.h"

enum action {
	ACTION_NONE,
	ACTION_DELAY,
	ACTION_DROP,
	ACTION_STOP,
	ACTION_LOSE,
	ACTION_CUT,
	ACTION_TRUNCATE,
	ACTION_REPEAT,
	ACTION_FLIP,
	ACTION_HEADER,
	ACTION_HTML,
	ACTION_STATUS,
	ACTION_IGNORE_CONDITION,
	ACTION_HIDE,
	ACTION_SKEW,
	ACTION_ANY,
	ACTIONS,
};

/* What is to be done with one request. */
struct decision {
	enum action action;
	unsigned delay_ms;
	char value[128];
	uint64_t random;
};

const char *action_name(enum action action);
/* Replaces all rules; on false, message says what was not understood and the old ones stay. */
bool rules_set(const char *text, char *message, size_t size);
struct decision rules_decide(const struct request *request);
