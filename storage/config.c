/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/config.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "storage/checksum.h"
#include "storage/repository.h"

#define MAGIC "SLVRCONF"

enum {
	MAGIC_SIZE = 8,
	CHECKED_SIZE = CONFIG_SIZE - HASH_SIZE,
	PACK_TARGET = 33554432,
	PACK_TARGET_MAX = 64 << 20,
	PACK_ENTRIES = 16384,
	PACK_ENTRIES_MAX = 65535,
};

/* SHA-256, AES-256-GCM, X25519, zstd. */
static const uint8_t algorithms[4] = {1, 1, 1, 1};

static bool sha256_of(const void *data, size_t len, uint8_t ret[HASH_SIZE], struct err **errp)
{
	const struct span part = SPAN(data, len);
	return crypto_sha256(&part, 1, ret, errp);
}

bool config_make(enum create_once rule, struct config *ret, uint8_t ret_object[CONFIG_SIZE], struct err **errp)
{
	struct config config = {.min_reader = FORMAT_VERSION,
				.min_writer = FORMAT_VERSION,
				.create_once = rule,
				.pack_target = PACK_TARGET,
				.pack_entries = PACK_ENTRIES,
				.created_ns = clock_now_ns()};
	if (!crypto_random(config.domain, DOMAIN_SIZE, errp) || !crypto_random(config.store, DOMAIN_SIZE, errp))
		return false;
	memset(ret_object, 0, CONFIG_SIZE);
	memcpy(ret_object, MAGIC, MAGIC_SIZE);
	bytes_store_le16(ret_object + 8, FORMAT_VERSION);
	bytes_store_le16(ret_object + 10, config.min_reader);
	bytes_store_le16(ret_object + 12, config.min_writer);
	bytes_store_le16(ret_object + 14, (uint16_t)config.create_once);
	memcpy(ret_object + 16, config.domain, DOMAIN_SIZE);
	memcpy(ret_object + 32, config.store, DOMAIN_SIZE);
	memcpy(ret_object + 48, algorithms, sizeof(algorithms));
	bytes_store_le32(ret_object + 52, config.pack_target);
	bytes_store_le32(ret_object + 56, config.pack_entries);
	bytes_store_le64(ret_object + 64, config.created_ns);
	if (!sha256_of(ret_object, CHECKED_SIZE, ret_object + CHECKED_SIZE, errp) ||
	    !sha256_of(ret_object, CONFIG_SIZE, config.hash, errp))
		return false;
	*ret = config;
	return true;
}

bool config_is_one(struct span object)
{
	return object.len >= MAGIC_SIZE && memcmp(object.data, MAGIC, MAGIC_SIZE) == 0;
}

/* The last bytes keep their meaning in every version, so that damage is not taken for a newer format. */
static bool check_sum(struct span object, struct err **errp)
{
	struct span body;
	bool holds;
	if (object.len <= HASH_SIZE)
		return err_set(errp, ERR_CORRUPT, "it is cut off");
	return checksum_split(object, &body, &holds, errp) &&
	       (holds || err_set(errp, ERR_CORRUPT, "its checksum does not match"));
}

/* The first 16 bytes, which keep their meaning in every version. */
static bool parse_versions(struct cursor *cursor, struct config *config, struct err **errp)
{
	cursor_take(cursor, MAGIC_SIZE);
	uint16_t version = cursor_u16(cursor);
	config->min_reader = cursor_u16(cursor);
	config->min_writer = cursor_u16(cursor);
	uint16_t create_once = cursor_u16(cursor);
	if (!cursor_ok(cursor))
		return err_set(errp, ERR_CORRUPT, "it is cut off");
	if (config->min_reader > FORMAT_VERSION)
		return err_set(errp, ERR_UNSUPPORTED,
			       "it asks for a reader of format %u, and this one knows format %d: use a newer salvor",
			       config->min_reader, FORMAT_VERSION);
	if (version < 1 || config->min_reader < 1 || config->min_writer < 1 || create_once > CREATE_ONCE_ALONE)
		return err_set(errp, ERR_CORRUPT, "its versions make no sense");
	config->create_once = create_once;
	return true;
}

static bool parse_rest(struct cursor *cursor, struct config *config)
{
	uint8_t found[sizeof(algorithms)];
	cursor_copy(cursor, config->domain, DOMAIN_SIZE);
	cursor_copy(cursor, config->store, DOMAIN_SIZE);
	cursor_copy(cursor, found, sizeof(found));
	config->pack_target = cursor_u32(cursor);
	config->pack_entries = cursor_u32(cursor);
	uint32_t reserved = cursor_u32(cursor);
	config->created_ns = cursor_u64(cursor);
	cursor_take(cursor, HASH_SIZE);
	return cursor_done(cursor) && memcmp(found, algorithms, sizeof(found)) == 0 && reserved == 0 &&
	       config->pack_target >= 1 && config->pack_target <= PACK_TARGET_MAX && config->pack_entries >= 1 &&
	       config->pack_entries <= PACK_ENTRIES_MAX;
}

bool config_parse(struct span object, struct config *ret, struct err **errp)
{
	struct cursor cursor;
	struct config config = {0};
	if (!config_is_one(object))
		return err_set(errp, ERR_CORRUPT, "it is not the configuration of a repository");
	cursor_init(&cursor, object);
	if (!check_sum(object, errp) || !parse_versions(&cursor, &config, errp))
		return false;
	if (object.len != CONFIG_SIZE)
		return err_set(errp, ERR_CORRUPT, "it has %zu bytes where it must have %d", object.len, CONFIG_SIZE);
	if (!sha256_of(object.data, CONFIG_SIZE, config.hash, errp))
		return false;
	if (!parse_rest(&cursor, &config))
		return err_set(errp, ERR_CORRUPT, "it has a value that format %d does not know", FORMAT_VERSION);
	*ret = config;
	return true;
}
