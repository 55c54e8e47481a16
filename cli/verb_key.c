/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/hex.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/table.h"

enum { ROLES_TEXT_SIZE = 64, ID8_TEXT_SIZE = 2 * WRITER_SIZE + 1 };

static const enum role all_roles[] = {ROLE_ADMIN, ROLE_WRITE, ROLE_READ, ROLE_COLLECT, ROLE_SOURCE};

static struct json *roles_to_json(unsigned roles)
{
	char text[ROLES_TEXT_SIZE];
	struct json *array = json_new_array();
	for (size_t i = 0; i < ARRAY_LENGTH(all_roles); i++)
		if (roles & all_roles[i])
			json_append(array, json_new_text(role_text(all_roles[i], text)));
	return array;
}

static bool is_revoked(const struct keyring_member *member)
{
	return member->revoked_from != KEYRING_NOT_REVOKED;
}

static struct json *member_to_json(const struct keyring_member *member)
{
	char id[ID8_TEXT_SIZE];
	struct json *json = json_new_object();
	json_set(json, "name", json_new_text(member->name));
	json_set(json, "id", json_new_text(hex_encode(member->id8, WRITER_SIZE, id)));
	json_set(json, "roles", roles_to_json(member->roles));
	json_set(json, "revoked", json_new_bool(is_revoked(member)));
	return json;
}

static struct json *list_to_json(const struct keyring *keyring)
{
	struct json *json = json_new_object(), *keys = json_new_array();
	for (size_t i = 0; i < keyring->n_members; i++)
		json_append(keys, member_to_json(&keyring->members[i]));
	json_set(json, "keys", keys);
	return json;
}

static bool print_list(const struct keyring *keyring, struct err **errp)
{
	static const char *const heads[] = {"NAME", "ROLES", "ID", "REVOKED"};
	AUTO(table_release) struct table table;
	table_init(&table, heads, ARRAY_LENGTH(heads));
	for (size_t i = 0; i < keyring->n_members; i++) {
		char roles[ROLES_TEXT_SIZE], id[ID8_TEXT_SIZE];
		const struct keyring_member *member = &keyring->members[i];
		table_cell(&table, "%s", member->name);
		table_cell(&table, "%s", role_text(member->roles, roles));
		table_cell(&table, "%s", hex_encode(member->id8, WRITER_SIZE, id));
		table_cell(&table, "%s", is_revoked(member) ? "yes" : "no");
	}
	return table_print(&table, errp);
}

static bool list(struct context *context, struct err **errp)
{
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_CHECK, errp);
	if (!repository)
		return false;
	const struct keyring *keyring = repository_keyring(repository);
	return context->options.json ? report_json(context, list_to_json(keyring), errp) : print_list(keyring, errp);
}

static bool report_added(struct context *context, unsigned roles, struct err **errp)
{
	const struct options *options = &context->options;
	char text[ROLES_TEXT_SIZE];
	if (context->options.json) {
		struct json *json = json_new_object();
		json_set(json, "name", json_new_text(options->name));
		json_set(json, "roles", roles_to_json(roles));
		json_set(json, "file", json_new_text(options->out));
		return report_json(context, json, errp);
	}
	printf("The key of %s is in %s; it may %s.\n"
	       "Move it to that host, and name it there with --key, SALVOR_KEY_FILE, or key_file in the "
	       "configuration.\n",
	       options->name, options->out, role_text(roles, text));
	return true;
}

static bool add(struct context *context, struct err **errp)
{
	const struct options *options = &context->options;
	unsigned roles;
	if (!options->name || !options->out)
		return err_set(errp, ERR_USAGE, "'key add' needs --name NAME and --out FILE");
	if (!role_parse(options->role ? options->role : "write", &roles, errp))
		return false;
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_CHECK, errp);
	return repository && repository_add_key(repository, options->name, roles, options->out, errp) &&
	       report_added(context, roles, errp);
}

bool run_key(struct context *context, struct err **errp)
{
	const struct options *options = &context->options;
	const char *what = options->operands.items[0];
	if (strcmp(what, "add") == 0)
		return add(context, errp);
	if (strcmp(what, "list") != 0)
		return err_set(errp, ERR_USAGE, "'key %s' is neither 'key add' nor 'key list'", what);
	if (options->name || options->role || options->out)
		return err_set(errp, ERR_USAGE, "'key list' takes none of --name, --role and --out");
	return list(context, errp);
}
