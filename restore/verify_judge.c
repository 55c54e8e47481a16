/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/verify_judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "restore/plain_text.h"
#include "restore/verify_sights.h"

#define SECOND_NS UINT64_C(1000000000)

enum {
	RESTARTS_MAX = 3,	/* an installer may restart once or twice */
	STABLE_S = 30,		/* a screen that does not change so long has arrived somewhere */
	PANIC_WORDS_S = 3,	/* how long the words of a panic may come later than its signal */
	SILENT_LOADER_PART = 5, /* of the limit: how long a boot loader may say nothing at all */
};

void judge_init(struct judge *judge, const struct judge_rules *rules)
{
	*judge = (struct judge){.rules = *rules};
}

void judge_release(struct judge *judge)
{
	picture_release(&judge->picture);
}

/* The first decision stays. */
PRINTF_LIKE(4, 5)
static void decide(struct judge *judge, enum judgement judgement, uint64_t ns, const char *format, ...)
{
	va_list args;
	if (judge->judgement != JUDGE_OPEN)
		return;
	va_start(args, format);
	vsnprintf(judge->reason, sizeof(judge->reason), format, args);
	va_end(args);
	judge->judgement = judgement;
	judge->at_ns = ns;
}

static void accept(struct judge *judge, enum receipt_sign sign, uint64_t ns, const char *what)
{
	if (judge->judgement == JUDGE_OPEN)
		judge->sign = sign;
	decide(judge, JUDGE_READY, ns, "%s", what);
}

/* Foreign words, for a message. */
static void quote(const char *line, char to[JUDGE_LINE_SIZE])
{
	snprintf(to, JUDGE_LINE_SIZE, "%s", line + strspn(line, " "));
	plain_text_make_ascii(to);
	for (size_t len = strlen(to); len > 0 && to[len - 1] == ' ';)
		to[--len] = '\0';
}

static unsigned seconds(uint64_t ns)
{
	return (unsigned)(ns / SECOND_NS);
}

/* ---- what is said ---- */

static void look_for_failure(struct judge *judge, enum sight_place place, const char *line, bool whole, uint64_t ns)
{
	char words[JUDGE_LINE_SIZE];
	const char *at;
	const struct sight *sight = sight_find(place, line, whole, &at);
	if (!sight)
		return;
	quote(at, words);
	const char *who = place == SIGHT_FIRMWARE ? "the firmware"
			  : place == SIGHT_SCREEN ? "the screen"
						  : "the console";
	const char *before = place == SIGHT_FIRMWARE ? judge->firmware_line : "";
	decide(judge, JUDGE_FAILED, ns, "%s (%s says '%s%s%s'); %s", sight->what, who, before, *before ? ", " : "",
	       words, sight->advice);
}

static void hear_firmware(struct judge *judge, const char *line, bool whole)
{
	if (!whole)
		return;
	if (strncmp(line, "SeaBIOS (version", strlen("SeaBIOS (version")) == 0) {
		judge->firmware_starts++;
		judge->console_spoke = false;
		judge->firmware_line[0] = '\0';
	}
	if (strncmp(line, "Boot failed", strlen("Boot failed")) == 0)
		quote(line, judge->firmware_line);
}

static void hear_console(struct judge *judge, const char *line, uint64_t ns)
{
	char words[JUDGE_LINE_SIZE], what[2 * JUDGE_LINE_SIZE];
	quote(line, words);
	if (words[0]) {
		judge->console_spoke = true;
		memcpy(judge->last_line, words, sizeof(words));
	}
	if (!judge->rules.console_counts || regexec(judge->rules.expect, line, 0, NULL, 0) != 0)
		return;
	snprintf(what, sizeof(what), "the console said '%s'", words);
	accept(judge, RECEIPT_CONSOLE, ns, what);
}

void judge_line(struct judge *judge, enum run_voice voice, const char *line, bool whole, uint64_t ns)
{
	if (voice == RUN_CONSOLE)
		hear_console(judge, line, ns);
	else
		hear_firmware(judge, line, whole);
	look_for_failure(judge, voice == RUN_CONSOLE ? SIGHT_CONSOLE : SIGHT_FIRMWARE, line, whole, ns);
}

void judge_agent(struct judge *judge, uint64_t ns)
{
	if (judge->rules.agent_counts)
		accept(judge, RECEIPT_AGENT, ns, "the guest agent answered");
}

/* ---- what happens ---- */

static void judge_restarts(struct judge *judge, unsigned restarts, uint64_t ns)
{
	unsigned begun = judge->firmware_starts > 0 ? judge->firmware_starts - 1 : 0;
	unsigned times = restarts > begun ? restarts : begun;
	if (times < RESTARTS_MAX)
		return;
	decide(judge, JUDGE_FAILED, ns,
	       "the machine restarts again and again: %u times in %u s, and never got ready%s%s%s; the log of the "
	       "console has what it said before each",
	       times, seconds(ns), judge->last_line[0] ? " (last it said '" : "", judge->last_line,
	       judge->last_line[0] ? "')" : "");
}

static void judge_end(struct judge *judge, enum run_end end, uint64_t ns)
{
	if (end == RUN_POWERED_OFF)
		decide(judge, JUDGE_FAILED, ns,
		       "the guest switched itself off after %u s, before any sign of life%s%s%s; "
		       "the log of the console may tell why",
		       seconds(ns), judge->last_line[0] ? " (last it said '" : "", judge->last_line,
		       judge->last_line[0] ? "')" : "");
	if (end == RUN_BROKE)
		decide(judge, JUDGE_UNABLE, ns, "QEMU ended unexpectedly after %u s: nothing can be said of the point",
		       seconds(ns));
	if (end == RUN_KILLED)
		decide(judge, JUDGE_UNABLE, ns,
		       "QEMU did not answer any more and was killed: nothing can be said of the "
		       "point");
}

void judge_state(struct judge *judge, const struct run_state *state, uint64_t ns)
{
	bool panicked = state->panicked || state->end == RUN_CRASHED;
	if (panicked && judge->panic_ns == 0)
		judge->panic_ns = ns > 0 ? ns : 1;
	if (panicked && (state->end == RUN_CRASHED || ns - judge->panic_ns > PANIC_WORDS_S * SECOND_NS))
		decide(judge, JUDGE_FAILED, ns,
		       "the kernel panicked (the guest reported it without a word on the console); "
		       "see the picture of the screen, and verify an earlier point");
	if (state->no_space)
		decide(judge, JUDGE_UNABLE, ns,
		       "the disk is full where the machine's writes go: set TMPDIR to a folder with more room");
	judge_restarts(judge, state->restarts, ns);
	judge_end(judge, state->end, ns);
}

void judge_damage(struct judge *judge, const char *sentence, uint64_t ns)
{
	decide(judge, JUDGE_DAMAGED, ns, "the point is damaged: %s; 'salvor scrub' tells what else is", sentence);
}

void judge_unable(struct judge *judge, const char *sentence)
{
	decide(judge, JUDGE_UNABLE, 0, "%s", sentence);
}

/* ---- what is shown ---- */

void judge_picture(struct judge *judge, struct picture *picture, uint64_t ns)
{
	bool same = judge->seen && picture_is_same(&judge->picture, picture);
	if (same) {
		picture_release(picture);
	} else {
		picture_release(&judge->picture);
		judge->picture = *picture;
		*picture = (struct picture){0};
		judge->same_since_ns = ns;
		judge->black = picture_is_black(&judge->picture);
	}
	judge->seen = true;
	if (judge->rules.screen_counts && !judge->black && ns - judge->same_since_ns >= STABLE_S * SECOND_NS)
		accept(judge, RECEIPT_SCREEN, ns, "the screen shows something and stays as it is");
}

/* Of the firmware, which has handed over; and of the first part of a boot loader that waits for its second. */
static bool are_first_words(const char *line)
{
	return strncmp(line, "Booting from", strlen("Booting from")) == 0 || strncmp(line, "GRUB", strlen("GRUB")) == 0;
}

static void judge_loader(struct judge *judge, uint64_t ns)
{
	bool silent = !judge->console_spoke && are_first_words(judge->screen_line);
	if (!silent || judge->loader_since_ns == 0)
		judge->loader_since_ns = silent ? ns : 0;
	if (silent && ns - judge->loader_since_ns >= judge->rules.limit_s * SECOND_NS / SILENT_LOADER_PART)
		decide(judge, JUDGE_FAILED, ns,
		       "the boot loader was started and got no further (the screen says '%s' for %u s): it seems to be "
		       "damaged; an earlier point may boot",
		       judge->screen_line, seconds(ns - judge->loader_since_ns));
}

void judge_screen_text(struct judge *judge, char *text, uint64_t ns)
{
	const char *last = "";
	char *rest = NULL;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		look_for_failure(judge, SIGHT_SCREEN, line, true, ns);
		last = line;
	}
	quote(last, judge->screen_line);
	judge_loader(judge, ns);
}

/* ---- the end of patience ---- */

enum { PHRASE_SIZE = 400 };

static void describe_awaited(const struct judge_rules *rules, char text[PHRASE_SIZE])
{
	static const char agent[] = "no answer of the guest agent";
	if (!rules->console_counts)
		snprintf(text, PHRASE_SIZE, "%s", agent);
	else
		snprintf(text, PHRASE_SIZE, "%s%snothing on the console like '%.200s'",
			 rules->agent_counts ? agent : "", rules->agent_counts ? ", and " : "", rules->expect_text);
}

static void describe_seen(const struct judge *judge, char text[PHRASE_SIZE])
{
	const char *line = judge->last_line[0] ? judge->last_line : "nothing";
	if (judge->screen_line[0])
		snprintf(text, PHRASE_SIZE, "the console said last: %s; the screen says: %s", line, judge->screen_line);
	else
		snprintf(text, PHRASE_SIZE, "the console said last: %s", line);
}

void judge_time(struct judge *judge, uint64_t ns)
{
	char awaited[PHRASE_SIZE], seen[PHRASE_SIZE];
	unsigned limit_s = judge->rules.limit_s;
	if (ns < limit_s * SECOND_NS)
		return;
	if (judge->black && !judge->last_line[0])
		decide(judge, JUDGE_FAILED, ns,
		       "the screen stayed black and the console silent for %u s; an earlier point may boot, and a slow "
		       "machine wants a longer --timeout",
		       limit_s);
	describe_awaited(&judge->rules, awaited);
	describe_seen(judge, seen);
	decide(judge, JUDGE_FAILED, ns, "no sign of life in %u s: %s; %s; a slow machine wants a longer --timeout",
	       limit_s, awaited, seen);
}
