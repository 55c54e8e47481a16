/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/lineage.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/registration.h"

struct lineage_point {
	struct session_id session;
	uint8_t id[POINT_ID_SIZE], parent[POINT_ID_SIZE];
	char workload[WORKLOAD_NAME_MAX + 1];
};

struct lineage_name {
	struct session_id session;
	uint8_t id[POINT_ID_SIZE];
	enum lineage_witness witness;
	uint64_t before_ns;
};

void lineage_release(struct lineage *lineage)
{
	free(lineage->points);
	free(lineage->names);
	*lineage = (struct lineage){0};
}

static bool add_name(struct lineage *lineage, const struct lineage_name *name, struct err **errp)
{
	if (lineage->n_names == lineage->names_capacity) {
		size_t capacity = lineage->names_capacity ? lineage->names_capacity * 2 : 64;
		struct lineage_name *names = reallocarray(lineage->names, capacity, sizeof(*names));
		if (!names)
			return err_set_no_memory(errp);
		lineage->names = names;
		lineage->names_capacity = capacity;
	}
	lineage->names[lineage->n_names++] = *name;
	lineage->sorted = false;
	return true;
}

bool lineage_add_name(struct lineage *lineage, const struct session_id *session, const uint8_t id[POINT_ID_SIZE],
		      enum lineage_witness witness, struct err **errp)
{
	struct lineage_name name = {.session = *session, .witness = witness};

	memcpy(name.id, id, POINT_ID_SIZE);
	return add_name(lineage, &name, errp);
}

static bool add_previous(struct lineage *lineage, const struct point *point, struct err **errp)
{
	struct lineage_name name = {
		.session = point->session, .witness = WITNESS_NEXT_POINT, .before_ns = point->cut_ns};

	if (point->previous_number == 0 || point->previous_number >= point->session.number)
		return true;
	name.session.number = point->previous_number;
	memcpy(name.id, point->previous_point, POINT_ID_SIZE);
	return add_name(lineage, &name, errp);
}

bool lineage_add_point(struct lineage *lineage, const struct point *point, struct err **errp)
{
	if (lineage->n == lineage->capacity) {
		size_t capacity = lineage->capacity ? lineage->capacity * 2 : 64;
		struct lineage_point *points = reallocarray(lineage->points, capacity, sizeof(*points));
		if (!points)
			return err_set_no_memory(errp);
		lineage->points = points;
		lineage->capacity = capacity;
	}
	struct lineage_point *added = &lineage->points[lineage->n++];
	added->session = point->session;
	memcpy(added->id, point->id, POINT_ID_SIZE);
	memcpy(added->parent, point->parent, POINT_ID_SIZE);
	memcpy(added->workload, point->workload, sizeof(added->workload));
	lineage->sorted = false;
	return add_previous(lineage, point, errp);
}

bool lineage_add_heads(struct lineage *lineage, const struct heads *heads, struct err **errp)
{
	for (size_t i = 0; i < heads->n; i++)
		if (!lineage_add_name(lineage, &heads->heads[i].session, heads->heads[i].point, WITNESS_MEMORY, errp))
			return false;
	return true;
}

bool lineage_add_checkpoint(struct lineage *lineage, const struct collection *collection, struct err **errp)
{
	for (size_t i = 0; i < collection->n_writers; i++) {
		const struct checkpoint_writer *writer = &collection->writers[i];
		struct session_id session;
		memcpy(session.writer, writer->id8, WRITER_SIZE);
		for (size_t k = 0; k < writer->n_live; k++) {
			session.number = writer->live[k];
			if (!lineage_add_name(lineage, &session, writer->points[k], WITNESS_CHECKPOINT, errp))
				return false;
		}
	}
	return true;
}

static int compare_points(const void *a, const void *b)
{
	const struct lineage_point *left = a, *right = b;

	return session_id_compare(&left->session, &right->session);
}

/* Of one session, the witness that says most comes first. */
static int compare_names(const void *a, const void *b)
{
	const struct lineage_name *left = a, *right = b;
	int order = session_id_compare(&left->session, &right->session);

	return order != 0 ? order : (left->witness > right->witness) - (left->witness < right->witness);
}

static void sort(struct lineage *lineage)
{
	if (lineage->sorted)
		return;
	if (lineage->n > 0)
		qsort(lineage->points, lineage->n, sizeof(*lineage->points), compare_points);
	if (lineage->n_names > 0)
		qsort(lineage->names, lineage->n_names, sizeof(*lineage->names), compare_names);
	lineage->sorted = true;
}

static const struct lineage_point *find_point(const struct lineage *lineage, const struct session_id *session)
{
	struct lineage_point key = {.session = *session};

	return lineage->n ? bsearch(&key, lineage->points, lineage->n, sizeof(key), compare_points) : NULL;
}

/* From the name at `first` on, all of its session; returns where the next session begins. */
static size_t join_names(const struct lineage *lineage, size_t first, struct lost_point *ret)
{
	const struct lineage_name *names = lineage->names;
	size_t i = first;

	*ret = (struct lost_point){.session = names[first].session, .witness = names[first].witness};
	for (; i < lineage->n_names && session_id_equal(&names[i].session, &ret->session); i++) {
		if (bytes_all_zero(ret->id, POINT_ID_SIZE))
			memcpy(ret->id, names[i].id, POINT_ID_SIZE);
		if (names[i].before_ns != 0 && (ret->before_ns == 0 || names[i].before_ns < ret->before_ns))
			ret->before_ns = names[i].before_ns;
	}
	return i;
}

/* ---- what is known ---- */

static void set_workload(struct lost_point *lost, enum lineage_workload knowledge, const char *workload)
{
	lost->knowledge = knowledge;
	memcpy(lost->workload, workload, strlen(workload) + 1);
}

static void find_workload(const struct lineage *lineage, struct lost_point *lost)
{
	bool named = !bytes_all_zero(lost->id, POINT_ID_SIZE);

	set_workload(lost, WORKLOAD_NONE, "");
	for (size_t i = 0; i < lineage->n; i++) {
		const struct lineage_point *point = &lineage->points[i];
		if (named && memcmp(point->parent, lost->id, POINT_ID_SIZE) == 0) {
			set_workload(lost, WORKLOAD_KNOWN, point->workload);
			return;
		}
		if (memcmp(point->session.writer, lost->session.writer, WRITER_SIZE) != 0)
			continue;
		if (lost->knowledge == WORKLOAD_NONE)
			set_workload(lost, WORKLOAD_OF_OTHERS, point->workload);
		else if (strcmp(lost->workload, point->workload) != 0)
			set_workload(lost, WORKLOAD_SEVERAL, "");
	}
}

/* A registration that is gone or damaged tells nothing, and is named elsewhere. */
static bool find_begin(const struct repository *repository, struct lost_point *lost, struct err **errp)
{
	AUTO(err_freep) struct err *wrong = NULL;
	struct registration registration;

	if (registration_load(repository, &lost->session, &registration, &wrong))
		lost->begun_ns = registration.time_ns;
	else if (err_is_of_run(err_code(wrong)))
		return err_move(errp, &wrong);
	return true;
}

static bool fill_in(const struct lineage *lineage, const struct repository *repository, struct lost_point *lost,
		    struct err **errp)
{
	find_workload(lineage, lost);
	return find_begin(repository, lost, errp);
}

bool lineage_trace(struct lineage *lineage, const struct repository *repository, const struct session_id *session,
		   struct lost_point *ret, struct err **errp)
{
	struct lost_point lost = {.session = *session};

	sort(lineage);
	for (size_t i = 0; i < lineage->n_names; i++)
		if (session_id_equal(&lineage->names[i].session, session)) {
			join_names(lineage, i, &lost);
			break;
		}
	lost.unreadable = true;
	if (!fill_in(lineage, repository, &lost, errp))
		return false;
	*ret = lost;
	return true;
}

/* ---- what is lost ---- */

struct search {
	struct lineage *lineage;
	const struct repository *repository;
	const struct session_id *there;
	size_t n_there;
	bool loaded; /* collection: anew, for one may have ended since the commits were listed */
	struct collection collection;
};

static void search_release(struct search *search)
{
	collection_release(&search->collection);
}

static int compare_sessions(const void *a, const void *b)
{
	return session_id_compare(a, b);
}

/* Collections that cannot be read decide nothing, and are named elsewhere. */
static bool load_collection(struct search *search, struct err **errp)
{
	if (search->loaded)
		return true;
	search->loaded = true;
	if (collection_load(search->repository, &search->collection, errp))
		return true;
	if (err_is_of_run(err_code(*errp)))
		return false;
	err_clear(errp);
	return true;
}

/* Only "not found" says that it is gone: what cannot be asked for may be there. A folder's list does not lag, and what
 * it did not have was made since. */
static bool look_for(const struct search *search, struct lost_point *lost, bool *ret, struct err **errp)
{
	struct backend *backend = repository_backend(search->repository);
	char name[OBJECT_NAME_SIZE];
	uint64_t size;

	if (backend_size(backend, object_name_session('c', &lost->session, name), &size, errp)) {
		*ret = lost->unlisted = backend->in_flight > 0;
		return true;
	}
	*ret = err_code(*errp) == ERR_NOT_FOUND;
	if (err_is_of_run(err_code(*errp)))
		return false;
	err_clear(errp);
	return true;
}

/* Not there, and not meant to be. */
static bool is_gone(struct search *search, struct lost_point *lost, bool *ret, struct err **errp)
{
	const struct keyring_member *writer =
		keyring_find(repository_keyring(search->repository), lost->session.writer);

	*ret = false;
	if (writer && lost->session.number >= writer->revoked_from)
		return true;
	if (!look_for(search, lost, ret, errp) || (*ret && !load_collection(search, errp)))
		return false;
	*ret = *ret && collection_stands(&search->collection, &lost->session);
	return true;
}

static bool is_lost(struct search *search, struct lost_point *lost, bool *ret, struct err **errp)
{
	const struct lineage_point *point = find_point(search->lineage, &lost->session);
	bool named = !bytes_all_zero(lost->id, POINT_ID_SIZE);

	lost->replaced = point && named && memcmp(point->id, lost->id, POINT_ID_SIZE) != 0;
	*ret = lost->replaced;
	if (point || (search->n_there > 0 && bsearch(&lost->session, search->there, search->n_there,
						     sizeof(*search->there), compare_sessions)))
		return true;
	return is_gone(search, lost, ret, errp);
}

bool lineage_find_lost(struct lineage *lineage, const struct repository *repository, const struct session_id *there,
		       size_t n_there, lineage_lost_function *each, void *arg, struct err **errp)
{
	AUTO(search_release)
	struct search search = {.lineage = lineage, .repository = repository, .there = there, .n_there = n_there};
	struct lost_point lost;
	bool is;

	sort(lineage);
	for (size_t i = 0; i < lineage->n_names;) {
		i = join_names(lineage, i, &lost);
		if (!is_lost(&search, &lost, &is, errp))
			return false;
		if (is && (!fill_in(lineage, repository, &lost, errp) || !each(arg, &lost, errp)))
			return false;
	}
	return true;
}
