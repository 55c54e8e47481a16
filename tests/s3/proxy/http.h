/* SPDX-License-Identifier: Apache-2.0 */
/* As much of HTTP/1.1 as lies between a client and an S3 service: one message after the other on a kept connection. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAD_SIZE = 64 << 10, STREAM_SIZE = 256 << 10 };

/* What came from a socket and was not yet taken. */
struct stream {
	int fd; /* -1: closed */
	size_t at, end;
	char data[STREAM_SIZE];
};

/* The lines before a body, with the empty one. */
struct head {
	size_t len;
	char text[HEAD_SIZE + 1];
};

enum body_kind { BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

struct body {
	enum body_kind kind;
	uint64_t len; /* BODY_LENGTH */
};

/* All return false when the connection ends or brings what is no HTTP. */
bool stream_head(struct stream *stream, struct head *head);
bool stream_pass(struct stream *stream, uint64_t len, int to);
/* Takes a whole body of at most 128 MiB; the caller frees ret. */
bool stream_body(struct stream *stream, struct body body, char **ret, size_t *ret_len);
void stream_open(struct stream *stream, int fd);
void stream_close(struct stream *stream);
bool send_all(int fd, const void *data, size_t len);

/* The value of a header, trimmed; false when there is none, or none that fits. */
bool head_value(const struct head *head, const char *name, char *ret, size_t size);
/* Removes all headers of that name. */
void head_remove(struct head *head, const char *name);
bool head_add(struct head *head, const char *name, const char *value);
bool head_set_length(struct head *head, uint64_t len);
/* The status of an answer; 0 when it is none. */
int head_status(const struct head *head);
bool head_has_word(const struct head *head, const char *name, const char *word);
/* What follows the head of a request, and of an answer to that method. */
bool body_of_request(const struct head *head, struct body *ret);
bool body_of_answer(const struct head *head, const char *method, struct body *ret);
