/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/slot.h"

#include <string.h>

#include "base/err.h"

#define MAGIC "SLVRSLOT"

enum {
	MAGIC_SIZE = 8,
	VERSION = 1,
	MASKED_AT = 60,
	MAC_AT = MASKED_AT + MATERIAL_SIZE,
	CHECK_AT = MAC_AT + HASH_SIZE,
	DERIVED_SIZE = MATERIAL_SIZE + KEY_SIZE, /* mask, then the key of the mac */
	USUAL_N = 1 << 17,
	USUAL_R = 8,
	USUAL_P = 1,
	P_MAX = 64, /* time is not bounded by memory */
};

_Static_assert(CHECK_AT + HASH_SIZE == SLOT_SIZE, "a slot ends in its checksum");

static void mask(uint8_t to[MATERIAL_SIZE], const uint8_t from[MATERIAL_SIZE], const uint8_t with[MATERIAL_SIZE])
{
	for (size_t i = 0; i < MATERIAL_SIZE; i++)
		to[i] = from[i] ^ with[i];
}

static bool mac_of(const uint8_t *object, const uint8_t derived[DERIVED_SIZE], uint8_t ret[HASH_SIZE],
		   struct err **errp)
{
	const struct span part = SPAN(object, MAC_AT);
	return crypto_hmac(derived + MATERIAL_SIZE, &part, 1, ret, errp);
}

static bool checksum(const uint8_t *object, uint8_t ret[HASH_SIZE], struct err **errp)
{
	const struct span part = SPAN(object, CHECK_AT);
	return crypto_sha256(&part, 1, ret, errp);
}

bool slot_make(struct span passphrase, const uint8_t material[MATERIAL_SIZE], uint8_t ret_object[SLOT_SIZE],
	       struct err **errp)
{
	uint8_t salt[SLOT_SALT_SIZE], derived[DERIVED_SIZE];
	if (!crypto_random(salt, sizeof(salt), errp) ||
	    !crypto_scrypt(passphrase, SPAN_OF(salt), USUAL_N, USUAL_R, USUAL_P, derived, sizeof(derived), errp))
		return false;
	memset(ret_object, 0, SLOT_SIZE);
	memcpy(ret_object, MAGIC, MAGIC_SIZE);
	bytes_store_le16(ret_object + 8, VERSION);
	memcpy(ret_object + 12, salt, sizeof(salt));
	bytes_store_le64(ret_object + 44, USUAL_N);
	bytes_store_le32(ret_object + 52, USUAL_R);
	bytes_store_le32(ret_object + 56, USUAL_P);
	mask(ret_object + MASKED_AT, material, derived);
	bool done = mac_of(ret_object, derived, ret_object + MAC_AT, errp) &&
		    checksum(ret_object, ret_object + CHECK_AT, errp);
	crypto_wipe(derived, sizeof(derived));
	return done;
}

static bool cost_is_allowed(const struct slot *slot)
{
	uint64_t memory;
	return slot->n >= 2 && (slot->n & (slot->n - 1)) == 0 && slot->r >= 1 && slot->p >= 1 && slot->p <= P_MAX &&
	       !__builtin_mul_overflow(slot->n, (uint64_t)slot->r * 128, &memory) && memory <= CRYPTO_SCRYPT_MAX_MEMORY;
}

bool slot_parse(struct span object, struct slot *ret, struct err **errp)
{
	uint8_t check[HASH_SIZE];
	if (object.len != SLOT_SIZE)
		return err_set(errp, ERR_CORRUPT, "it has %zu bytes where it must have %d", object.len, SLOT_SIZE);
	memcpy(ret->object, object.data, SLOT_SIZE);
	if (!checksum(ret->object, check, errp))
		return false;
	if (memcmp(check, ret->object + CHECK_AT, HASH_SIZE) != 0)
		return err_set(errp, ERR_CORRUPT, "its checksum does not match");
	struct cursor cursor;
	cursor_init(&cursor, object);
	struct span magic = cursor_take(&cursor, MAGIC_SIZE);
	uint16_t version = cursor_u16(&cursor), reserved = cursor_u16(&cursor);
	cursor_copy(&cursor, ret->salt, SLOT_SALT_SIZE);
	ret->n = cursor_u64(&cursor);
	ret->r = cursor_u32(&cursor);
	ret->p = cursor_u32(&cursor);
	if (memcmp(magic.data, MAGIC, MAGIC_SIZE) != 0 || version != VERSION || reserved != 0)
		return err_set(errp, ERR_CORRUPT, "it is not a passphrase slot that this program knows");
	if (!cost_is_allowed(ret))
		return err_set(errp, ERR_CORRUPT, "its scrypt numbers are outside of what a slot may ask for");
	return true;
}

bool slot_open(const struct slot *slot, struct span passphrase, uint8_t ret_material[MATERIAL_SIZE], struct err **errp)
{
	uint8_t derived[DERIVED_SIZE], mac[HASH_SIZE];
	if (!crypto_scrypt(passphrase, SPAN_OF(slot->salt), slot->n, slot->r, slot->p, derived, sizeof(derived), errp))
		return false;
	bool computed = mac_of(slot->object, derived, mac, errp);
	bool right = computed && bytes_equal_secret(mac, slot->object + MAC_AT, HASH_SIZE);
	if (right)
		mask(ret_material, slot->object + MASKED_AT, derived);
	crypto_wipe(derived, sizeof(derived));
	return right || (computed && err_set(errp, ERR_DENIED, "wrong passphrase"));
}
