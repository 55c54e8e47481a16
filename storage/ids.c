/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/ids.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"

bool chunk_id_equal(const struct chunk_id *a, const struct chunk_id *b)
{
	return memcmp(a->b, b->b, ID_SIZE) == 0;
}

bool chunk_id_is_zero(const struct chunk_id *id)
{
	return bytes_all_zero(id->b, ID_SIZE);
}

bool session_id_equal(const struct session_id *a, const struct session_id *b)
{
	return session_id_compare(a, b) == 0;
}

int session_id_compare(const struct session_id *a, const struct session_id *b)
{
	int by_writer = memcmp(a->writer, b->writer, WRITER_SIZE);
	return by_writer ? by_writer : (a->number > b->number) - (a->number < b->number);
}

void session_id_store(const struct session_id *session, uint8_t out[SESSION_SIZE])
{
	memcpy(out, session->writer, WRITER_SIZE);
	bytes_store_be64(out + WRITER_SIZE, session->number);
}

void session_id_load(const uint8_t in[SESSION_SIZE], struct session_id *ret)
{
	memcpy(ret->writer, in, WRITER_SIZE);
	ret->number = bytes_load_be64(in + WRITER_SIZE);
}

char *session_id_text(const struct session_id *session, char text[SESSION_TEXT_SIZE])
{
	uint8_t stored[SESSION_SIZE];
	session_id_store(session, stored);
	return hex_encode(stored, SESSION_SIZE, text);
}

bool session_id_parse(const char *text, struct session_id *ret)
{
	uint8_t stored[SESSION_SIZE];
	struct session_id session;
	if (!hex_decode(text, stored, SESSION_SIZE))
		return false;
	session_id_load(stored, &session);
	if (session.number == 0)
		return false;
	*ret = session;
	return true;
}
