/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/s3/proxy/spoil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool spoils_body(enum action action)
{
	return action == ACTION_TRUNCATE || action == ACTION_FLIP || action == ACTION_HIDE;
}

/* Removes from the text each <name>…</name> that has the expression. */
static void hide_entries(char *body, size_t *len, const char *name, const regex_t *regex)
{
	char open[32], close[32], *from = body, *end;

	snprintf(open, sizeof(open), "<%s>", name);
	snprintf(close, sizeof(close), "</%s>", name);
	while ((from = strstr(from, open)) && (end = strstr(from, close))) {
		char *behind = end + strlen(close), kept = *behind;
		bool hidden;
		*behind = '\0';
		hidden = regexec(regex, from, 0, NULL, 0) == 0;
		*behind = kept;
		if (!hidden) {
			from = behind;
			continue;
		}
		memmove(from, behind, (size_t)(body + *len - behind) + 1);
		*len -= (size_t)(behind - from);
	}
}

static void hide(const char *expression, char *body, size_t *len)
{
	regex_t regex;

	if (regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB) != 0)
		return;
	body[*len] = '\0';
	hide_entries(body, len, "Contents", &regex);
	hide_entries(body, len, "Version", &regex);
	regfree(&regex);
}

void spoil_body(const struct decision *decision, char *body, size_t *len)
{
	if (decision->action == ACTION_TRUNCATE)
		*len /= 2;
	else if (decision->action == ACTION_FLIP && *len > 0)
		body[decision->random / 8 % *len] ^= (char)(1 << decision->random % 8);
	else if (decision->action == ACTION_HIDE)
		hide(decision->value, body, len);
}

/* One of those that a client may rely on is missing, or says something else. */
static void spoil_one_header(uint64_t random, struct head *head)
{
	static const char *const headers[] = {"Content-Length", "Content-Range", "ETag",
					      "Date",		"Content-Type",	 "Connection"};
	static const char *const values[] = {"", "0", "18446744073709551615", "-1", "bytes 7-3/2", "\"\x80\xff;,,=\""};
	const char *name = headers[random % 6];

	head_remove(head, name);
	if (random / 6 % 7 < 6)
		head_add(head, name, values[random / 6 % 7]);
}

static void shift_date(const char *seconds, struct head *head)
{
	time_t when = time(NULL) + strtol(seconds, NULL, 10);
	char date[64];
	struct tm utc;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&when, &utc));
	head_remove(head, "Date");
	head_add(head, "Date", date);
}

static void forget_condition(struct head *head)
{
	char *status = strstr(head->text, " 412 ");

	if (status && status < strstr(head->text, "\r\n")) {
		status[1] = '2';
		status[2] = status[3] = '0';
	}
}

void spoil_head(const struct decision *decision, struct head *head)
{
	if (decision->action == ACTION_HEADER)
		spoil_one_header(decision->random, head);
	else if (decision->action == ACTION_SKEW)
		shift_date(decision->value, head);
	else if (decision->action == ACTION_IGNORE_CONDITION)
		forget_condition(head);
}

static int write_page(char *body, size_t size)
{
	return snprintf(body, size,
			"<!DOCTYPE html>\n<html><head><title>Welcome</title></head>\n"
			"<body><h1>Please log in to use this network</h1></body></html>\n");
}

/* Who gives no code does not speak S3: such an answer has no body. */
static int write_error(const char *code, char *body, size_t size)
{
	if (!code)
		return 0;
	return snprintf(body, size,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>%s</Code>"
			"<Message>made by the proxy</Message><Region>elsewhere-1</Region></Error>",
			code);
}

void own_answer(const struct decision *decision, const struct request *request, struct head *head, char *body,
		size_t size, size_t *ret_len)
{
	bool html = decision->action == ACTION_HTML;
	int status = html ? 200 : (int)strtol(decision->value, NULL, 10);
	const char *word = strchr(decision->value, ':');
	int n = html ? write_page(body, size) : write_error(word ? word + 1 : NULL, body, size);

	*ret_len = n < 0 || strcmp(request->method, "HEAD") == 0 ? 0 : (size_t)n;
	head->len = (size_t)snprintf(head->text, sizeof(head->text),
				     "HTTP/1.1 %d Proxy\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n", status,
				     html ? "text/html" : "application/xml", n,
				     status / 100 == 3 ? "x-amz-bucket-region: elsewhere-1\r\n" : "");
}
