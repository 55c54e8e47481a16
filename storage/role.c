/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "storage/identity.h"

static const struct {
	const char *word;
	enum role role;
} roles_known[] = {
	{"admin", ROLE_ADMIN},	   {"write", ROLE_WRITE},   {"read", ROLE_READ},
	{"collect", ROLE_COLLECT}, {"source", ROLE_SOURCE},
};

static unsigned role_of(const char *word, size_t len)
{
	for (size_t i = 0; i < ARRAY_LENGTH(roles_known); i++)
		if (strlen(roles_known[i].word) == len && memcmp(roles_known[i].word, word, len) == 0)
			return roles_known[i].role;
	return 0;
}

bool role_parse(const char *text, unsigned *ret_roles, struct err **errp)
{
	unsigned roles = 0;
	for (const char *word = text;; word++) {
		size_t len = strcspn(word, ",");
		unsigned role = role_of(word, len);
		if (!role)
			return err_set(errp, ERR_USAGE, "'%.*s' is not a role: admin, write, read, collect, source",
				       (int)len, word);
		roles |= role;
		word += len;
		if (!*word)
			break;
	}
	*ret_roles = roles;
	return true;
}

char *role_text(unsigned roles, char *text)
{
	char *at = text;
	*at = '\0';
	for (size_t i = 0; i < ARRAY_LENGTH(roles_known); i++) {
		if (!(roles & roles_known[i].role))
			continue;
		if (at != text)
			*at++ = ',';
		size_t len = strlen(roles_known[i].word);
		memcpy(at, roles_known[i].word, len + 1);
		at += len;
	}
	return text;
}
