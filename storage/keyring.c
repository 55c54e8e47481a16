/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/keyring.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

static void keys_free(struct keyring_key *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(keys[i].grants);
	free(keys);
}

void keyring_release(struct keyring *keyring)
{
	free(keyring->members);
	keys_free(keyring->epochs, keyring->n_epochs);
	keys_free(keyring->metadata, keyring->n_metadata);
	*keyring = (struct keyring){0};
}

static bool has_control_character(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

bool keyring_check_name(const char *name, struct err **errp)
{
	size_t len = strlen(name);
	if (len < 1 || len > KEYRING_NAME_MAX)
		return err_set(errp, ERR_USAGE, "the name of a key has 1 to %d bytes", KEYRING_NAME_MAX);
	if (!utf8_is_text(SPAN(name, len)) || has_control_character(name))
		return err_set(errp, ERR_USAGE, "the name of a key is text, without control characters");
	return true;
}

void keyring_member_init(struct keyring_member *member, const struct identity *identity, const char *name,
			 unsigned roles)
{
	*member = (struct keyring_member){.roles = roles, .revoked_from = KEYRING_NOT_REVOKED};
	memcpy(member->sign_public, identity->sign_public, PUBLIC_SIZE);
	memcpy(member->seal_public, identity->seal_public, PUBLIC_SIZE);
	memcpy(member->id8, identity->id8, WRITER_SIZE);
	memcpy(member->name, name, strlen(name) + 1);
}

const struct keyring_member *keyring_find(const struct keyring *keyring, const uint8_t id8[WRITER_SIZE])
{
	for (size_t i = 0; i < keyring->n_members; i++)
		if (memcmp(keyring->members[i].id8, id8, WRITER_SIZE) == 0)
			return &keyring->members[i];
	return NULL;
}

const struct keyring_member *keyring_find_name(const struct keyring *keyring, const char *name)
{
	for (size_t i = 0; i < keyring->n_members; i++)
		if (strcmp(keyring->members[i].name, name) == 0)
			return &keyring->members[i];
	return NULL;
}

bool keyring_allows(const struct keyring *keyring, const uint8_t id8[WRITER_SIZE], enum role role, uint64_t number)
{
	const struct keyring_member *member = keyring_find(keyring, id8);
	if (!member || !(member->roles & role))
		return false;
	return member->revoked_from == KEYRING_NOT_REVOKED || (number > 0 && number < member->revoked_from);
}
