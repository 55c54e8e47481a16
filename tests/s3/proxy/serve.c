/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client's connection, and one of ours to the service behind it. A request goes
 *
 *	head ─► decision ─► service (drop, stop, repeat; status and html stay here) ─► answer's head
 *	     ─► delay ─► client (lose, cut, and what spoils the answer)
 *
 * Every function returns whether the connection goes on.
 */
#include "tests/s3/proxy/serve.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/s3/proxy/counts.h"
#include "tests/s3/proxy/http.h"
#include "tests/s3/proxy/rules.h"
#include "tests/s3/proxy/spoil.h"

struct connection {
	struct stream client, service;
	struct sockaddr_in service_address;
	/* of the request that is under way */
	struct head asked, answered;
	struct request request;
	struct body asked_body;
	struct decision decision;
	struct outcome outcome;
};

static bool is_alive(const struct stream *service)
{
	struct pollfd ready = {.fd = service->fd, .events = POLLIN};

	return service->fd >= 0 && poll(&ready, 1, 0) == 0;
}

static bool reach_service(struct connection *c)
{
	int fd, on = 1;

	if (is_alive(&c->service))
		return true;
	stream_close(&c->service);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	stream_open(&c->service, fd);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return connect(fd, (const struct sockaddr *)&c->service_address, sizeof(c->service_address)) == 0;
}

/* A client that asks first whether to send its body is told so by us; the service is not asked. */
static bool invite_body(struct connection *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!head_has_word(&c->asked, "Expect", "100-continue"))
		return true;
	head_remove(&c->asked, "Expect");
	return send_all(c->client.fd, go_on, strlen(go_on));
}

static bool send_head(int fd, const struct head *head)
{
	return send_all(fd, head->text, head->len);
}

static bool pass_request(struct connection *c)
{
	if (c->asked_body.kind != BODY_LENGTH)
		return false;
	c->outcome.sent = c->asked_body.len;
	return reach_service(c) && send_head(c->service.fd, &c->asked) &&
	       stream_pass(&c->client, c->asked_body.len, c->service.fd);
}

static bool pass_half_request(struct connection *c)
{
	if (reach_service(c) && send_head(c->service.fd, &c->asked))
		stream_pass(&c->client, c->asked_body.len / 2, c->service.fd);
	return false;
}

static bool take_answer_head(struct connection *c)
{
	do {
		if (!stream_head(&c->service, &c->answered))
			return false;
	} while (head_status(&c->answered) == 100);
	c->outcome.status = head_status(&c->answered);
	return c->outcome.status != 0;
}

static bool skip_answer(struct connection *c)
{
	struct body body;
	char *data;
	size_t len;

	if (!take_answer_head(c) || !body_of_answer(&c->answered, c->request.method, &body) ||
	    !stream_body(&c->service, body, &data, &len))
		return false;
	free(data);
	return true;
}

static bool pass_request_twice(struct connection *c)
{
	char *data;
	size_t len;
	bool ok;

	if (!stream_body(&c->client, c->asked_body, &data, &len))
		return false;
	c->outcome.sent = len;
	ok = reach_service(c) && send_head(c->service.fd, &c->asked) && send_all(c->service.fd, data, len) &&
	     skip_answer(c) && reach_service(c) && send_head(c->service.fd, &c->asked) &&
	     send_all(c->service.fd, data, len);
	free(data);
	return ok;
}

static bool answer_ourselves(struct connection *c)
{
	char body[2048];
	size_t len;

	if (!stream_pass(&c->client, c->asked_body.len, -1))
		return false;
	own_answer(&c->decision, &c->request, &c->answered, body, sizeof(body), &len);
	c->outcome.status = head_status(&c->answered);
	c->outcome.received = len;
	return send_head(c->client.fd, &c->answered) && send_all(c->client.fd, body, len);
}

static void wait_ms(unsigned ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	while (nanosleep(&left, &left) != 0)
		;
}

static bool send_part(struct connection *c, const char *data, size_t len)
{
	c->outcome.received = c->decision.action == ACTION_CUT ? len / 2 : len;
	return head_set_length(&c->answered, len) && send_head(c->client.fd, &c->answered) &&
	       send_all(c->client.fd, data, c->outcome.received);
}

/* What is spoilt, or has no length yet, is taken whole first. */
static bool pass_whole_body(struct connection *c, struct body body)
{
	char *data;
	size_t len;
	bool ok;

	if (!stream_body(&c->service, body, &data, &len))
		return false;
	spoil_body(&c->decision, data, &len);
	ok = send_part(c, data, len);
	free(data);
	return ok && body.kind != BODY_UNTIL_CLOSE;
}

static bool pass_body(struct connection *c, uint64_t len)
{
	c->outcome.received = c->decision.action == ACTION_CUT ? len / 2 : len;
	return send_head(c->client.fd, &c->answered) && stream_pass(&c->service, c->outcome.received, c->client.fd);
}

static bool pass_answer(struct connection *c)
{
	enum action action = c->decision.action;
	struct body body;
	bool whole;

	if (!body_of_answer(&c->answered, c->request.method, &body))
		return false;
	whole = body.kind != BODY_LENGTH || (spoils_body(action) && body.len > 0);
	spoil_head(&c->decision, &c->answered);
	c->outcome.status = head_status(&c->answered);
	return (whole ? pass_whole_body(c, body) : pass_body(c, body.len)) && action != ACTION_CUT &&
	       action != ACTION_HEADER;
}

static bool carry_out(struct connection *c)
{
	if (!invite_body(c))
		return false;
	switch (c->decision.action) {
	case ACTION_DROP:
		return false;
	case ACTION_STOP:
		return pass_half_request(c);
	case ACTION_STATUS:
	case ACTION_HTML:
		wait_ms(c->decision.delay_ms);
		return answer_ourselves(c);
	case ACTION_LOSE:
		if (pass_request(c))
			skip_answer(c);
		c->outcome.status = 0;
		return false;
	case ACTION_REPEAT:
		if (!pass_request_twice(c))
			return false;
		break;
	default:
		if (!pass_request(c))
			return false;
	}
	if (!take_answer_head(c))
		return false;
	wait_ms(c->decision.delay_ms);
	return pass_answer(c);
}

/* ---- the tests' own requests, below /-/ -----------------------------------------------------------------------------
 */

static bool say(struct connection *c, int status, const char *text, size_t len)
{
	c->answered.len = (size_t)snprintf(c->answered.text, sizeof(c->answered.text),
					   "HTTP/1.1 %d Proxy\r\nContent-Length: %zu\r\n\r\n", status, len);
	return send_head(c->client.fd, &c->answered) && send_all(c->client.fd, text, len);
}

static bool take_rules(struct connection *c)
{
	char *text = NULL, message[600] = "";
	size_t len;
	bool ok;

	if (!stream_body(&c->client, c->asked_body, &text, &len))
		return false;
	text[len] = '\0';
	ok = rules_set(text, message, sizeof(message));
	free(text);
	return say(c, ok ? 200 : 400, message, strlen(message));
}

static bool tell_counts(struct connection *c)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	bool ok;

	if (!to)
		return false;
	counts_print(to);
	fclose(to);
	ok = say(c, 200, text, len);
	free(text);
	return ok;
}

static bool obey(struct connection *c)
{
	if (!invite_body(c))
		return false;
	if (strcmp(c->request.target, "/-/rules") == 0)
		return take_rules(c);
	if (strcmp(c->request.target, "/-/counts") == 0)
		return tell_counts(c);
	if (strcmp(c->request.target, "/-/reset") == 0)
		counts_reset();
	return stream_pass(&c->client, c->asked_body.len, -1) && say(c, 200, "", 0);
}

/* ---- the connection ---- */

static bool serve_one(struct connection *c)
{
	bool goes_on;

	if (!stream_head(&c->client, &c->asked) || !request_parse(&c->asked, &c->request) ||
	    !body_of_request(&c->asked, &c->asked_body))
		return false;
	if (strncmp(c->request.target, "/-/", 3) == 0)
		return obey(c);
	c->decision = rules_decide(&c->request);
	c->outcome = (struct outcome){.action = action_name(c->decision.action)};
	goes_on = carry_out(c);
	counts_add(&c->request, &c->outcome);
	return goes_on && !head_has_word(&c->asked, "Connection", "close");
}

void serve(int client, const struct sockaddr_in *service)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c) {
		close(client);
		return;
	}
	stream_open(&c->client, client);
	stream_open(&c->service, -1);
	c->service_address = *service;
	while (serve_one(c))
		;
	stream_close(&c->client);
	stream_close(&c->service);
	free(c);
}
