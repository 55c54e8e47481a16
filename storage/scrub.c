/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/scrub.h"

#include <stdlib.h>
#include <string.h>

#include "storage/scrub_state.h"

#define FOOTER_CACHE (64u << 20)

const char *scrub_level_text(enum scrub_level level)
{
	static const char *const texts[] = {
		[SCRUB_SIZES] = "sizes", [SCRUB_DIGESTS] = "digests", [SCRUB_CONTENTS] = "contents"};

	return texts[level];
}

void scrub_count(struct scrub *scrub, uint64_t size)
{
	pthread_mutex_lock(&scrub->lock);
	scrub->report.objects++;
	scrub->report.bytes += size;
	pthread_mutex_unlock(&scrub->lock);
}

/* Packs may be many, and have a set. */
static bool has_pack(const struct scrub_cause *cause)
{
	return cause->seq != 0 && cause->seq < PACK_SET_SEQ_MAX;
}

static bool is_known(const struct scrub *scrub, const struct scrub_cause *cause, const char *object)
{
	const struct scrub_report *report = &scrub->report;

	if (has_pack(cause))
		return pack_set_has(&scrub->named, &cause->session, cause->seq);
	for (size_t i = 0; i < report->n_damaged; i++)
		if (strcmp(report->damaged[i].object, object) == 0)
			return true;
	return false;
}

static bool add_damage(struct scrub *scrub, const struct scrub_cause *cause, const char *object, const char *reason)
{
	struct scrub_report *report = &scrub->report;
	size_t n = report->n_damaged;
	struct scrub_damage *damaged = reallocarray(report->damaged, n + 1, sizeof(*damaged));

	if (damaged)
		report->damaged = damaged;
	struct scrub_cause *causes = damaged ? reallocarray(scrub->causes, n + 1, sizeof(*causes)) : NULL;
	if (!causes)
		return false;
	scrub->causes = causes;
	causes[n] = *cause;
	damaged[n] = (struct scrub_damage){.object = strdup(object), .reason = strdup(reason), .level = cause->level};
	report->n_damaged++;
	return damaged[n].object && damaged[n].reason;
}

static bool name_damage(struct scrub *scrub, const struct scrub_cause *cause, const char *object, const char *reason,
			struct err **errp)
{
	if (has_pack(cause) && !pack_set_add(&scrub->named, &cause->session, cause->seq, errp))
		return false;
	return add_damage(scrub, cause, object, reason) || err_set_no_memory(errp);
}

bool scrub_damaged(struct scrub *scrub, const struct scrub_cause *cause, const char *object, const char *reason,
		   struct err **errp)
{
	pthread_mutex_lock(&scrub->lock);
	bool ok = is_known(scrub, cause, object) || name_damage(scrub, cause, object, reason, errp);
	pthread_mutex_unlock(&scrub->lock);
	return ok;
}

bool scrub_take_error(struct scrub *scrub, const struct scrub_cause *cause, const char *object, struct err **errp)
{
	if (err_is_of_run(err_code(*errp)) || err_code(*errp) == ERR_DENIED)
		return false;
	AUTO(err_freep) struct err *error = NULL;
	err_move(&error, errp);
	return scrub_damaged(scrub, cause, object, err_message(error), errp);
}

bool scrub_take_pack_error(struct scrub *scrub, enum scrub_level level, enum pack_class cls, const struct locator *at,
			   struct err **errp)
{
	struct scrub_cause cause = {.session = at->session, .seq = at->seq, .level = level};
	char name[OBJECT_NAME_SIZE];

	return scrub_take_error(scrub, &cause, object_name_pack(cls, &at->session, at->seq, name), errp);
}

bool scrub_is_named(struct scrub *scrub, const struct locator *at)
{
	pthread_mutex_lock(&scrub->lock);
	bool named = pack_set_has(&scrub->named, &at->session, at->seq);
	pthread_mutex_unlock(&scrub->lock);
	return named;
}

bool scrub_go_on(const struct scrub *scrub, struct err **errp)
{
	return !scrub->options->cancel || cancel_check(scrub->options->cancel, errp);
}

bool scrub_counts(const struct scrub *scrub, const struct session_id *session)
{
	const struct keyring_member *writer = keyring_find(repository_keyring(scrub->repository), session->writer);

	return !(writer && session->number >= writer->revoked_from) && collection_stands(&scrub->collection, session);
}

static int compare_packs(const void *a, const void *b)
{
	const struct scrub_pack *left = a, *right = b;
	int order = session_id_compare(&left->session, &right->session);

	return order != 0 ? order : (left->listed.seq > right->listed.seq) - (left->listed.seq < right->listed.seq);
}

struct scrub_pack *scrub_find_pack(struct scrub *scrub, const struct session_id *session, uint32_t seq)
{
	struct scrub_pack key = {.session = *session, .listed.seq = seq};

	return scrub->n_packs ? bsearch(&key, scrub->packs, scrub->n_packs, sizeof(key), compare_packs) : NULL;
}

static bool look(struct scrub *scrub, struct err **errp)
{
	bool damaged; /* `status` says so */

	if (!heads_load(repository_state_path(scrub->repository), &scrub->heads, &damaged, errp) ||
	    !scrub_find_commits(scrub, errp) || !scrub_signed(scrub, errp))
		return false;
	if (scrub->n_packs > 0)
		qsort(scrub->packs, scrub->n_packs, sizeof(*scrub->packs), compare_packs);
	return scrub_packs(scrub, errp) && scrub_commits(scrub, errp) && scrub_lost(scrub, errp) &&
	       scrub_unlisted(scrub, errp) && scrub_judge_points(scrub, errp);
}

/* What was found sound stays remembered when the pass is broken off; the reason for that is what is told. */
static bool run(struct scrub *scrub, struct err **errp)
{
	AUTO(err_freep) struct err *second = NULL;

	if (scrub->options->level == SCRUB_CONTENTS && !repository_check_readable(scrub->repository, errp))
		return false;
	scrub->reader = pack_reader_new(scrub->repository, FOOTER_CACHE, errp);
	if (!scrub->reader || !scrub_memory_open(scrub, errp))
		return false;
	bool over = look(scrub, errp);
	bool closed = scrub_memory_close(scrub, over, over ? errp : &second);
	return over && closed;
}

bool scrub_run(struct repository *repository, const struct scrub_options *options, struct scrub_report *ret,
	       struct err **errp)
{
	struct scrub scrub = {.repository = repository, .options = options};

	pthread_mutex_init(&scrub.lock, NULL);
	bool ok = run(&scrub, errp);
	if (ok)
		*ret = scrub.report;
	else
		scrub_report_release(&scrub.report);
	pack_reader_free(scrub.reader);
	collection_release(&scrub.collection);
	pack_set_release(&scrub.present);
	pack_set_release(&scrub.named);
	pack_set_release(&scrub.unlisted);
	pack_set_release(&scrub.listless);
	pack_memory_release(&scrub.memory);
	heads_release(&scrub.heads);
	lineage_release(&scrub.lineage);
	free(scrub.commits);
	free(scrub.packs);
	free(scrub.causes);
	pthread_mutex_destroy(&scrub.lock);
	return ok;
}

void scrub_report_release(struct scrub_report *report)
{
	for (size_t i = 0; i < report->n_damaged; i++) {
		free(report->damaged[i].object);
		free(report->damaged[i].reason);
		free(report->damaged[i].points);
		free(report->damaged[i].lost);
	}
	free(report->damaged);
	free(report->hurt);
	free(report->whole);
	free(report->unkept);
	*report = (struct scrub_report){0};
}
