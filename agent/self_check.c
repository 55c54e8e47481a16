/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/self_check.h"

#include "base/err.h"

void self_check_release(struct self_check *check)
{
	err_clear(&check->unreadable);
}

static void note_wrong(struct self_check *check, uint64_t chunk)
{
	if (check->wrong == 0 || chunk < check->first_wrong)
		check->first_wrong = chunk;
	check->wrong++;
}

/* A parent that is damaged is no failure of this backup, which may well be made because of it. */
static bool give_up(struct self_check *check, struct err **err, struct err **errp)
{
	if (err_is_of_run(err_code(*err)))
		return err_move(errp, err);
	return err_move(&check->unreadable, err) || true;
}

bool self_check_chunk(struct self_check *check, uint64_t chunk, const struct chunk_id *id, struct err **errp)
{
	struct tree_ref before;
	struct err *err = NULL;

	if (check->unreadable || !change_map_keeps(check->map, chunk))
		return true;
	if (!tree_find(check->parent, chunk, &before, &err))
		return give_up(check, &err, errp);
	if (!chunk_id_equal(&before.id, id))
		note_wrong(check, chunk);
	return true;
}

/* What the parent holds where zeros are now. */
static bool check_zeros(void *arg, uint64_t chunk, const struct tree_ref *before, struct err **errp)
{
	struct self_check *check = arg;

	(void)before;
	(void)errp;
	if (change_map_keeps(check->map, chunk))
		note_wrong(check, chunk);
	return true;
}

bool self_check_zeros(struct self_check *check, uint64_t first, uint64_t end, struct err **errp)
{
	struct err *err = NULL;

	return check->unreadable || tree_each(check->parent, first, end, check_zeros, check, &err) ||
	       give_up(check, &err, errp);
}
