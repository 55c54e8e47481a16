/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/restore_next.h"

#include <ctype.h>
#include <string.h>

#include "base/err.h"
#include "cli/known.h"
#include "cli/report.h"

/* ---- which point ---- */

struct choice {
	const struct repository *repository;
	const struct point *damaged; /* that was restored */
	const struct cancel *cancel;
	struct pack_set packs; /* that are damaged, as far as the restore went */
	struct point_list list;
	struct known known;
	bool failed_too; /* also those that failed their verification */
};

static void choice_release(struct choice *choice)
{
	pack_set_release(&choice->packs);
	known_release(&choice->known);
	point_list_release(&choice->list);
}

static bool gather_packs(const struct restore_result *result, struct pack_set *ret, struct err **errp)
{
	for (size_t i = 0; i < result->n; i++) {
		const struct image_damage *damage = &result->files[i].damage;
		for (size_t k = 0; k < damage->n; k++) {
			const char *object = damage->ranges[k].object;
			struct session_id session;
			enum pack_class cls;
			uint32_t seq;
			if (object && object_name_parse_pack(object, &cls, &session, &seq) &&
			    !pack_set_add(ret, &session, seq, errp))
				return false;
		}
	}
	return true;
}

static bool is_candidate(void *arg, size_t i)
{
	const struct choice *choice = arg;
	const struct point *point = &choice->list.points[i];
	return memcmp(point->id, choice->damaged->id, POINT_ID_SIZE) != 0 && !known_hurt(&choice->known, point) &&
	       (choice->failed_too || !known_failed(&choice->known, i));
}

/* *ret is the length of the list when there is none. */
static bool choose(struct choice *choice, size_t *ret, struct err **errp)
{
	for (;;) {
		if (!point_find_without(choice->repository, &choice->list, &choice->packs, choice->cancel, is_candidate,
					choice, ret, errp))
			return false;
		if (*ret < choice->list.n || choice->failed_too)
			return true;
		choice->failed_too = true;
	}
}

/* ---- how it is said ---- */

/* As a shell takes it. */
static void print_word(FILE *text, const char *word)
{
	bool plain = *word != '\0';
	for (const char *c = word; *c; c++)
		plain = plain && (isalnum((unsigned char)*c) || strchr("_-./=:@%+,", *c));
	if (plain) {
		fputs(word, text);
		return;
	}
	fputc('"', text);
	for (const char *c = word; *c; c++) {
		if (strchr("\"\\$`", *c))
			fputc('\\', text);
		fputc(*c, text);
	}
	fputc('"', text);
}

static void print_option(FILE *text, const char *name, const char *value)
{
	if (!value)
		return;
	fprintf(text, " --%s ", name);
	print_word(text, value);
}

/* What this restore left where the next one is to write. */
static bool needs_force(const struct restore_result *result, const struct options *options)
{
	bool left = options->force || options->disks.n > 0;
	for (size_t i = 0; i < result->n; i++)
		left = left || result->files[i].made || restored_file_is_whole(&result->files[i]);
	return left;
}

static void print_command(FILE *text, const struct point *point, const struct restore_result *result,
			  const struct options *options)
{
	char id[POINT_ID_TEXT_SIZE];
	fprintf(text, "'salvor restore %.*s", POINT_ID_SHORT, point_id_text(point->id, id));
	print_option(text, "repo", options->repo);
	print_option(text, "key", options->key);
	print_option(text, "to", options->to);
	for (size_t i = 0; i < options->disks.n; i++)
		print_option(text, "disk", options->disks.items[i]);
	print_option(text, "format", options->format);
	fprintf(text, "%s'", needs_force(result, options) ? " --force" : "");
}

static const char *verified_clause(const struct choice *choice, size_t i)
{
	if (known_passed(&choice->known, i))
		return ", and that passed its verification";
	return known_failed(&choice->known, i) ? ", although it failed its verification" : "";
}

static void print_choice(FILE *text, const struct choice *choice, size_t i, const struct restore_result *result,
			 const struct options *options)
{
	if (i == choice->list.n) {
		fputs("; there is no other point of it that is not known to be hurt", text);
		return;
	}
	const struct point *point = &choice->list.points[i];
	AUTO(freep) char *name = point_name_text(point);
	fputs("; next, ", text);
	print_command(text, point, result, options);
	fprintf(text, " brings back %s, the newest other point of it that is not known to be hurt%s",
		name ? name : "a point", verified_clause(choice, i));
}

void restore_next_print(FILE *text, const struct repository *repository, const struct point *point,
			const struct restore_result *result, const struct context *context)
{
	AUTO(err_freep) struct err *ignored = NULL;
	AUTO(choice_release)
	struct choice choice = {.repository = repository, .damaged = point, .cancel = &context->cancel};
	size_t i;
	if (gather_packs(result, &choice.packs, &ignored) &&
	    point_list_load(repository, point->workload, &choice.list, &ignored) &&
	    known_load(repository, &choice.list, &choice.known, &ignored) && choose(&choice, &i, &ignored))
		print_choice(text, &choice, i, result, &context->options);
}
