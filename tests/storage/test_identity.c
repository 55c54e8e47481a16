/* SPDX-License-Identifier: Apache-2.0 */
/* Identities, roles, key files, signed objects, and the names of sessions and objects. */
#include "storage/identity.h"

#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "storage/signed_object.h"
#include "tests/folder.h"
#include "tests/unit.h"

static void assert_code(struct err **errp, enum err_code code)
{
	assert_non_null(*errp);
	if (err_code(*errp) != code)
		fail_msg("%s", err_message(*errp));
	err_clear(errp);
}

static void identities_follow_from_the_secret(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	struct identity one, again, other;
	uint8_t secret[KEY_SIZE] = {1};
	assert_true(identity_from_secret(secret, &one, &err));
	assert_true(identity_from_secret(secret, &again, &err));
	assert_memory_equal(&one, &again, sizeof(one));
	secret[0] = 2;
	assert_true(identity_from_secret(secret, &other, &err));
	assert_memory_not_equal(one.id8, other.id8, sizeof(one.id8));
	assert_memory_not_equal(one.sign_seed, one.seal_secret, KEY_SIZE);
}

static void roles_as_words(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	char text[40];
	unsigned roles;
	assert_true(role_parse("write,read", &roles, &err));
	assert_int_equal(roles, ROLE_WRITE | ROLE_READ);
	assert_string_equal(role_text(roles, text), "write,read");
	assert_string_equal(role_text(31, text), "admin,write,read,collect,source");
	assert_string_equal(role_text(0, text), "");
	static const char *const wrong[] = {"", ",", "write,", "Write", "write read", "owner"};
	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
		assert_false(role_parse(wrong[i], &roles, &err));
		assert_code(&err, ERR_USAGE);
	}
}

static void key_files_come_back(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t material[MATERIAL_SIZE], found[MATERIAL_SIZE];
	struct stat st;
	memset(material, 0xa5, sizeof(material));
	assert_true(key_file_write("host.key", "first line\nsecond line", material, &err));
	assert_int_equal(stat("host.key", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(key_file_read("host.key", found, &err));
	assert_memory_equal(found, material, sizeof(material));
	material[0] = 0;
	assert_false(key_file_write("host.key", "", material, &err));
	assert_code(&err, ERR_EXISTS);
	assert_false(key_file_read("no.key", found, &err));
	assert_code(&err, ERR_NOT_FOUND);
}

#define ZEROS                                                                                                          \
	"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
	"00000000000000000000"
#define GOOD "SALVOR-KEY-1 " ZEROS " f5a5fd42"

static void key_files_are_judged(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum err_code code; /* 0: good */
	} cases[] = {
		{GOOD "\n", 0},
		{GOOD, 0},
		{"# comment\r\n\r\n" GOOD "\r\n# end", 0},
		{"", ERR_USAGE},
		{"# only a comment\n", ERR_USAGE},
		{"ssh-ed25519 AAAA\n", ERR_USAGE},
		{"one\ntwo\n", ERR_USAGE},
		{"SALVOR-KEY-2 " ZEROS " f5a5fd42\n", ERR_UNSUPPORTED},
		{"SALVOR-KEY-1 " ZEROS " f5a5fd43\n", ERR_CORRUPT},
		{"SALVOR-KEY-1 " ZEROS "f5a5fd42\n", ERR_CORRUPT},
		{"SALVOR-KEY-1 " ZEROS " F5A5FD42\n", ERR_CORRUPT},
		{"SALVOR-KEY-1 \n", ERR_CORRUPT},
		{GOOD " \n", ERR_CORRUPT},
		{" " GOOD "\n", ERR_USAGE},
		{GOOD "\n" GOOD "\n", ERR_CORRUPT},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		AUTO(err_freep) struct err *err = NULL;
		uint8_t material[MATERIAL_SIZE];
		bool good = key_file_parse(SPAN(cases[i].text, strlen(cases[i].text)), material, &err);
		if (good != (cases[i].code == 0))
			fail_msg("case %zu: %s", i, err ? err_message(err) : "accepted");
		if (!good)
			assert_code(&err, cases[i].code);
	}
}

static void signatures_bind_name_domain_and_body(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object;
	const uint8_t secret[KEY_SIZE] = {7}, domain[DOMAIN_SIZE] = {1}, other_domain[DOMAIN_SIZE] = {2};
	struct identity identity;
	struct span body;
	uint8_t signer[WRITER_SIZE];
	assert_true(identity_from_secret(secret, &identity, &err));
	bytes_init(&object, 4096);
	bytes_put(&object, "body", 4);
	assert_true(signed_object_seal(&identity, domain, "w/00", &object, &err));
	assert_int_equal(object.len, 4 + SIGNED_TRAILER_SIZE);
	assert_true(signed_object_split(bytes_span(&object), &body, signer));
	assert_int_equal(body.len, 4);
	assert_memory_equal(signer, identity.id8, sizeof(signer));
	assert_true(signed_object_check(identity.sign_public, domain, "w/00", bytes_span(&object), &err));
	assert_false(signed_object_check(identity.sign_public, domain, "w/01", bytes_span(&object), &err));
	assert_code(&err, ERR_CORRUPT);
	assert_false(signed_object_check(identity.sign_public, other_domain, "w/00", bytes_span(&object), &err));
	assert_code(&err, ERR_CORRUPT);
	for (size_t i = 0; i < object.len; i++) {
		object.data[i] ^= 0x10;
		assert_false(signed_object_check(identity.sign_public, domain, "w/00", bytes_span(&object), &err));
		assert_code(&err, ERR_CORRUPT);
		object.data[i] ^= 0x10;
	}
	assert_false(signed_object_split(SPAN(object.data, SIGNED_TRAILER_SIZE - 1), &body, signer));
}

static void names_of_objects(void **state)
{
	(void)state;
	struct session_id session = {.writer = {0xab}, .number = 258}, found;
	enum pack_class cls;
	uint32_t number;
	char name[OBJECT_NAME_SIZE];
	assert_string_equal(object_name_session('w', &session, name), "w/ab000000000000000000000000000102");
	assert_true(object_name_parse_session('w', name, &found));
	assert_true(session_id_equal(&session, &found));
	assert_false(object_name_parse_session('c', name, &found));
	assert_string_equal(object_name_pack(PACK_META, &session, 0x1f, name),
			    "m/ab000000000000000000000000000102/0000001f");
	assert_true(object_name_parse_pack(name, &cls, &found, &number));
	assert_int_equal(cls, PACK_META);
	assert_int_equal(number, 0x1f);
	assert_string_equal(object_name_list(&session, 0xbeef, name), "l/ab000000000000000000000000000102/beef");
	assert_true(object_name_parse_list(name, &found, &number));
	assert_int_equal(number, 0xbeef);
	assert_string_equal(object_name_keyring(7, name), "k/00000007");
	assert_true(object_name_parse_keyring(name, &number));
	assert_int_equal(number, 7);
}

static void names_that_nobody_makes(void **state)
{
	(void)state;
	static const char *const packs[] = {"",
					    "p",
					    "p/ab000000000000000000000000000102",
					    "p/ab000000000000000000000000000102/0000001",
					    "p/ab000000000000000000000000000102/00000000",
					    "p/ab000000000000000000000000000102/0000001F",
					    "p/ab000000000000000000000000000102/0000001f0",
					    "p/ab000000000000000000000000000102-0000001f",
					    "p/AB000000000000000000000000000102/0000001f",
					    "p/ab000000000000000000000000000000/0000001f",
					    "x/ab000000000000000000000000000102/0000001f"};
	struct session_id session;
	enum pack_class cls;
	uint32_t number;
	for (size_t i = 0; i < ARRAY_LENGTH(packs); i++)
		assert_false(object_name_parse_pack(packs[i], &cls, &session, &number));
	assert_false(object_name_parse_keyring("k/0000000", &number));
	assert_false(object_name_parse_keyring("k/00000000.", &number));
	assert_false(object_name_parse_list("l/ab000000000000000000000000000102/00000", &session, &number));
}

static void sessions_sort_as_their_names(void **state)
{
	(void)state;
	const struct session_id a = {.writer = {1}, .number = 2}, b = {.writer = {1}, .number = 256},
				c = {.writer = {2}, .number = 1};
	assert_true(session_id_compare(&a, &b) < 0);
	assert_true(session_id_compare(&b, &c) < 0);
	assert_true(session_id_compare(&c, &a) > 0);
	assert_int_equal(session_id_compare(&a, &a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identities_follow_from_the_secret),
		cmocka_unit_test(roles_as_words),
		cmocka_unit_test_setup_teardown(key_files_come_back, folder_enter, folder_leave),
		cmocka_unit_test(key_files_are_judged),
		cmocka_unit_test(signatures_bind_name_domain_and_body),
		cmocka_unit_test(names_of_objects),
		cmocka_unit_test(names_that_nobody_makes),
		cmocka_unit_test(sessions_sort_as_their_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
