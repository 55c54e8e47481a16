/* SPDX-License-Identifier: Apache-2.0 */
/* The parser of keyrings, and the rules of a link of their chain. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/keyring_internal.h"
#include "storage/signed_object.h"
#include "tests/unit.h"

static const uint8_t config_hash[HASH_SIZE] = {0xcf};

static void make_identity(uint8_t seed, struct identity *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	const uint8_t secret[KEY_SIZE] = {seed};
	assert_true(identity_from_secret(secret, ret, &err));
}

static void add_member(struct keyring *keyring, uint8_t seed, const char *name, unsigned roles)
{
	struct identity identity;
	make_identity(seed, &identity);
	keyring->members = reallocarray(keyring->members, keyring->n_members + 1, sizeof(*keyring->members));
	assert_non_null(keyring->members);
	keyring_member_init(&keyring->members[keyring->n_members++], &identity, name, roles);
}

static struct keyring_key *make_key(const struct keyring *keyring, uint8_t public_byte)
{
	struct keyring_key *key = calloc(1, sizeof(*key));
	assert_non_null(key);
	key->grants = calloc(keyring->n_members, sizeof(*key->grants));
	assert_non_null(key->grants);
	key->number = 1;
	key->public_key[0] = public_byte;
	key->n_grants = keyring->n_members;
	for (size_t i = 0; i < key->n_grants; i++)
		memcpy(key->grants[i].id8, keyring->members[i].id8, WRITER_SIZE);
	return key;
}

/* An admin and a writer, one epoch, one metadata key. */
static void make_keyring(struct keyring *ret)
{
	*ret = (struct keyring){.time_ns = 5, .hash = {1}};
	memcpy(ret->config_hash, config_hash, HASH_SIZE);
	add_member(ret, 1, "owner", KEYRING_ROLES);
	add_member(ret, 2, "web01", ROLE_WRITE);
	ret->epochs = make_key(ret, 7);
	ret->metadata = make_key(ret, 0);
	ret->n_epochs = ret->n_metadata = 1;
}

static void encode(const struct keyring *keyring, struct bytes *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	if (!keyring_encode(keyring, ret, &err))
		fail_msg("%s", err_message(err));
	assert_non_null(bytes_extend(ret, SIGNED_TRAILER_SIZE)); /* the parser does not judge signatures */
}

static bool parses(const struct bytes *object)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(keyring_release) struct keyring keyring = {0};
	bool parsed = keyring_parse(bytes_span(object), &keyring, &err);
	if (!parsed && err_code(err) != ERR_CORRUPT)
		fail_msg("%s", err_message(err));
	return parsed;
}

static void comes_back(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(keyring_release) struct keyring keyring, found = {0};
	AUTO(bytes_release) struct bytes object = {0}, again = {0};
	make_keyring(&keyring);
	encode(&keyring, &object);
	assert_true(keyring_parse(bytes_span(&object), &found, &err));
	encode(&found, &again);
	assert_int_equal(object.len, again.len);
	assert_memory_equal(object.data, again.data, object.len);
	assert_string_equal(keyring_find_name(&found, "web01")->name, "web01");
	assert_ptr_equal(keyring_find(&found, keyring.members[1].id8), &found.members[1]);
	assert_null(keyring_find_name(&found, "web02"));
}

static void every_length_but_one_is_damage(void **state)
{
	(void)state;
	AUTO(keyring_release) struct keyring keyring;
	AUTO(bytes_release) struct bytes object = {0};
	make_keyring(&keyring);
	encode(&keyring, &object);
	size_t len = object.len;
	for (object.len = 0; object.len < len; object.len++)
		assert_false(parses(&object));
	assert_true(parses(&object));
	assert_non_null(bytes_extend(&object, 1));
	assert_false(parses(&object));
}

static bool encoded_parses(const struct keyring *keyring)
{
	AUTO(bytes_release) struct bytes object = {0};
	encode(keyring, &object);
	return parses(&object);
}

static void strict_about_members(void **state)
{
	(void)state;
	AUTO(keyring_release) struct keyring keyring;
	make_keyring(&keyring);
	struct keyring_member *web = &keyring.members[1], kept = *web;
	assert_true(encoded_parses(&keyring));
	web->roles = 32;
	assert_false(encoded_parses(&keyring));
	*web = kept;
	memcpy(web->name, "owner", 6);
	assert_false(encoded_parses(&keyring));
	*web = kept;
	web->name[0] = '\0';
	assert_false(encoded_parses(&keyring));
	memcpy(web->name, "\xff", 2);
	assert_false(encoded_parses(&keyring));
	*web = kept;
	memcpy(web->sign_public, keyring.members[0].sign_public, PUBLIC_SIZE);
	memcpy(web->seal_public, keyring.members[0].seal_public, PUBLIC_SIZE);
	assert_false(encoded_parses(&keyring)); /* one id twice */
}

static void strict_about_keys(void **state)
{
	(void)state;
	AUTO(keyring_release) struct keyring keyring;
	make_keyring(&keyring);
	keyring.epochs[0].number = 2;
	assert_false(encoded_parses(&keyring));
	keyring.epochs[0].number = 1;
	keyring.metadata[0].grants[1].id8[0] ^= 1; /* to nobody */
	assert_false(encoded_parses(&keyring));
	memcpy(keyring.metadata[0].grants[1].id8, keyring.metadata[0].grants[0].id8, WRITER_SIZE); /* twice */
	assert_false(encoded_parses(&keyring));
	keyring.metadata[0].n_grants = 1;
	assert_true(encoded_parses(&keyring));
}

/* Counts far beyond the bytes that are there. */
static void counts_are_checked_first(void **state)
{
	(void)state;
	AUTO(keyring_release) struct keyring keyring;
	AUTO(bytes_release) struct bytes object = {0};
	make_keyring(&keyring);
	encode(&keyring, &object);
	enum { MEMBERS_AT = 8 + 2 + 2 + 4 + 32 + 32 + 8 };
	for (size_t at = MEMBERS_AT; at + 2 <= object.len; at++) {
		uint8_t kept[2];
		memcpy(kept, object.data + at, 2);
		memset(object.data + at, 0xff, 2);
		(void)parses(&object); /* whatever it says, it stays inside */
		memcpy(object.data + at, kept, 2);
	}
	memset(object.data + MEMBERS_AT, 0xff, 2);
	assert_false(parses(&object));
	memset(object.data + MEMBERS_AT, 0, 2);
	assert_false(parses(&object));
}

static bool links(const struct keyring *previous, const struct keyring *next, const uint8_t signer[WRITER_SIZE])
{
	AUTO(err_freep) struct err *err = NULL;
	bool linked = keyring_check_link(previous, next, config_hash, signer, &err);
	if (!linked && err_code(err) != ERR_CORRUPT)
		fail_msg("%s", err_message(err));
	return linked;
}

static void make_next(const struct keyring *previous, struct keyring *ret)
{
	make_keyring(ret);
	ret->n = previous->n + 1;
	memcpy(ret->previous_hash, previous->hash, HASH_SIZE);
}

static void links_only_add(void **state)
{
	(void)state;
	AUTO(keyring_release) struct keyring first, next;
	make_keyring(&first);
	make_next(&first, &next);
	const uint8_t *owner = first.members[0].id8;
	struct keyring_member *web = &next.members[1], kept = *web;
	assert_true(links(NULL, &first, owner));
	assert_true(links(&first, &next, owner));
	web->revoked_from = 3;
	assert_true(links(&first, &next, owner));
	first.members[1].revoked_from = 3;
	web->revoked_from = 4;
	assert_false(links(&first, &next, owner));
	web->revoked_from = KEYRING_NOT_REVOKED;
	assert_false(links(&first, &next, owner));
	first.members[1].revoked_from = KEYRING_NOT_REVOKED;
	web->roles = ROLE_WRITE | ROLE_READ;
	assert_false(links(&first, &next, owner));
	*web = kept;
	web->name[0] = 'x';
	assert_false(links(&first, &next, owner));
	*web = kept;
	next.n_members = 1;
	assert_false(links(&first, &next, owner));
	next.n_members = 2;
	next.epochs[0].public_key[0] ^= 1;
	assert_false(links(&first, &next, owner));
	next.epochs[0].public_key[0] ^= 1;
	next.n_epochs = 0;
	assert_false(links(&first, &next, owner));
	next.n_epochs = 1;
	assert_true(links(&first, &next, owner));
}

static void links_follow_each_other(void **state)
{
	(void)state;
	AUTO(keyring_release) struct keyring first, next;
	make_keyring(&first);
	make_next(&first, &next);
	const uint8_t *owner = first.members[0].id8, *web = first.members[1].id8, nobody[WRITER_SIZE] = {0};
	assert_false(links(NULL, &next, owner));
	assert_false(links(&first, &next, web)); /* no admin */
	assert_false(links(&first, &next, nobody));
	next.n = 2;
	assert_false(links(&first, &next, owner));
	next.n = 1;
	next.previous_hash[5] ^= 1;
	assert_false(links(&first, &next, owner));
	next.previous_hash[5] ^= 1;
	next.config_hash[5] ^= 1;
	assert_false(links(&first, &next, owner));
	next.config_hash[5] ^= 1;
	first.members[0].revoked_from = 1; /* a revoked admin signs nothing any more */
	next.members[0].revoked_from = 1;
	assert_false(links(&first, &next, owner));
}

static void roles_end_with_revocation(void **state)
{
	(void)state;
	AUTO(keyring_release) struct keyring keyring;
	make_keyring(&keyring);
	const uint8_t *web = keyring.members[1].id8, nobody[WRITER_SIZE] = {0};
	assert_true(keyring_allows(&keyring, web, ROLE_WRITE, 0));
	assert_true(keyring_allows(&keyring, web, ROLE_WRITE, 1000));
	assert_false(keyring_allows(&keyring, web, ROLE_READ, 1));
	assert_false(keyring_allows(&keyring, nobody, ROLE_WRITE, 1));
	keyring.members[1].revoked_from = 5;
	assert_true(keyring_allows(&keyring, web, ROLE_WRITE, 4));
	assert_false(keyring_allows(&keyring, web, ROLE_WRITE, 5));
	assert_false(keyring_allows(&keyring, web, ROLE_WRITE, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(every_length_but_one_is_damage),
		cmocka_unit_test(strict_about_members),
		cmocka_unit_test(strict_about_keys),
		cmocka_unit_test(counts_are_checked_first),
		cmocka_unit_test(links_only_add),
		cmocka_unit_test(links_follow_each_other),
		cmocka_unit_test(roles_end_with_revocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
