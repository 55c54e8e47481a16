/* SPDX-License-Identifier: Apache-2.0 */
/* The names of things in a repository: ids of chunks and nodes, sessions, packs, and places in them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define ID_SIZE 32
#define DOMAIN_SIZE 16
#define WRITER_SIZE 8
#define SESSION_SIZE 16
#define SESSION_TEXT_SIZE 33
#define OBJECT_NAME_SIZE 80 /* enough for the longest object name and its NUL */

/* Keyed hash of a chunk, a tree node or a stream root. All zero stands for a hole: no such content exists. */
struct chunk_id {
	uint8_t b[ID_SIZE];
};

/* One writer's run: who, and its how-manieth. On disk: id8 and the number as big-endian u64. */
struct session_id {
	uint8_t writer[WRITER_SIZE];
	uint64_t number;
};

enum pack_class { PACK_CHUNKS = 'p', PACK_META = 'm' };

/* Where the bytes of an id lie. The class follows from what the id names: level 0 locates chunks, others nodes. */
struct locator {
	struct session_id session;
	uint32_t seq;
	uint16_t entry;
};

bool chunk_id_equal(const struct chunk_id *a, const struct chunk_id *b);
bool chunk_id_is_zero(const struct chunk_id *id);
bool session_id_equal(const struct session_id *a, const struct session_id *b);
/* By writer, then by number: the order of their names. */
int session_id_compare(const struct session_id *a, const struct session_id *b);
void session_id_store(const struct session_id *session, uint8_t out[SESSION_SIZE]);
void session_id_load(const uint8_t in[SESSION_SIZE], struct session_id *ret);
/* 32 lower-case hex digits; returns text. */
char *session_id_text(const struct session_id *session, char text[SESSION_TEXT_SIZE]);
bool session_id_parse(const char *text, struct session_id *ret);

/* Names of objects, each into `name`, which is returned. Parsers are strict: what they accept, the maker makes. */
char *object_name_session(char kind /* w or c or d */, const struct session_id *session, char name[OBJECT_NAME_SIZE]);
char *object_name_pack(enum pack_class cls, const struct session_id *session, uint32_t seq,
		       char name[OBJECT_NAME_SIZE]);
char *object_name_list(const struct session_id *session, uint32_t k, char name[OBJECT_NAME_SIZE]);
char *object_name_keyring(uint32_t n, char name[OBJECT_NAME_SIZE]);
/* The nth receipt that an identity wrote of the point that a session made. */
char *object_name_receipt(const struct session_id *session, const uint8_t id8[WRITER_SIZE], uint32_t n,
			  char name[OBJECT_NAME_SIZE]);
/* The boot trace that goes with that receipt. */
char *object_name_trace(const struct session_id *session, const uint8_t id8[WRITER_SIZE], uint32_t n,
			char name[OBJECT_NAME_SIZE]);
bool object_name_parse_session(char kind, const char *name, struct session_id *ret);
bool object_name_parse_pack(const char *name, enum pack_class *ret_class, struct session_id *ret_session,
			    uint32_t *ret_seq);
bool object_name_parse_list(const char *name, struct session_id *ret_session, uint32_t *ret_k);
bool object_name_parse_keyring(const char *name, uint32_t *ret_n);
bool object_name_parse_receipt(const char *name, struct session_id *ret_session, uint8_t ret_id8[WRITER_SIZE],
			       uint32_t *ret_n);
bool object_name_parse_trace(const char *name, struct session_id *ret_session, uint8_t ret_id8[WRITER_SIZE],
			     uint32_t *ret_n);
