/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge of a machine that boots: hears and sees what it does, and decides once, for good. It knows nothing of
 * threads, clocks and hypervisors; who watches (verify_watch.h) tells it everything, with the time since the start.
 *
 * A sign of life counts as the rules say. A failure is told from others by what was seen of it, and its reason is one
 * sentence with what to do.
 */
#pragma once

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/picture.h"
#include "hypervisor/runner.h"
#include "storage/receipt.h"

struct judge_rules {
	const regex_t *expect;	 /* what the serial console has to say */
	const char *expect_text; /* the same, for messages */
	bool agent_counts;	 /* an answer of the guest agent is a sign of life */
	bool console_counts;	 /* a line that matches is one */
	bool screen_counts;	 /* a screen that is not black and stays as it is is one */
	unsigned limit_s;	 /* no sign of life by then is a failure */
};

enum judgement {
	JUDGE_OPEN,
	JUDGE_READY,
	JUDGE_FAILED,  /* the machine */
	JUDGE_DAMAGED, /* the repository */
	JUDGE_UNABLE,  /* nothing can be said of the machine: what is around it failed */
};

#define JUDGE_REASON_SIZE (RECEIPT_REASON_MAX + 1)
#define JUDGE_LINE_SIZE 161

struct judge {
	struct judge_rules rules;
	enum judgement judgement;
	enum receipt_sign sign; /* with JUDGE_READY */
	uint64_t at_ns;		/* when it was decided */
	char reason[JUDGE_REASON_SIZE];
	char last_line[JUDGE_LINE_SIZE];     /* of the console, printable */
	char firmware_line[JUDGE_LINE_SIZE]; /* why the last disk could not be booted */
	char screen_line[JUDGE_LINE_SIZE];   /* the last on a screen in text mode */
	bool console_spoke;		     /* since the firmware began last */
	unsigned firmware_starts;
	struct picture picture; /* what the screen has shown since same_since_ns */
	bool seen, black;
	uint64_t same_since_ns, panic_ns, loader_since_ns; /* 0: not */
};

/* rules are borrowed in all they point to. */
void judge_init(struct judge *judge, const struct judge_rules *rules);
void judge_release(struct judge *judge);

/* A line without control characters; one that is not whole may come again, longer. */
void judge_line(struct judge *judge, enum run_voice voice, const char *line, bool whole, uint64_t ns);
void judge_state(struct judge *judge, const struct run_state *state, uint64_t ns);
void judge_agent(struct judge *judge, uint64_t ns);
/* Takes the picture over. */
void judge_picture(struct judge *judge, struct picture *picture, uint64_t ns);
/* The text of a screen in text mode; changes it. */
void judge_screen_text(struct judge *judge, char *text, uint64_t ns);
void judge_damage(struct judge *judge, const char *sentence, uint64_t ns);
/* There is nothing to judge. */
void judge_unable(struct judge *judge, const char *sentence);
/* When nothing else was told: whether the time is up. */
void judge_time(struct judge *judge, uint64_t ns);
