/* SPDX-License-Identifier: Apache-2.0 */
/* Every primitive against a vector that somebody else published. */
#include "storage/crypto.h"

#include <string.h>

#include "base/err.h"
#include "base/hex.h"
#include "base/pool.h"
#include "tests/unit.h"

enum { VECTOR_MAX = 256 };

struct vector {
	uint8_t b[VECTOR_MAX];
	size_t len;
};

static struct vector hex(const char *text)
{
	struct vector vector = {.len = strlen(text) / 2};
	assert_true(hex_decode(text, vector.b, vector.len));
	return vector;
}

#define SPAN_HEX(vector) SPAN((vector).b, (vector).len)

static void assert_hex(const void *data, size_t len, const char *expected)
{
	char text[2 * VECTOR_MAX + 1];
	assert_string_equal(hex_encode(data, len, text), expected);
}

/* FIPS 180-4, "abc", in parts. */
static void sha256(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t hash[HASH_SIZE];
	const struct span parts[] = {SPAN_TEXT("a"), SPAN_NONE, SPAN_TEXT("bc")};
	assert_true(crypto_sha256(parts, ARRAY_LENGTH(parts), hash, &err));
	assert_hex(hash, sizeof(hash), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_true(crypto_sha256(NULL, 0, hash, &err));
	assert_hex(hash, sizeof(hash), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231 case 1; zeros behind its 20 bytes of key change nothing. A second call must not see the first one's key. */
static void hmac(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t key[KEY_SIZE] = {0}, zero[KEY_SIZE] = {0}, other[HASH_SIZE], hash[HASH_SIZE];
	const struct span parts[] = {SPAN_TEXT("Hi "), SPAN_TEXT("There")};
	memset(key, 0x0b, 20);
	assert_true(crypto_hmac(key, parts, 2, hash, &err));
	assert_hex(hash, sizeof(hash), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	assert_true(crypto_hmac(zero, parts, 2, other, &err));
	assert_memory_not_equal(hash, other, sizeof(hash));
	assert_true(crypto_hmac(key, parts, 2, other, &err));
	assert_memory_equal(hash, other, sizeof(hash));
}

/* RFC 5869, cases 1 and 3. */
static void hkdf(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t okm[42];
	struct vector ikm = hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
	struct vector salt = hex("000102030405060708090a0b0c"), info = hex("f0f1f2f3f4f5f6f7f8f9");
	assert_true(crypto_hkdf(SPAN_HEX(ikm), SPAN_HEX(salt), SPAN_HEX(info), okm, sizeof(okm), &err));
	assert_hex(okm, sizeof(okm),
		   "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
	assert_true(crypto_hkdf(SPAN_HEX(ikm), SPAN_NONE, SPAN_NONE, okm, sizeof(okm), &err));
	assert_hex(okm, sizeof(okm),
		   "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

/* The GCM specification of McGrew and Viega, test case 16: AES-256, 96-bit IV, AAD. */
static void gcm(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t sealed[VECTOR_MAX], opened[VECTOR_MAX];
	struct vector key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
	struct vector nonce = hex("cafebabefacedbaddecaf888"), aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
	struct vector plain = hex(
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16a"
		"edf5aa0de657ba637b39");
	assert_true(crypto_seal(key.b, nonce.b, SPAN_HEX(aad), SPAN_HEX(plain), sealed, &err));
	assert_hex(sealed, plain.len + TAG_SIZE,
		   "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f"
		   "61e6393ba7a0abcc9f662"
		   "76fc6ece0f4e1768cddf8853bb2d551b");
	assert_true(crypto_open(key.b, nonce.b, SPAN_HEX(aad), SPAN(sealed, plain.len + TAG_SIZE), opened, &err));
	assert_memory_equal(opened, plain.b, plain.len);
}

static void gcm_refuses_a_changed_bit_and_shows_nothing(void **state)
{
	(void)state;
	uint8_t key[KEY_SIZE] = {1}, nonce[NONCE_SIZE] = {0}, sealed[64 + TAG_SIZE], opened[64], zero[64] = {0};
	AUTO(err_freep) struct err *err = NULL;
	memset(opened, 7, sizeof(opened));
	assert_true(crypto_seal(key, nonce, SPAN_TEXT("aad"), SPAN_OF(opened), sealed, &err));
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		assert_false(crypto_open(key, nonce, SPAN_TEXT("aad"), SPAN_OF(sealed), opened, &err));
		assert_int_equal(err_code(err), ERR_CORRUPT);
		assert_memory_equal(opened, zero, sizeof(opened));
		err_clear(&err);
		sealed[i] ^= 1;
	}
	assert_false(crypto_open(key, nonce, SPAN_TEXT("abd"), SPAN_OF(sealed), opened, &err));
	err_clear(&err);
	assert_false(crypto_open(key, nonce, SPAN_TEXT("aad"), SPAN(sealed, TAG_SIZE - 1), opened, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
	err_clear(&err);
	assert_true(crypto_open(key, nonce, SPAN_TEXT("aad"), SPAN_OF(sealed), opened, &err));
}

static void gcm_seals_nothing_and_in_place(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t key[KEY_SIZE] = {0}, nonce[NONCE_SIZE] = {0}, buffer[4 + TAG_SIZE] = "text", tag[TAG_SIZE];
	/* McGrew and Viega, test case 13. */
	assert_true(crypto_seal(key, nonce, SPAN_NONE, SPAN_NONE, tag, &err));
	assert_hex(tag, sizeof(tag), "530f8afbc74536b9a963b4f1c4cb738b");
	assert_true(crypto_open(key, nonce, SPAN_NONE, SPAN_OF(tag), NULL, &err));
	assert_true(crypto_seal(key, nonce, SPAN_NONE, SPAN(buffer, 4), buffer, &err));
	assert_memory_not_equal(buffer, "text", 4);
	assert_true(crypto_open(key, nonce, SPAN_NONE, SPAN_OF(buffer), buffer, &err));
	assert_memory_equal(buffer, "text", 4);
}

/* RFC 8032, 7.1, test 3. */
static void ed25519(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t public_key[PUBLIC_SIZE], signature[SIGNATURE_SIZE];
	struct vector seed = hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"),
		      message = hex("af82");
	assert_true(crypto_sign_public(seed.b, public_key, &err));
	assert_hex(public_key, sizeof(public_key), "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
	assert_true(crypto_sign(seed.b, SPAN_HEX(message), signature, &err));
	assert_hex(signature, sizeof(signature),
		   "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7"
		   "c15e9716ed28dc027bece"
		   "ea1ec40a");
	assert_true(crypto_verify(public_key, SPAN_HEX(message), signature, &err));
	signature[0] ^= 1;
	assert_false(crypto_verify(public_key, SPAN_HEX(message), signature, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
}

/* RFC 7748, 6.1: Bob's side. */
static void x25519(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t public_key[PUBLIC_SIZE], shared[KEY_SIZE], low_order[PUBLIC_SIZE] = {0};
	struct vector bob = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
	struct vector alice = hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	assert_true(crypto_x25519_public(bob.b, public_key, &err));
	assert_hex(public_key, sizeof(public_key), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	assert_true(crypto_x25519(bob.b, alice.b, shared, &err));
	assert_hex(shared, sizeof(shared), "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
	assert_false(crypto_x25519(bob.b, low_order, shared, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
}

/* RFC 7914, 12, second vector. */
static void scrypt(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t key[64];
	assert_true(crypto_scrypt(SPAN_TEXT("password"), SPAN_TEXT("NaCl"), 1024, 8, 16, key, sizeof(key), &err));
	assert_hex(key, sizeof(key),
		   "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac72"
		   "7afb94a83ee6d8360cbdf"
		   "a2cc0640");
}

static void scrypt_refuses_before_it_works(void **state)
{
	(void)state;
	static const struct {
		uint64_t n;
		uint32_t r, p;
		enum err_code code;
	} cases[] = {
		{0, 8, 1, ERR_CORRUPT},
		{1, 8, 1, ERR_CORRUPT},
		{1000, 8, 1, ERR_CORRUPT},
		{1024, 0, 1, ERR_CORRUPT},
		{1024, 8, 0, ERR_CORRUPT},
		{1 << 21, 8, 1, ERR_UNSUPPORTED},
		{UINT64_C(1) << 63, 8, 1, ERR_UNSUPPORTED},
		{2, UINT32_MAX, 1, ERR_UNSUPPORTED},
		{2, 8, UINT32_MAX, ERR_UNSUPPORTED},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		AUTO(err_freep) struct err *err = NULL;
		uint8_t key[16];
		assert_false(crypto_scrypt(SPAN_TEXT("p"), SPAN_TEXT("s"), cases[i].n, cases[i].r, cases[i].p, key,
					   sizeof(key), &err));
		assert_int_equal(err_code(err), cases[i].code);
	}
}

enum { THREADS = 8, ROUNDS = 200 };

/* Seals, opens and hashes with a key of its own; any state that threads shared would show. */
static bool work(void *arg, struct err **errp)
{
	(void)arg;
	uint8_t key[KEY_SIZE], nonce[NONCE_SIZE] = {0}, plain[512], sealed[sizeof(plain) + TAG_SIZE], first[HASH_SIZE],
			       again[HASH_SIZE];
	const struct span part = SPAN_OF(plain);
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (!crypto_random(key, sizeof(key), errp) || !crypto_random(plain, sizeof(plain), errp) ||
		    !crypto_hmac(key, &part, 1, first, errp) ||
		    !crypto_seal(key, nonce, SPAN_NONE, SPAN_OF(plain), sealed, errp) ||
		    !crypto_open(key, nonce, SPAN_NONE, SPAN_OF(sealed), plain, errp) ||
		    !crypto_hmac(key, &part, 1, again, errp))
			return false;
		if (memcmp(first, again, sizeof(first)) != 0)
			return err_set(errp, ERR_FAILED, "round %u: another hash", i);
	}
	return true;
}

static void threads_do_not_meet(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	struct pool *pool = pool_start("crypto", THREADS, work, NULL, NULL, &err);
	assert_non_null(pool);
	if (!pool_join(pool, &err))
		fail_msg("%s", err_message(err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256),
		cmocka_unit_test(hmac),
		cmocka_unit_test(hkdf),
		cmocka_unit_test(gcm),
		cmocka_unit_test(gcm_refuses_a_changed_bit_and_shows_nothing),
		cmocka_unit_test(gcm_seals_nothing_and_in_place),
		cmocka_unit_test(ed25519),
		cmocka_unit_test(x25519),
		cmocka_unit_test(scrypt),
		cmocka_unit_test(scrypt_refuses_before_it_works),
		cmocka_unit_test(threads_do_not_meet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
