/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/dek.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "storage/hpke.h"

#define LABEL "salvor dek 1"

enum {
	PLACE_SIZE = SESSION_SIZE + 4, /* session and seq: where a keyslot begins, and what its seal is bound to */
	INFO_SIZE = sizeof(LABEL) - 1 + DOMAIN_SIZE + 4,
	KEM_X25519 = 1,
};

static void store_place(const struct session_id *session, uint32_t seq, uint8_t ret[PLACE_SIZE])
{
	session_id_store(session, ret);
	bytes_store_le32(ret + SESSION_SIZE, seq);
}

static void store_info(const struct repository *repository, uint32_t epoch, uint8_t ret[INFO_SIZE])
{
	memcpy(ret, LABEL, sizeof(LABEL) - 1);
	memcpy(ret + sizeof(LABEL) - 1, repository_domain(repository), DOMAIN_SIZE);
	bytes_store_le32(ret + INFO_SIZE - 4, epoch);
}

/* Random, and more than random: a machine that was rolled back may draw the same random bytes, but not at the same
 * time. */
static bool draw(const struct repository *repository, const uint8_t place[PLACE_SIZE], uint8_t ret[KEY_SIZE],
		 struct err **errp)
{
	uint8_t random[32], time[8];
	if (!crypto_random(random, sizeof(random), errp))
		return false;
	bytes_store_le64(time, clock_now_ns());
	const struct span parts[] = {SPAN_OF(random), SPAN(place, PLACE_SIZE), SPAN_OF(time)};
	return crypto_hmac(repository_identity(repository)->secret, parts, ARRAY_LENGTH(parts), ret, errp);
}

bool dek_make(const struct repository *repository, const struct session_id *session, uint32_t seq,
	      uint8_t ret_dek[KEY_SIZE], uint8_t ret_keyslot[KEYSLOT_SIZE], struct err **errp)
{
	uint8_t epoch_public[PUBLIC_SIZE], ephemeral[HASH_SIZE], info[INFO_SIZE];
	const struct span label = SPAN_TEXT("eph");
	uint32_t epoch = repository_epoch_newest(repository, epoch_public);
	memset(ret_keyslot, 0, KEYSLOT_SIZE);
	store_place(session, seq, ret_keyslot);
	bytes_store_le32(ret_keyslot + PLACE_SIZE, epoch);
	ret_keyslot[PLACE_SIZE + 4] = KEM_X25519;
	store_info(repository, epoch, info);
	uint8_t *enc = ret_keyslot + KEYSLOT_SIZE - HPKE_SEALED_SIZE - HPKE_ENC_SIZE;
	bool done = draw(repository, ret_keyslot, ret_dek, errp) && crypto_hmac(ret_dek, &label, 1, ephemeral, errp) &&
		    hpke_seal(epoch_public, ephemeral, SPAN_OF(info), SPAN(ret_keyslot, PLACE_SIZE), ret_dek, enc,
			      enc + HPKE_ENC_SIZE, errp);
	crypto_wipe(ephemeral, sizeof(ephemeral));
	return done;
}

bool dek_open(const struct repository *repository, const uint8_t keyslot[KEYSLOT_SIZE], uint8_t ret_dek[KEY_SIZE],
	      struct err **errp)
{
	uint8_t secret[KEY_SIZE], info[INFO_SIZE];
	const uint8_t *kem = keyslot + PLACE_SIZE + 4, *enc = keyslot + KEYSLOT_SIZE - HPKE_SEALED_SIZE - HPKE_ENC_SIZE;
	uint32_t epoch = bytes_load_le32(keyslot + PLACE_SIZE);
	if (*kem != KEM_X25519 || !bytes_all_zero(kem + 1, (size_t)(enc - kem) - 1))
		return err_set(errp, ERR_CORRUPT, "a keyslot is of a kind that this program does not know");
	if (!repository_check_readable(repository, errp))
		return false;
	if (!repository_epoch_secret(repository, epoch, secret))
		return err_set(errp, ERR_DENIED, "this key was not given content epoch %" PRIu32, epoch);
	store_info(repository, epoch, info);
	bool opened =
		hpke_open(secret, enc, SPAN_OF(info), SPAN(keyslot, PLACE_SIZE), enc + HPKE_ENC_SIZE, ret_dek, errp);
	crypto_wipe(secret, sizeof(secret));
	return opened || err_prefix(errp, "keyslot of epoch %" PRIu32, epoch);
}

/* HKDF(K_meta, salt, label ‖ session16 ‖ u32 seq). */
static bool derive(const struct metadata_keys *keys, const uint8_t salt[32], struct span label,
		   const struct session_id *session, uint32_t seq, uint8_t ret[KEY_SIZE], struct err **errp)
{
	uint8_t info[32 + PLACE_SIZE];
	memcpy(info, label.data, label.len);
	store_place(session, seq, info + label.len);
	return crypto_hkdf(SPAN_OF(keys->meta), SPAN(salt, 32), SPAN(info, label.len + PLACE_SIZE), ret, KEY_SIZE,
			   errp);
}

bool dek_meta(const struct metadata_keys *keys, const uint8_t salt[32], const struct session_id *session, uint32_t seq,
	      uint8_t ret[KEY_SIZE], struct err **errp)
{
	return derive(keys, salt, SPAN_TEXT("salvor meta pack"), session, seq, ret, errp);
}

bool dek_footer(const struct metadata_keys *keys, const uint8_t salt[32], const struct session_id *session,
		uint32_t seq, uint8_t ret[KEY_SIZE], struct err **errp)
{
	return derive(keys, salt, SPAN_TEXT("salvor footer"), session, seq, ret, errp);
}

bool dek_nonce(const struct metadata_keys *keys, struct span label, struct span aad, struct span plain,
	       uint8_t ret[NONCE_SIZE], struct err **errp)
{
	uint8_t aad_len[8], hash[HASH_SIZE];
	bytes_store_le64(aad_len, aad.len);
	const struct span parts[] = {label, SPAN_OF(aad_len), aad, plain};
	if (!crypto_hmac(keys->nonce, parts, ARRAY_LENGTH(parts), hash, errp))
		return false;
	memcpy(ret, hash, NONCE_SIZE);
	return true;
}
