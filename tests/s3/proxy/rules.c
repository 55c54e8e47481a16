/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/s3/proxy/rules.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RULES_MAX = 32 };

struct rule {
	enum action action;
	char value[128];
	char method[16], kind[16], class[8]; /* empty: any */
	bool has_regex;
	regex_t regex;
	unsigned long skip, times, chance;
	unsigned long seen, done;
};

struct rules {
	size_t count;
	struct rule rule[RULES_MAX];
	uint64_t state; /* of the random numbers */
};

static const char *const names[ACTIONS] = {
	[ACTION_NONE] = "pass",
	[ACTION_DELAY] = "delay",
	[ACTION_DROP] = "drop",
	[ACTION_STOP] = "stop",
	[ACTION_LOSE] = "lose",
	[ACTION_CUT] = "cut",
	[ACTION_TRUNCATE] = "truncate",
	[ACTION_REPEAT] = "repeat",
	[ACTION_FLIP] = "flip",
	[ACTION_HEADER] = "header",
	[ACTION_HTML] = "html",
	[ACTION_STATUS] = "status",
	[ACTION_IGNORE_CONDITION] = "ignore-condition",
	[ACTION_HIDE] = "hide",
	[ACTION_SKEW] = "skew",
	[ACTION_ANY] = "any",
};

/* The rules, which all connections share. */
static struct rules *now;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

const char *action_name(enum action action)
{
	return names[action];
}

/* xorshift64*: the same everywhere. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static void rules_free(struct rules *rules)
{
	for (size_t i = 0; rules && i < rules->count; i++) {
		if (rules->rule[i].has_regex)
			regfree(&rules->rule[i].regex);
	}
	free(rules);
}

static bool copy(char *to, size_t size, const char *text)
{
	return snprintf(to, size, "%s", text) < (int)size;
}

static bool parse_number(const char *text, unsigned long *ret)
{
	char *end;

	*ret = strtoul(text, &end, 10);
	return end != text && *end == '\0';
}

static bool parse_condition(struct rule *rule, const char *name, const char *value)
{
	if (strcmp(name, "method") == 0)
		return copy(rule->method, sizeof(rule->method), value);
	if (strcmp(name, "kind") == 0)
		return copy(rule->kind, sizeof(rule->kind), value);
	if (strcmp(name, "class") == 0)
		return copy(rule->class, sizeof(rule->class), value);
	if (strcmp(name, "skip") == 0)
		return parse_number(value, &rule->skip);
	if (strcmp(name, "times") == 0)
		return parse_number(value, &rule->times);
	if (strcmp(name, "chance") == 0)
		return parse_number(value, &rule->chance);
	if (strcmp(name, "match") != 0 || rule->has_regex)
		return false;
	rule->has_regex = regcomp(&rule->regex, value, REG_EXTENDED | REG_NOSUB) == 0;
	return rule->has_regex;
}

static bool parse_action(struct rules *rules, struct rule *rule, const char *name, const char *value)
{
	unsigned long seed;

	if (strcmp(name, "seed") == 0 && parse_number(value, &seed)) {
		rules->state = (uint64_t)seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
		return true;
	}
	for (enum action action = ACTION_DELAY; action < ACTIONS; action++) {
		if (strcmp(name, names[action]) == 0) {
			rule->action = action;
			return copy(rule->value, sizeof(rule->value), value);
		}
	}
	return false;
}

static bool parse_line(struct rules *rules, char *line)
{
	struct rule *rule = &rules->rule[rules->count];
	char *rest, *word = strtok_r(line, " \t", &rest);

	if (!word)
		return true;
	if (rules->count + 1 == RULES_MAX)
		return false;
	*rule = (struct rule){.times = UINT32_MAX, .chance = 1000};
	rules->count++;
	for (bool first = true; word; word = strtok_r(NULL, " \t", &rest), first = false) {
		char *equals = strchr(word, '=');
		if (equals)
			*equals = '\0';
		if (!(first ? parse_action(rules, rule, word, equals ? equals + 1 : "")
			    : equals && parse_condition(rule, word, equals + 1)))
			return false;
	}
	return true;
}

static bool parse(struct rules *rules, const char *text, char *message, size_t size)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		char line[512];
		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		if (len >= sizeof(line) || !parse_line(rules, line)) {
			snprintf(message, size, "not understood: %.*s\n", (int)len, text);
			return false;
		}
		text += len + (text[len] == '\n');
	}
	return true;
}

bool rules_set(const char *text, char *message, size_t size)
{
	struct rules *rules = calloc(1, sizeof(*rules)), *old;

	if (!rules)
		return false;
	rules->state = 1;
	if (!parse(rules, text, message, size)) {
		rules_free(rules);
		return false;
	}
	pthread_mutex_lock(&lock);
	old = now;
	now = rules;
	pthread_mutex_unlock(&lock);
	rules_free(old);
	return true;
}

static bool fits(const struct rule *rule, const struct request *request)
{
	return (rule->method[0] == '\0' || strcmp(rule->method, request->method) == 0) &&
	       (rule->kind[0] == '\0' || strcmp(rule->kind, kind_name(request->kind)) == 0) &&
	       (rule->class[0] == '\0' || strcmp(rule->class, request->class) == 0) &&
	       (!rule->has_regex || regexec(&rule->regex, request->target, 0, NULL, 0) == 0);
}

static bool fires(struct rule *rule, const struct request *request, uint64_t random)
{
	if (rule->action == ACTION_NONE || !fits(rule, request) || rule->seen++ < rule->skip ||
	    rule->done >= rule->times || random % 1000 >= rule->chance)
		return false;
	rule->done++;
	return true;
}

/* One of the faults that "any" stands for. */
static void choose_any(struct decision *decision)
{
	static const char *const statuses[] = {"503:SlowDown", "429:TooManyRequests", "500:InternalError"};
	unsigned n = (unsigned)(decision->random >> 32) % (ACTION_STATUS - ACTION_DROP + 3);

	decision->action = ACTION_DROP + n;
	if (decision->action >= ACTION_STATUS) {
		copy(decision->value, sizeof(decision->value), statuses[decision->action - ACTION_STATUS]);
		decision->action = ACTION_STATUS;
	}
}

struct decision rules_decide(const struct request *request)
{
	struct decision decision = {.action = ACTION_NONE};

	pthread_mutex_lock(&lock);
	for (size_t i = 0; now && i < now->count; i++) {
		struct rule *rule = &now->rule[i];
		uint64_t random = next_random(&now->state);
		if (rule->action != ACTION_DELAY && decision.action != ACTION_NONE)
			continue;
		if (!fires(rule, request, random >> 16))
			continue;
		if (rule->action == ACTION_DELAY) {
			decision.delay_ms += (unsigned)strtoul(rule->value, NULL, 10);
			continue;
		}
		decision.action = rule->action;
		decision.random = next_random(&now->state);
		copy(decision.value, sizeof(decision.value), rule->value);
		if (rule->action == ACTION_ANY)
			choose_any(&decision);
	}
	pthread_mutex_unlock(&lock);
	return decision;
}
