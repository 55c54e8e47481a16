/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receipts: the signed record that a point was verified, what was booted, how long it took, what was seen. A receipt
 * file is clear and stands alone: a statement, its signature, and the evidence that the statement has the hashes of. In
 * the repository the same bytes lie sealed, as v/<session>/<id8><n>. See docs/format.md, Receipts.
 *
 * Making one:   receipt_begin ─► fill in, receipt_set_text, receipt_keep_log, receipt_keep_screen ─► receipt_sign
 *               ─► receipt_publish (into the repository), receipt_write_file (for whoever has no key)
 * Reading one:  receipt_parse, or receipt_load and receipt_list_load ─► receipt_standing says what the signer is worth
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storage/heads.h"
#include "storage/point.h"

#define RECEIPT_ID_SIZE HASH_SIZE
#define RECEIPT_ID_TEXT_SIZE (2 * RECEIPT_ID_SIZE + 1)
#define RECEIPT_LOG_MAX (1u << 20)
#define RECEIPT_SCREEN_MAX (4u << 20)
#define RECEIPT_REASON_MAX 1024
#define RECEIPT_WORD_MAX 128
#define RECEIPT_FILE_MAX (8u << 20)

enum receipt_verdict { RECEIPT_PASSED = 1, RECEIPT_FAILED = 2 };
/* The sign of life that was seen. */
enum receipt_sign { RECEIPT_NOTHING = 0, RECEIPT_AGENT = 1, RECEIPT_CONSOLE = 2, RECEIPT_SCREEN = 3 };

struct receipt_stream { /* as the point has it; the root stands for all its bytes */
	uint16_t number;
	enum stream_kind kind;
	char name[STREAM_NAME_MAX + 1];
	uint64_t size;
	uint8_t root[ID_SIZE];
};

struct receipt_evidence {
	uint64_t size; /* of the bytes that are kept; 0: there is none */
	uint8_t sha256[HASH_SIZE];
	struct bytes bytes; /* empty where only the statement was read */
};

struct receipt {
	uint8_t id[RECEIPT_ID_SIZE]; /* SHA-256 of the statement; known when it is signed or was read */
	uint8_t domain[DOMAIN_SIZE];
	/* What was verified. */
	uint8_t point[POINT_ID_SIZE];
	struct session_id session;
	char workload[WORKLOAD_NAME_MAX + 1];
	uint64_t cut_ns;
	struct receipt_stream *streams;
	size_t n_streams;
	/* What came of it. The maker fills these in; texts with receipt_set_text(). */
	enum receipt_verdict verdict;
	enum receipt_sign sign;
	uint64_t started_ns; /* when the machine was started, realtime */
	uint64_t ready_ns;   /* when the sign of life was seen, realtime; 0: never */
	uint64_t ended_ns;   /* when it was judged, realtime */
	uint64_t ready_ms;   /* from the start to the sign of life, by a clock that nobody sets; 0: never */
	char reason[RECEIPT_REASON_MAX + 1];   /* for a person: why it passed or failed; must be said */
	char expected[RECEIPT_REASON_MAX + 1]; /* the expression that the console had to match; may be empty */
	char host[RECEIPT_WORD_MAX + 1];       /* the machine that it ran on */
	char salvor[RECEIPT_WORD_MAX + 1], hypervisor[RECEIPT_WORD_MAX + 1], accelerator[RECEIPT_WORD_MAX + 1];
	/* Who says so. */
	uint8_t sign_public[PUBLIC_SIZE], seal_public[PUBLIC_SIZE];
	uint8_t signer[WRITER_SIZE]; /* derived */
	char signer_name[KEYRING_NAME_MAX + 1];
	/* What the repository looked like from there. */
	uint32_t keyring_n;
	uint8_t keyring_hash[HASH_SIZE];
	uint64_t checkpoint_x;
	uint8_t checkpoint_hash[HASH_SIZE];
	struct head *heads; /* ascending by writer */
	size_t n_heads;
	/* Evidence. */
	struct receipt_evidence log;	/* of the serial console: its end, where it was longer */
	uint64_t log_total;		/* bytes that it had in all */
	struct receipt_evidence screen; /* a PNG */
};

void receipt_release(struct receipt *receipt);

/* Fills in what the repository, what this machine remembers of it, and the point say. ret is empty before. */
NODISCARD bool receipt_begin(const struct repository *repository, const struct point *point, struct receipt *ret,
			     struct err **errp);
/* Into a text field of `size` bytes: made UTF-8 without control characters, and cut where it is too long. */
void receipt_set_text(char *field, size_t size, const char *text);
/* Copies the end of the console's bytes; total is how many there were, at least log.len. */
NODISCARD bool receipt_keep_log(struct receipt *receipt, struct span log, uint64_t total, struct err **errp);
/* Copies a PNG. ERR_FAILED when it is none or is larger than RECEIPT_SCREEN_MAX. */
NODISCARD bool receipt_keep_screen(struct receipt *receipt, struct span png, struct err **errp);
/* Signs with the repository's identity; gives the receipt file, and fills receipt->id. */
NODISCARD bool receipt_sign(const struct repository *repository, struct receipt *receipt, struct bytes *ret_file,
			    struct err **errp);
/* Seals the file to the newest content epoch as the next v/<session>/<id8><n>, durably. ret_name has
 * OBJECT_NAME_SIZE. */
NODISCARD bool receipt_publish(const struct repository *repository, const struct receipt *receipt, struct span file,
			       char *ret_name, struct err **errp);
/* Durable, create-once, for its owner alone, since consoles tell secrets. ERR_EXISTS when the path is taken by other
 * bytes. */
NODISCARD bool receipt_write_file(const char *path, struct span file, struct err **errp);

/*
 * The parser of foreign bytes: structure, limits, evidence, and the signature by the key that the receipt itself names.
 * What that key is worth receipt_standing() says. ERR_CORRUPT for any byte that was changed. Gives the evidence, too.
 */
NODISCARD bool receipt_parse(struct span file, struct receipt *ret, struct err **errp);
/* Of the statement alone, for fuzzing: without signature, evidence and id. */
NODISCARD bool receipt_statement_parse(struct span statement, struct receipt *ret, struct err **errp);

enum receipt_standing {
	RECEIPT_OF_READER,	     /* of a member with role read: it counts */
	RECEIPT_OF_REVOKED,	     /* of a member who was revoked; when he signed nobody can say */
	RECEIPT_OF_BLIND,	     /* of a member without role read, who cannot have booted it */
	RECEIPT_OF_STRANGER,	     /* of nobody in the keyring */
	RECEIPT_OF_OTHER_REPOSITORY, /* nothing can be said */
};
enum receipt_standing receipt_standing(const struct repository *repository, const struct receipt *receipt);
/* It is about this point: id, session, workload, time and roots. ERR_CORRUPT when it is not. */
NODISCARD bool receipt_check_point(const struct receipt *receipt, const struct point *point, struct err **errp);

const char *receipt_verdict_text(enum receipt_verdict verdict); /* "passed" */
const char *receipt_sign_text(enum receipt_sign sign);		/* "agent"; "none" */
/* SHA-256 of both public keys of the signer; its first 8 bytes are his id. */
NODISCARD bool receipt_fingerprint(const struct receipt *receipt, uint8_t ret[HASH_SIZE], struct err **errp);
char *receipt_id_text(const struct receipt *receipt, char text[RECEIPT_ID_TEXT_SIZE]);

/* The object by name, with its signature: what every member can check. ERR_CORRUPT names it. */
NODISCARD bool receipt_check_object(const struct repository *repository, const char *name, struct err **errp);
/* The object by name, opened: session, signer, signatures and role of the signer are checked. ret_file may be NULL.
 * ERR_DENIED without role read; ERR_CORRUPT names the object. */
NODISCARD bool receipt_load(const struct repository *repository, const char *name, struct receipt *ret,
			    struct bytes *ret_file, struct err **errp);
/* The same, of the first few kilobytes: without evidence, and without the outer signature; the inner one is checked. */
NODISCARD bool receipt_load_statement(const struct repository *repository, const char *name, struct receipt *ret,
				      struct err **errp);

struct receipt_entry {
	char name[OBJECT_NAME_SIZE];
	struct receipt receipt; /* statement only */
};

struct receipt_list {
	struct receipt_entry *entries; /* newest first, by ended_ns */
	size_t n;
	char **damaged; /* objects v/… that could not be read, one "name: reason" each */
	size_t n_damaged;
};

/* All receipts, or those of the point that a session made. Damage fills the list and is no failure. ERR_DENIED without
 * role read. */
NODISCARD bool receipt_list_load(const struct repository *repository, const struct session_id *session,
				 struct receipt_list *ret, struct err **errp);
void receipt_list_release(struct receipt_list *list);
/* The sessions whose points have receipts, ascending, each once; nothing is read but names. The caller frees them. */
NODISCARD bool receipt_sessions(const struct repository *repository, struct session_id **ret, size_t *ret_n,
				struct err **errp);
