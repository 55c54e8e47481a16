/* SPDX-License-Identifier: Apache-2.0 */
/* By sorting: a keyring may have 4,096 members and many grants for each, and be made by somebody who wants to see us
 * busy. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/keyring_internal.h"

typedef uint8_t id8_array[WRITER_SIZE];

static int compare_id8(const void *a, const void *b)
{
	return memcmp(a, b, WRITER_SIZE);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts; true when none is there twice. */
static bool sort_ids(id8_array *ids, size_t n)
{
	qsort(ids, n, sizeof(*ids), compare_id8);
	for (size_t i = 1; i < n; i++)
		if (compare_id8(ids[i - 1], ids[i]) == 0)
			return false;
	return true;
}

static bool names_are_unique(const char **names, size_t n)
{
	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 1; i < n; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			return false;
	return true;
}

static bool check_grants(const struct keyring_key *key, const id8_array *members, size_t n_members, id8_array *scratch)
{
	if (key->n_grants > n_members)
		return false;
	for (size_t i = 0; i < key->n_grants; i++) {
		if (!bsearch(key->grants[i].id8, members, n_members, sizeof(*members), compare_id8))
			return false;
		memcpy(scratch[i], key->grants[i].id8, WRITER_SIZE);
	}
	return sort_ids(scratch, key->n_grants);
}

static bool check_all_grants(const struct keyring_key *keys, size_t n, const id8_array *members, size_t n_members,
			     id8_array *scratch)
{
	for (size_t i = 0; i < n; i++)
		if (!check_grants(&keys[i], members, n_members, scratch))
			return false;
	return true;
}

bool keyring_check_unique(const struct keyring *keyring, struct err **errp)
{
	size_t n = keyring->n_members;
	AUTO(freep) const char **names = calloc(n, sizeof(*names));
	AUTO(freep) id8_array *ids = calloc(n, sizeof(*ids));
	AUTO(freep) id8_array *scratch = calloc(n, sizeof(*scratch));
	if (!names || !ids || !scratch)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < n; i++) {
		names[i] = keyring->members[i].name;
		memcpy(ids[i], keyring->members[i].id8, WRITER_SIZE);
	}
	if (!sort_ids(ids, n) || !names_are_unique(names, n))
		return err_set(errp, ERR_CORRUPT, "two of its members have one name or one id");
	if (!check_all_grants(keyring->epochs, keyring->n_epochs, ids, n, scratch) ||
	    !check_all_grants(keyring->metadata, keyring->n_metadata, ids, n, scratch))
		return err_set(errp, ERR_CORRUPT, "a key is granted twice to a member, or to somebody who is none");
	return true;
}
