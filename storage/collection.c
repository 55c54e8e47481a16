/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/collection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define COLLECTION_MAX_BYTES (64u << 20)
#define TRIES 3 /* an object may go between LIST and GET, when a collection ends */

struct object { /* one plan or final of LIST g/ */
	uint64_t x;
	bool final;
};

struct listing {
	struct object *objects; /* by x, the final of x before its plan */
	size_t n, capacity;
};

static void listing_release(struct listing *listing)
{
	free(listing->objects);
}

/* Strict: "g/", 16 lower-case digits, ".plan" or ".final". */
static bool parse_name(const char *name, struct object *ret)
{
	char again[OBJECT_NAME_SIZE];

	if (strncmp(name, "g/", 2) != 0 || strlen(name) < 2 + 16)
		return false;
	ret->x = strtoull(name + 2, NULL, 16);
	ret->final = strcmp(name + 2 + 16, ".final") == 0;
	snprintf(again, sizeof(again), "g/%016" PRIx64 ".%s", ret->x, ret->final ? "final" : "plan");
	return ret->x != 0 && strcmp(name, again) == 0;
}

static char *object_name(const struct object *object, char name[OBJECT_NAME_SIZE])
{
	snprintf(name, OBJECT_NAME_SIZE, "g/%016" PRIx64 ".%s", object->x, object->final ? "final" : "plan");
	return name;
}

static bool each_object(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct listing *listing = arg;
	struct object object;

	(void)size;
	if (!parse_name(name, &object)) {
		err_set(errp, ERR_CORRUPT, "%s: neither a plan nor a final", name);
		return err_about(errp, "%s", name);
	}
	if (listing->n == listing->capacity) {
		size_t capacity = listing->capacity ? listing->capacity * 2 : 16;
		struct object *objects = reallocarray(listing->objects, capacity, sizeof(*objects));
		if (!objects)
			return err_set_no_memory(errp);
		listing->objects = objects;
		listing->capacity = capacity;
	}
	listing->objects[listing->n++] = object;
	return true;
}

struct signed_body {
	struct bytes object;
	struct span body; /* borrowed from object */
	uint8_t hash[HASH_SIZE];
};

static void signed_body_release(struct signed_body *body)
{
	bytes_release(&body->object);
}

static bool fetch(const struct repository *repository, const char *name, struct signed_body *ret, struct err **errp)
{
	uint8_t signer[WRITER_SIZE];

	if (!backend_get(repository_backend(repository), name, COLLECTION_MAX_BYTES, &ret->object, errp))
		return false;
	struct span object = bytes_span(&ret->object);
	return repository_check_signed(repository, name, object, ROLE_COLLECT, 0, &ret->body, signer, errp) &&
	       crypto_sha256(&object, 1, ret->hash, errp);
}

static bool take_plan(struct collection *collection, const struct object *object, const struct signed_body *body,
		      struct err **errp)
{
	AUTO(pack_set_release) struct pack_set packs = {0};
	uint64_t x;

	if (!collection_parse_plan(body->body, &x, &packs, errp))
		return false;
	if (x != object->x)
		return err_set(errp, ERR_CORRUPT, "is plan %" PRIu64, x);
	if (x != collection->checkpoint_x) /* its final would have come before it */
		return pack_set_merge(&collection->condemned, &packs, errp);
	if (memcmp(collection->plan_hash, body->hash, HASH_SIZE) != 0)
		return err_set(errp, ERR_CORRUPT, "is not the plan that its final names");
	return true;
}

/* The newest final replaces what was known of the checkpoint; what finals condemn adds up. */
static bool take_final(struct collection *collection, const struct object *object, const struct signed_body *body,
		       struct err **errp)
{
	AUTO(collection_release) struct collection final = {0};

	if (!collection_parse_final(body->body, &final, errp))
		return false;
	if (final.checkpoint_x != object->x)
		return err_set(errp, ERR_CORRUPT, "is final %" PRIu64, final.checkpoint_x);
	if (collection->checkpoint_x != 0 && collection->checkpoint_x == object->x - 1 &&
	    memcmp(final.previous_hash, collection->checkpoint_hash, HASH_SIZE) != 0)
		return err_set(errp, ERR_CORRUPT, "does not follow the final before it");
	memcpy(final.checkpoint_hash, body->hash, HASH_SIZE);
	if (!pack_set_merge(&final.condemned, &collection->condemned, errp))
		return false;
	struct collection old = *collection;
	*collection = final;
	final = old;
	return true;
}

static bool take(const struct repository *repository, struct collection *collection, const struct object *object,
		 struct err **errp)
{
	AUTO(signed_body_release) struct signed_body body = {0};
	char name[OBJECT_NAME_SIZE];

	object_name(object, name);
	bool ok = fetch(repository, name, &body, errp);
	if (ok) {
		ok = object->final ? take_final(collection, object, &body, errp)
				   : take_plan(collection, object, &body, errp);
		if (!ok)
			err_prefix(errp, "%s", name);
	}
	return ok || err_about(errp, "%s", name);
}

static bool load_once(const struct repository *repository, struct collection *ret, struct err **errp)
{
	AUTO(listing_release) struct listing listing = {0};
	AUTO(collection_release) struct collection collection = {0};

	if (!backend_list(repository_backend(repository), "g/", each_object, &listing, errp))
		return false;
	for (size_t i = 0; i < listing.n; i++)
		if (!take(repository, &collection, &listing.objects[i], errp))
			return false;
	*ret = collection;
	collection = (struct collection){0};
	return true;
}

bool collection_load(const struct repository *repository, struct collection *ret, struct err **errp)
{
	for (int left = TRIES - 1;; left--) {
		if (load_once(repository, ret, errp))
			return true;
		if (left == 0 || err_code(*errp) != ERR_NOT_FOUND)
			return err_prefix(errp, "collections");
		err_clear(errp);
	}
}

void collection_release(struct collection *collection)
{
	for (size_t i = 0; i < collection->n_writers; i++) {
		free(collection->writers[i].live);
		free(collection->writers[i].points);
	}
	free(collection->writers);
	pack_set_release(&collection->condemned);
	*collection = (struct collection){0};
}

const struct checkpoint_writer *collection_writer(const struct collection *collection, const uint8_t id8[WRITER_SIZE])
{
	for (size_t i = 0; i < collection->n_writers; i++)
		if (memcmp(collection->writers[i].id8, id8, WRITER_SIZE) == 0)
			return &collection->writers[i];
	return NULL;
}

uint64_t collection_low(const struct collection *collection, const uint8_t id8[WRITER_SIZE])
{
	const struct checkpoint_writer *writer = collection_writer(collection, id8);

	return writer ? writer->low : 0;
}

bool collection_stands(const struct collection *collection, const struct session_id *session)
{
	const struct checkpoint_writer *writer = collection_writer(collection, session->writer);

	if (!writer || session->number > writer->low)
		return true;
	for (size_t i = 0; i < writer->n_live; i++)
		if (writer->live[i] == session->number)
			return true;
	return false;
}
