/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 9180 prints no vector for X25519 with AES-256-GCM. So: the key pair is that of RFC 9180, A.1.1, whose DHKEM is
 * ours; key and nonce for AES-256-GCM were computed for the inputs of A.1.1 by a second implementation in Python, which
 * also gives A.1.1's own ciphertext; and one message was sealed by pyca/cryptography 48.
 */
#include "storage/hpke.h"

#include <string.h>

#include "base/err.h"
#include "base/hex.h"
#include "storage/hpke_internal.h"
#include "tests/unit.h"

#define INFO "Ode on a Grecian Urn"
#define IKM_E "7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234"
#define SK_E "52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736"
#define PK_E "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"
#define SK_R "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"
#define PK_R "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d"

static void decode(const char *text, void *ret, size_t len)
{
	assert_true(hex_decode(text, ret, len));
}

static void assert_hex(const void *data, size_t len, const char *expected)
{
	char text[129];
	assert_string_equal(hex_encode(data, len, text), expected);
}

static void message(uint8_t plain[KEY_SIZE])
{
	for (uint8_t i = 0; i < KEY_SIZE; i++)
		plain[i] = i;
}

static void key_pair_of_the_rfc(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t ikm[KEY_SIZE], secret[KEY_SIZE], public_key[PUBLIC_SIZE];
	decode(IKM_E, ikm, sizeof(ikm));
	assert_true(hpke_derive_key_pair(SPAN_OF(ikm), secret, public_key, &err));
	assert_hex(secret, sizeof(secret), SK_E);
	assert_hex(public_key, sizeof(public_key), PK_E);
}

static void schedule_on_both_sides(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t sender[KEY_SIZE], receiver[KEY_SIZE], enc[HPKE_ENC_SIZE], recipient[PUBLIC_SIZE];
	struct hpke_context context;
	decode(SK_E, sender, sizeof(sender));
	decode(SK_R, receiver, sizeof(receiver));
	decode(PK_E, enc, sizeof(enc));
	decode(PK_R, recipient, sizeof(recipient));
	for (int side = 0; side < 2; side++) {
		bool done = side == 0
				    ? hpke_schedule(sender, recipient, enc, recipient, SPAN_TEXT(INFO), &context, &err)
				    : hpke_schedule(receiver, enc, enc, recipient, SPAN_TEXT(INFO), &context, &err);
		assert_true(done);
		assert_hex(context.key, sizeof(context.key),
			   "a2863277956ec56c4f9f16b43665870daa2403d0d22baceff6551c4ff35b8528");
		assert_hex(context.nonce, sizeof(context.nonce), "94fc3a5af015ec686da39ff8");
	}
}

static void sealed_as_another_implementation_seals(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t ikm[KEY_SIZE], recipient[PUBLIC_SIZE], plain[KEY_SIZE], enc[HPKE_ENC_SIZE], sealed[HPKE_SEALED_SIZE];
	decode(IKM_E, ikm, sizeof(ikm));
	decode(PK_R, recipient, sizeof(recipient));
	message(plain);
	assert_true(hpke_seal(recipient, ikm, SPAN_TEXT(INFO), SPAN_TEXT("Count-0"), plain, enc, sealed, &err));
	assert_hex(enc, sizeof(enc), PK_E);
	assert_hex(sealed, sizeof(sealed),
		   "4b6f1eb4553db913d2c1ca19c7b6ddb592091902b7e6b665aeef95ece07ea504663218c05ab9c117fe1fdc0d69cb97f9");
}

static void opens_what_pyca_sealed(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t secret[KEY_SIZE], enc[HPKE_ENC_SIZE], sealed[HPKE_SEALED_SIZE], plain[KEY_SIZE], expected[KEY_SIZE];
	decode(SK_R, secret, sizeof(secret));
	decode("27b727c8ee7f0dc93bcf368ba7029d8c1c0c0495666f8d55a53fa8e6bcc7c707", enc, sizeof(enc));
	decode("d03a3c662302aa3670dcb07ca07e1575564dd7491c252fd231f68f647cd5a3dfc3b5822d54bbce320c75299c3feb4f00",
	       sealed, sizeof(sealed));
	message(expected);
	assert_true(hpke_open(secret, enc, SPAN_TEXT(INFO), SPAN_NONE, sealed, plain, &err));
	assert_memory_equal(plain, expected, sizeof(plain));
}

static void refuses_another_key_info_aad_and_bytes(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t secret[KEY_SIZE] = {0, 1}, other[KEY_SIZE] = {0, 2}, recipient[PUBLIC_SIZE], ephemeral[KEY_SIZE] = {3},
		plain[KEY_SIZE] = {4};
	uint8_t enc[HPKE_ENC_SIZE], sealed[HPKE_SEALED_SIZE], opened[KEY_SIZE];
	assert_true(crypto_x25519_public(secret, recipient, &err));
	assert_true(hpke_seal(recipient, ephemeral, SPAN_TEXT("i"), SPAN_TEXT("a"), plain, enc, sealed, &err));
	assert_true(hpke_open(secret, enc, SPAN_TEXT("i"), SPAN_TEXT("a"), sealed, opened, &err));
	assert_memory_equal(opened, plain, sizeof(plain));
	assert_false(hpke_open(other, enc, SPAN_TEXT("i"), SPAN_TEXT("a"), sealed, opened, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
	err_clear(&err);
	assert_false(hpke_open(secret, enc, SPAN_TEXT("j"), SPAN_TEXT("a"), sealed, opened, &err));
	err_clear(&err);
	assert_false(hpke_open(secret, enc, SPAN_TEXT("i"), SPAN_TEXT("b"), sealed, opened, &err));
	err_clear(&err);
	sealed[0] ^= 1;
	assert_false(hpke_open(secret, enc, SPAN_TEXT("i"), SPAN_TEXT("a"), sealed, opened, &err));
	err_clear(&err);
	memset(enc, 0, sizeof(enc));
	assert_false(hpke_open(secret, enc, SPAN_TEXT("i"), SPAN_TEXT("a"), sealed, opened, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_pair_of_the_rfc),
		cmocka_unit_test(schedule_on_both_sides),
		cmocka_unit_test(sealed_as_another_implementation_seals),
		cmocka_unit_test(opens_what_pyca_sealed),
		cmocka_unit_test(refuses_another_key_info_aad_and_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
