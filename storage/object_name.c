/* SPDX-License-Identifier: Apache-2.0 */
/* The names of objects, see docs/format.md, Objects and their names. Parsers read by place: every name has one fixed
 * length. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "storage/ids.h"

enum {
	SESSION_DIGITS = SESSION_TEXT_SIZE - 1,
	SESSION_AT = 2,				     /* behind "p/" */
	NUMBER_AT = SESSION_AT + SESSION_DIGITS + 1, /* behind "p/<session>/" */
};

char *object_name_session(char kind, const struct session_id *session, char name[OBJECT_NAME_SIZE])
{
	char text[SESSION_TEXT_SIZE];
	snprintf(name, OBJECT_NAME_SIZE, "%c/%s", kind, session_id_text(session, text));
	return name;
}

char *object_name_pack(enum pack_class cls, const struct session_id *session, uint32_t seq, char name[OBJECT_NAME_SIZE])
{
	char text[SESSION_TEXT_SIZE];
	snprintf(name, OBJECT_NAME_SIZE, "%c/%s/%08" PRIx32, (char)cls, session_id_text(session, text), seq);
	return name;
}

char *object_name_list(const struct session_id *session, uint32_t k, char name[OBJECT_NAME_SIZE])
{
	char text[SESSION_TEXT_SIZE];
	snprintf(name, OBJECT_NAME_SIZE, "l/%s/%04" PRIx32, session_id_text(session, text), k);
	return name;
}

char *object_name_keyring(uint32_t n, char name[OBJECT_NAME_SIZE])
{
	snprintf(name, OBJECT_NAME_SIZE, "k/%08" PRIx32, n);
	return name;
}

static char *name_signed(char kind, const struct session_id *session, const uint8_t id8[WRITER_SIZE], uint32_t n,
			 char name[OBJECT_NAME_SIZE])
{
	char text[SESSION_TEXT_SIZE], signer[2 * WRITER_SIZE + 1];
	snprintf(name, OBJECT_NAME_SIZE, "%c/%s/%s%08" PRIx32, kind, session_id_text(session, text),
		 hex_encode(id8, WRITER_SIZE, signer), n);
	return name;
}

char *object_name_receipt(const struct session_id *session, const uint8_t id8[WRITER_SIZE], uint32_t n,
			  char name[OBJECT_NAME_SIZE])
{
	return name_signed('v', session, id8, n, name);
}

char *object_name_trace(const struct session_id *session, const uint8_t id8[WRITER_SIZE], uint32_t n,
			char name[OBJECT_NAME_SIZE])
{
	return name_signed('t', session, id8, n, name);
}

static bool parse_session_at(const char *name, struct session_id *ret)
{
	char text[SESSION_TEXT_SIZE];
	memcpy(text, name + SESSION_AT, SESSION_DIGITS);
	text[SESSION_DIGITS] = '\0';
	return session_id_parse(text, ret);
}

bool object_name_parse_session(char kind, const char *name, struct session_id *ret)
{
	return strlen(name) == SESSION_AT + SESSION_DIGITS && name[0] == kind && name[1] == '/' &&
	       parse_session_at(name, ret);
}

/* "X/<session>/" and then a number of so many bytes, as big-endian digits. */
static bool parse_numbered(const char *name, size_t number_bytes, struct session_id *ret_session, uint32_t *ret_number)
{
	uint8_t number[4] = {0};
	struct session_id session;
	if (strlen(name) != NUMBER_AT + 2 * number_bytes || name[1] != '/' || name[NUMBER_AT - 1] != '/' ||
	    !parse_session_at(name, &session) || !hex_decode(name + NUMBER_AT, number + 4 - number_bytes, number_bytes))
		return false;
	*ret_session = session;
	*ret_number = (uint32_t)number[0] << 24 | (uint32_t)number[1] << 16 | (uint32_t)number[2] << 8 | number[3];
	return true;
}

bool object_name_parse_pack(const char *name, enum pack_class *ret_class, struct session_id *ret_session,
			    uint32_t *ret_seq)
{
	struct session_id session;
	uint32_t seq;
	if ((name[0] != PACK_CHUNKS && name[0] != PACK_META) || !parse_numbered(name, 4, &session, &seq) || seq == 0)
		return false;
	*ret_class = name[0] == PACK_CHUNKS ? PACK_CHUNKS : PACK_META;
	*ret_session = session;
	*ret_seq = seq;
	return true;
}

bool object_name_parse_list(const char *name, struct session_id *ret_session, uint32_t *ret_k)
{
	return name[0] == 'l' && parse_numbered(name, 2, ret_session, ret_k);
}

bool object_name_parse_keyring(const char *name, uint32_t *ret_n)
{
	uint8_t n[4];
	if (strncmp(name, "k/", 2) != 0 || !hex_decode(name + 2, n, sizeof(n)))
		return false;
	*ret_n = (uint32_t)n[0] << 24 | (uint32_t)n[1] << 16 | (uint32_t)n[2] << 8 | n[3];
	return true;
}

static bool parse_signed(char kind, const char *name, struct session_id *ret_session, uint8_t ret_id8[WRITER_SIZE],
			 uint32_t *ret_n)
{
	uint8_t last[WRITER_SIZE + 4];
	struct session_id session;
	if (strlen(name) != NUMBER_AT + 2 * sizeof(last) || name[0] != kind || name[1] != '/' ||
	    name[NUMBER_AT - 1] != '/' || !parse_session_at(name, &session) ||
	    !hex_decode(name + NUMBER_AT, last, sizeof(last)) || bytes_all_zero(last + WRITER_SIZE, 4))
		return false;
	*ret_session = session;
	memcpy(ret_id8, last, WRITER_SIZE);
	*ret_n = (uint32_t)last[8] << 24 | (uint32_t)last[9] << 16 | (uint32_t)last[10] << 8 | last[11];
	return true;
}

bool object_name_parse_receipt(const char *name, struct session_id *ret_session, uint8_t ret_id8[WRITER_SIZE],
			       uint32_t *ret_n)
{
	return parse_signed('v', name, ret_session, ret_id8, ret_n);
}

bool object_name_parse_trace(const char *name, struct session_id *ret_session, uint8_t ret_id8[WRITER_SIZE],
			     uint32_t *ret_n)
{
	return parse_signed('t', name, ret_session, ret_id8, ret_n);
}
