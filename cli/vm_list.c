/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/vm.h"
#include "cli/words.h"
#include "hypervisor/thin/machine_config.h"

#define MIB (UINT64_C(1) << 20)

/* For all that do not answer; and for one more of them. */
enum { PATIENCE_MS = 2000, LEAST_PATIENCE_MS = 200 };

static const char *const state_words[] = {
	[THIN_STOPPED] = "stopped", [THIN_RUNNING] = "running", [THIN_PAUSED] = "paused", [THIN_SILENT] = "silent"};

/* All machines. One whose folder is refused has no more than its name, and the reason; one whose configuration is
 * wrong has all that does not come from there. */
struct entry {
	struct thin_machine machine;
	struct thin_look look;
	char *name, *reason;
	const char *state;
};

struct list {
	struct entry *entries;
	size_t n;
	char **names;
	size_t n_names;
};

static void entry_release(struct entry *entry)
{
	thin_machine_release(&entry->machine);
	free(entry->look.reason);
	free(entry->reason);
	*entry = (struct entry){0};
}

static void list_release(struct list *list)
{
	for (size_t i = 0; i < list->n; i++)
		entry_release(&list->entries[i]);
	for (size_t i = 0; i < list->n_names; i++)
		free(list->names[i]);
	free(list->entries);
	free(list->names);
}

/* Behind those that are there. */
static bool take_reason(struct entry *entry, const char *reason, struct err **errp)
{
	AUTO(freep) char *before = entry->reason;
	entry->reason = before ? file_format("%s; %s", before, reason) : strdup(reason);
	return entry->reason || err_set_no_memory(errp);
}

/* Its state; ERR_NOT_FOUND where it was deleted meanwhile. */
static bool look(const char *state_dir, uint64_t until, struct entry *entry, struct err **errp)
{
	uint64_t least = thin_machine_until(LEAST_PATIENCE_MS);
	if (!thin_machine_find(state_dir, entry->name, &entry->machine, errp) ||
	    !thin_machine_look(&entry->machine, until > least ? until : least, &entry->look, errp))
		return false;
	entry->state = state_words[entry->look.state];
	return true;
}

static bool load_entry(const char *state_dir, uint64_t until, struct entry *entry, struct err **errp)
{
	AUTO(err_freep) struct err *err = NULL;
	entry->state = "unknown";
	if (!look(state_dir, until, entry, &err))
		return err_code(err) == ERR_NOT_FOUND ? err_move(errp, &err)
						      : take_reason(entry, err_message(err), errp);
	if (!thin_machine_read(&entry->machine, &err) && !take_reason(entry, err_message(err), errp))
		return false;
	vm_reword(&entry->machine, &entry->look);
	return !entry->look.reason || take_reason(entry, entry->look.reason, errp);
}

static bool load(const char *state_dir, struct list *list, struct err **errp)
{
	if (!thin_machine_names(state_dir, &list->names, &list->n_names, errp))
		return false;
	list->entries = calloc(list->n_names + 1, sizeof(*list->entries));
	if (!list->entries)
		return err_set_no_memory(errp);
	uint64_t until = thin_machine_until(PATIENCE_MS);
	for (size_t i = 0; i < list->n_names; i++) {
		struct entry *entry = &list->entries[list->n];
		entry->name = list->names[i];
		if (load_entry(state_dir, until, entry, errp)) {
			list->n++;
			continue;
		}
		entry_release(entry);
		if (err_code(*errp) != ERR_NOT_FOUND)
			return false;
		err_clear(errp);
	}
	return true;
}

/* ---- as JSON ---- */

static struct json *disks_to_json(const struct machine_config *config)
{
	struct json *disks = json_new_array();
	for (size_t i = 0; i < config->n_disks; i++) {
		struct json *disk = json_new_object();
		json_set(disk, "name", json_new_text(config->disks[i].name));
		json_set(disk, "path", json_new_text(config->disks[i].path));
		json_append(disks, disk);
	}
	return disks;
}

static struct json *entry_to_json(const struct entry *entry)
{
	struct json *json = json_new_object();
	const struct machine_config *config = entry->machine.config;
	json_set(json, "name", json_new_text(entry->name));
	json_set(json, "state", json_new_text(entry->state));
	json_set(json, "reason", json_new_text(entry->reason));
	json_set(json, "pid", entry->look.pid ? json_new_number((uint64_t)entry->look.pid) : json_new_null());
	json_set(json, "folder", json_new_text(entry->machine.folder));
	json_set(json, "point", json_new_text(entry->machine.point));
	json_set(json, "repository", json_new_text(entry->machine.repository));
	if (!config)
		return json;
	json_set(json, "memory", json_new_number(config->memory));
	json_set(json, "vcpus", json_new_number(config->vcpus));
	json_set(json, "disks", disks_to_json(config));
	return json;
}

static struct json *list_to_json(const struct list *list)
{
	struct json *json = json_new_object(), *machines = json_new_array();
	for (size_t i = 0; i < list->n; i++)
		json_append(machines, entry_to_json(&list->entries[i]));
	json_set(json, "machines", machines);
	return json;
}

/* ---- for people ---- */

static void add_row(struct table *table, struct entry *entry)
{
	const struct machine_config *config = entry->machine.config;
	table_cell(table, "%s", entry->name);
	table_cell(table, "%s", entry->state);
	if (config) {
		table_cell(table, "%" PRIu64 " MiB", config->memory / MIB);
		table_cell(table, "%u", config->vcpus);
	} else {
		table_cell(table, "-");
		table_cell(table, "-");
	}
	table_cell(table, "%s", entry->machine.point_text ? entry->machine.point_text : "-");
	table_cell(table, "%s", entry->reason ? words_make_printable(entry->reason) : "");
}

static bool print(struct list *list, struct err **errp)
{
	static const char *const heads[] = {"NAME", "STATE", ">MEMORY", ">VCPUS", "FROM", "REASON"};
	AUTO(table_release) struct table table;
	table_init(&table, heads, ARRAY_LENGTH(heads));
	for (size_t i = 0; i < list->n; i++)
		add_row(&table, &list->entries[i]);
	if (list->n == 0)
		printf("There are no machines; 'salvor vm create' makes one.\n");
	return table_print(&table, errp);
}

bool vm_list(struct context *context, const struct thin_machine *machine, struct err **errp)
{
	AUTO(list_release) struct list list = {0};
	(void)machine;
	if (!load(context->state_dir, &list, errp))
		return false;
	return context->options.json ? report_json(context, list_to_json(&list), errp) : print(&list, errp);
}
