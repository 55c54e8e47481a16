/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/s3/proxy/http.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BODY_MAX = 128 << 20 };

void stream_open(struct stream *stream, int fd)
{
	stream->fd = fd;
	stream->at = stream->end = 0;
}

void stream_close(struct stream *stream)
{
	if (stream->fd >= 0)
		close(stream->fd);
	stream_open(stream, -1);
}

bool send_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* Takes more from the socket, behind what is there. */
static bool fill(struct stream *stream)
{
	ssize_t n;

	if (stream->at == stream->end)
		stream->at = stream->end = 0;
	if (stream->end == sizeof(stream->data)) {
		memmove(stream->data, stream->data + stream->at, stream->end - stream->at);
		stream->end -= stream->at;
		stream->at = 0;
	}
	do
		n = recv(stream->fd, stream->data + stream->end, sizeof(stream->data) - stream->end, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	stream->end += (size_t)n;
	return true;
}

/* Takes all up to and with the end mark, at most size bytes. */
static bool take_until(struct stream *stream, const char *mark, char *ret, size_t size, size_t *ret_len)
{
	for (;;) {
		const char *from = stream->data + stream->at;
		const char *found = memmem(from, stream->end - stream->at, mark, strlen(mark));
		if (found) {
			*ret_len = (size_t)(found - from) + strlen(mark);
			if (*ret_len > size)
				return false;
			memcpy(ret, from, *ret_len);
			stream->at += *ret_len;
			return true;
		}
		if (stream->end - stream->at > size || !fill(stream))
			return false;
	}
}

bool stream_head(struct stream *stream, struct head *head)
{
	if (!take_until(stream, "\r\n\r\n", head->text, HEAD_SIZE, &head->len))
		return false;
	head->text[head->len] = '\0';
	return strlen(head->text) == head->len;
}

bool stream_pass(struct stream *stream, uint64_t len, int to)
{
	while (len > 0) {
		size_t n;
		if (stream->at == stream->end && !fill(stream))
			return false;
		n = stream->end - stream->at;
		if (n > len)
			n = (size_t)len;
		if (to >= 0 && !send_all(to, stream->data + stream->at, n))
			return false;
		stream->at += n;
		len -= n;
	}
	return true;
}

static bool append(struct stream *stream, uint64_t more, char **data, size_t *len)
{
	char *grown;

	if (more > BODY_MAX - *len)
		return false;
	grown = realloc(*data, *len + (size_t)more + 1);
	if (!grown)
		return false;
	*data = grown;
	while (more > 0) {
		size_t n;
		if (stream->at == stream->end && !fill(stream))
			return false;
		n = stream->end - stream->at;
		if (n > more)
			n = (size_t)more;
		memcpy(*data + *len, stream->data + stream->at, n);
		stream->at += n;
		*len += n;
		more -= n;
	}
	return true;
}

static bool append_chunks(struct stream *stream, char **data, size_t *len)
{
	for (;;) {
		char line[64], *end;
		size_t n;
		unsigned long more;
		if (!take_until(stream, "\r\n", line, sizeof(line) - 1, &n))
			return false;
		line[n] = '\0';
		more = strtoul(line, &end, 16);
		if (end == line || !append(stream, more, data, len))
			return false;
		if (!take_until(stream, "\r\n", line, sizeof(line) - 1, &n) || n != 2)
			return false;
		if (more == 0)
			return true;
	}
}

static bool append_rest(struct stream *stream, char **data, size_t *len)
{
	do {
		if (!append(stream, stream->end - stream->at, data, len))
			return false;
	} while (fill(stream));
	return true;
}

bool stream_body(struct stream *stream, struct body body, char **ret, size_t *ret_len)
{
	char *data = NULL;
	size_t len = 0;
	bool ok = false;

	switch (body.kind) {
	case BODY_LENGTH:
		ok = append(stream, body.len, &data, &len);
		break;
	case BODY_CHUNKED:
		ok = append_chunks(stream, &data, &len);
		break;
	case BODY_UNTIL_CLOSE:
		ok = append_rest(stream, &data, &len);
		break;
	}
	if (!ok) {
		free(data);
		return false;
	}
	*ret = data;
	*ret_len = len;
	return true;
}

/* The line of a header, from its first letter. */
static char *find_header(const struct head *head, const char *name)
{
	const char *line = strstr(head->text, "\r\n");
	size_t len = strlen(name);

	for (; line && line[2] != '\0' && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
		if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
			return (char *)line + 2;
	}
	return NULL;
}

bool head_value(const struct head *head, const char *name, char *ret, size_t size)
{
	const char *value = find_header(head, name);
	size_t len;

	if (!value)
		return false;
	value += strlen(name) + 1;
	value += strspn(value, " \t");
	len = strcspn(value, "\r");
	if (len >= size)
		return false;
	memcpy(ret, value, len);
	ret[len] = '\0';
	return true;
}

void head_remove(struct head *head, const char *name)
{
	char *line;

	while ((line = find_header(head, name))) {
		const char *end = strstr(line, "\r\n") + 2;
		size_t rest = (size_t)(head->text + head->len - end);
		memmove(line, end, rest + 1);
		head->len = (size_t)(line - head->text) + rest;
	}
}

bool head_add(struct head *head, const char *name, const char *value)
{
	size_t room = HEAD_SIZE + 1 - (head->len - 2);
	int n = snprintf(head->text + head->len - 2, room, "%s: %s\r\n\r\n", name, value);

	if (n < 0 || (size_t)n >= room)
		return false;
	head->len += (size_t)n - 2;
	return true;
}

bool head_set_length(struct head *head, uint64_t len)
{
	char value[24];

	snprintf(value, sizeof(value), "%" PRIu64, len);
	head_remove(head, "Transfer-Encoding");
	head_remove(head, "Content-Length");
	return head_add(head, "Content-Length", value);
}

int head_status(const struct head *head)
{
	static const char version[] = "HTTP/1.";
	char *end;
	long status;

	if (strncmp(head->text, version, strlen(version)) != 0 || head->text[strlen(version) + 1] != ' ')
		return 0;
	status = strtol(head->text + strlen(version) + 2, &end, 10);
	return (*end == ' ' || *end == '\r') && status >= 100 && status <= 999 ? (int)status : 0;
}

bool head_has_word(const struct head *head, const char *name, const char *word)
{
	char value[256];

	return head_value(head, name, value, sizeof(value)) && strcasestr(value, word);
}

/* False for a length that is no number. */
static bool length_of(const struct head *head, struct body *ret, bool *ret_found)
{
	char value[32], *end;

	*ret = (struct body){.kind = BODY_LENGTH};
	*ret_found = true;
	if (head_has_word(head, "Transfer-Encoding", "chunked")) {
		ret->kind = BODY_CHUNKED;
		return true;
	}
	*ret_found = head_value(head, "Content-Length", value, sizeof(value));
	if (!*ret_found)
		return true;
	ret->len = strtoull(value, &end, 10);
	return end != value && *end == '\0';
}

bool body_of_request(const struct head *head, struct body *ret)
{
	bool found;

	return length_of(head, ret, &found);
}

bool body_of_answer(const struct head *head, const char *method, struct body *ret)
{
	int status = head_status(head);
	bool found;

	*ret = (struct body){.kind = BODY_LENGTH};
	if (strcmp(method, "HEAD") == 0 || status / 100 == 1 || status == 204 || status == 304)
		return true;
	if (!length_of(head, ret, &found))
		return false;
	if (!found)
		ret->kind = BODY_UNTIL_CLOSE;
	return true;
}
