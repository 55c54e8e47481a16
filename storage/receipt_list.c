/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/receipt.h"

struct gathering {
	const struct repository *repository;
	struct receipt_list list;
	size_t capacity;
	char (*names)[OBJECT_NAME_SIZE]; /* of LIST v/ */
	size_t n_names, names_capacity;
};

static void gathering_release(struct gathering *gathering)
{
	receipt_list_release(&gathering->list);
	free(gathering->names);
}

static bool each_name(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct gathering *gathering = arg;

	(void)size;
	if (gathering->n_names == gathering->names_capacity) {
		size_t capacity = gathering->names_capacity ? gathering->names_capacity * 2 : 16;
		void *names = reallocarray(gathering->names, capacity, sizeof(*gathering->names));
		if (!names)
			return err_set_no_memory(errp);
		gathering->names = names;
		gathering->names_capacity = capacity;
	}
	snprintf(gathering->names[gathering->n_names++], OBJECT_NAME_SIZE, "%s", name);
	return true;
}

/* Damage is named and does not hide the rest; what went between LIST and GET is no damage. */
static bool name_damage(struct receipt_list *list, struct err **errp)
{
	if (err_is_of_run(err_code(*errp)) || err_code(*errp) == ERR_DENIED)
		return false;
	bool gone = err_code(*errp) == ERR_NOT_FOUND;
	char *text = gone ? NULL : strdup(err_message(*errp));
	err_clear(errp);
	if (gone)
		return true;
	char **damaged = text ? reallocarray(list->damaged, list->n_damaged + 1, sizeof(*damaged)) : NULL;
	if (!damaged) {
		free(text);
		return err_set_no_memory(errp);
	}
	list->damaged = damaged;
	damaged[list->n_damaged++] = text;
	return true;
}

static bool take(struct gathering *gathering, const char *name, struct err **errp)
{
	struct receipt_list *list = &gathering->list;

	if (list->n == gathering->capacity) {
		size_t capacity = gathering->capacity ? gathering->capacity * 2 : 16;
		struct receipt_entry *entries = reallocarray(list->entries, capacity, sizeof(*entries));
		if (!entries)
			return err_set_no_memory(errp);
		list->entries = entries;
		gathering->capacity = capacity;
	}
	struct receipt_entry *entry = &list->entries[list->n];
	*entry = (struct receipt_entry){0};
	if (!receipt_load_statement(gathering->repository, name, &entry->receipt, errp))
		return name_damage(list, errp);
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	list->n++;
	return true;
}

static int newest_first(const void *a, const void *b)
{
	const struct receipt_entry *left = a, *right = b;

	if (left->receipt.ended_ns != right->receipt.ended_ns)
		return left->receipt.ended_ns < right->receipt.ended_ns ? 1 : -1;
	return -strcmp(left->name, right->name);
}

static void store_prefix(const struct session_id *session, char prefix[OBJECT_NAME_SIZE])
{
	char text[SESSION_TEXT_SIZE];

	if (session)
		snprintf(prefix, OBJECT_NAME_SIZE, "v/%s/", session_id_text(session, text));
	else
		snprintf(prefix, OBJECT_NAME_SIZE, "v/");
}

bool receipt_list_load(const struct repository *repository, const struct session_id *session, struct receipt_list *ret,
		       struct err **errp)
{
	AUTO(gathering_release) struct gathering gathering = {.repository = repository};
	char prefix[OBJECT_NAME_SIZE];

	store_prefix(session, prefix);
	if (!repository_check_readable(repository, errp) ||
	    !backend_list(repository_backend(repository), prefix, each_name, &gathering, errp))
		return false;
	for (size_t i = 0; i < gathering.n_names; i++)
		if (!take(&gathering, gathering.names[i], errp))
			return false;
	if (gathering.list.n > 0)
		qsort(gathering.list.entries, gathering.list.n, sizeof(*gathering.list.entries), newest_first);
	*ret = gathering.list;
	gathering.list = (struct receipt_list){0};
	return true;
}

void receipt_list_release(struct receipt_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		receipt_release(&list->entries[i].receipt);
	for (size_t i = 0; i < list->n_damaged; i++)
		free(list->damaged[i]);
	free(list->entries);
	free(list->damaged);
	*list = (struct receipt_list){0};
}

bool receipt_sessions(const struct repository *repository, struct session_id **ret, size_t *ret_n, struct err **errp)
{
	AUTO(gathering_release) struct gathering gathering = {.repository = repository};
	struct session_id session;
	uint8_t id8[WRITER_SIZE];
	uint32_t number;
	size_t n = 0;

	if (!backend_list(repository_backend(repository), "v/", each_name, &gathering, errp))
		return false;
	AUTO(freep) struct session_id *sessions = calloc(gathering.n_names + 1, sizeof(*sessions));
	if (!sessions)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < gathering.n_names; i++)
		if (object_name_parse_receipt(gathering.names[i], &session, id8, &number) &&
		    (n == 0 || !session_id_equal(&sessions[n - 1], &session)))
			sessions[n++] = session;
	*ret = STEAL(&sessions);
	*ret_n = n;
	return true;
}
