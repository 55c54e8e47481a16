/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/storage/runs.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/pool.h"
#include "storage/commit.h"
#include "storage/format_parts.h"
#include "storage/list.h"
#include "storage/signed_object.h"
#include "storage/stream_read.h"
#include "tests/folder.h"
#include "tests/unit.h"

#define WORKERS 4

static void must(bool ok, struct err **errp)
{
	if (!ok)
		fail_msg("%s", err_message(*errp));
}

static struct repository *open_on(struct backend *backend, const char *state_dir)
{
	AUTO(err_freep) struct err *err = NULL;
	struct repository_options options = {
		.url = "repo", .key = {.passphrase = SPAN_TEXT("wind")}, .state_dir = state_dir};
	struct repository *repository =
		backend ? repository_open_backend(backend, &options, &err) : repository_open(&options, &err);

	must(repository != NULL, &err);
	return repository;
}

struct repository *runs_open(const char *state_dir)
{
	return open_on(NULL, state_dir);
}

static void keep(struct backend *backend)
{
	(void)backend;
}

/* Making a repository ends its backend, and this one is to stay. */
static bool init_in_memory(struct backend *backend, const struct repository_init *init, struct err **errp)
{
	const struct backend_ops *own = backend->ops;
	struct backend_ops kept = *own;

	kept.free = keep;
	backend->ops = &kept;
	bool ok = repository_init_backend(backend, init, errp);
	backend->ops = own;
	return ok;
}

static int setup(void **state, bool local)
{
	AUTO(err_freep) struct err *err = NULL;
	struct runs *runs = calloc(1, sizeof(*runs));
	struct repository_init init = {.url = "repo", .passphrase = SPAN_TEXT("wind"), .owner_name = "owner"};

	assert_non_null(runs);
	if (folder_enter(&runs->folder) != 0)
		return -1;
	struct backend *backend = local ? NULL : backend_memory_new(&err);
	must(local ? repository_init(&init, &err) : init_in_memory(backend, &init, &err), &err);
	runs->repository = open_on(backend, "state");
	*state = runs;
	return 0;
}

int runs_setup_local(void **state)
{
	return setup(state, true);
}

int runs_setup_memory(void **state)
{
	return setup(state, false);
}

int runs_teardown(void **state)
{
	struct runs *runs = *state;

	repository_free(runs->repository);
	int failure = folder_leave(&runs->folder);
	free(runs);
	return failure;
}

uint8_t *runs_bytes(uint64_t seed, size_t len)
{
	uint8_t *bytes = malloc(len ? len : 1);
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		bytes[i] = (uint8_t)(x >> 32);
	}
	return bytes;
}

struct session *runs_begin(struct runs *runs)
{
	AUTO(err_freep) struct err *err = NULL;
	struct session_options options = {0};
	struct session *session = session_begin(runs->repository, &options, &err);

	must(session != NULL, &err);
	return session;
}

struct storing {
	struct session *session;
	const uint8_t *plain;
	struct stream_shape shape;
	struct tree_ref *refs;
	pthread_mutex_t lock; /* reserving is in the order of addresses */
	uint64_t next;
};

/* Takes the next chunk's place; several threads then seal. */
static bool store_next(struct storing *storing, bool *ret_more, struct err **errp)
{
	struct reservation place = {.stored = true};
	struct span chunk = SPAN_NONE;

	pthread_mutex_lock(&storing->lock);
	uint64_t i = storing->next++;
	bool ok = true;
	*ret_more = i < stream_chunks(&storing->shape);
	if (*ret_more) {
		chunk = SPAN(storing->plain + (i << storing->shape.exponent), stream_chunk_len(&storing->shape, i));
		struct tree_ref *ref = &storing->refs[i];
		if (!bytes_all_zero(chunk.data, chunk.len)) {
			ok = chunk_identify(session_keys(storing->session), chunk, &ref->id, errp) &&
			     session_reserve(storing->session, &ref->id, (uint32_t)chunk.len, CODEC_RAW, chunk.len,
					     &place, errp);
			ref->at = place.at;
		}
	}
	pthread_mutex_unlock(&storing->lock);
	return ok && (place.stored || session_seal(storing->session, &place, chunk, errp));
}

static bool work(void *arg, struct err **errp)
{
	bool more = true;

	while (more)
		if (!store_next(arg, &more, errp))
			return false;
	return true;
}

void runs_store(struct session *session, const uint8_t *plain, size_t len, struct stream *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	struct storing storing = {.session = session,
				  .plain = plain,
				  .shape = {.size = len, .exponent = CHUNK_EXPONENT_DISK},
				  .lock = PTHREAD_MUTEX_INITIALIZER};

	storing.refs = calloc(stream_chunks(&storing.shape) + 1, sizeof(*storing.refs));
	must(pool_join(pool_start("store", WORKERS, work, NULL, &storing, &err), &err), &err);
	*ret = (struct stream){.number = 1, .kind = STREAM_DISK, .name = "vda", .shape = storing.shape};
	AUTO(tree_writer_freep)
	struct tree_writer *tree = tree_writer_new(session_keys(session), &ret->shape, NULL, NULL, NULL,
						   session_store_node, session, &err);
	for (uint64_t i = 0; i < stream_chunks(&ret->shape); i++)
		must(tree_writer_put(tree, i, &storing.refs[i], &err), &err);
	must(tree_writer_finish(tree, &ret->top, &err), &err);
	must(stream_root(session_keys(session), &ret->shape, &ret->top.id, &ret->root, &err), &err);
	free(storing.refs);
}

void runs_commit(struct session *session, const char *workload, uint64_t cut_ns, struct stream *stream,
		 struct point *ret, enum err_code expected)
{
	AUTO(err_freep) struct err *err = NULL;
	struct point point = {
		.consistency = CONSISTENCY_OFFLINE, .full = true, .cut_ns = cut_ns, .streams = stream, .n_streams = 1};

	snprintf(point.workload, sizeof(point.workload), "%s", workload);
	snprintf(point.engine, sizeof(point.engine), "files");
	bool ok = session_commit(session, &point, NULL, &err);
	if (expected == 0)
		must(ok, &err);
	else
		assert_int_equal(ok ? 0 : err_code(err), expected);
	*ret = point;
}

void runs_back_up(struct runs *runs, const char *workload, uint64_t cut_ns, const uint8_t *plain, size_t len,
		  struct point *ret)
{
	AUTO(session_freep) struct session *session = runs_begin(runs);
	struct stream *stream = calloc(1, sizeof(*stream));

	runs_store(session, plain, len, stream);
	runs_commit(session, workload, cut_ns, stream, ret, 0);
}

void runs_check(struct runs *runs, const struct point *point, const uint8_t *plain, size_t len)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes bytes = {0};
	AUTO(pack_reader_freep) struct pack_reader *reader = pack_reader_new(runs->repository, 1 << 20, &err);

	must(stream_read_all(reader, &point->streams[0], len, &bytes, &err), &err);
	assert_int_equal(bytes.len, len);
	assert_memory_equal(bytes.data, plain, len);
}

struct gathering {
	struct runs *runs;
	struct pack_set *packs;
};

static bool each_list(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct gathering *gathering = arg;
	AUTO(list_release) struct list list = {0};
	struct session_id session;
	uint32_t k;

	(void)size;
	assert_true(object_name_parse_list(name, &session, &k));
	must(list_load(gathering->runs->repository, &session, k, &list, errp), errp);
	for (size_t i = 0; i < list.n; i++)
		must(pack_set_add(gathering->packs, &session, list.packs[i].seq, errp), errp);
	return true;
}

/* What the backend of a test does besides its work. One at a time, as tests are. */
static struct {
	const struct backend_ops *own;
	struct backend_ops ops;
	char broken[OBJECT_NAME_SIZE];
	enum err_code code;
	const char *prefix;
	void (*then)(void *arg);
	void *arg;
} staged;

static void stage(struct backend *backend)
{
	staged.own = backend->ops;
	staged.ops = *backend->ops;
	backend->ops = &staged.ops;
}

static bool get_range_of_bad_disk(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len,
				  struct err **errp)
{
	if (strcmp(name, staged.broken) == 0)
		return err_set_errno(errp, EIO, "%s: read at %" PRIu64, name, offset);
	return staged.own->get_range(backend, name, offset, data, len, errp);
}

void runs_break(struct runs *runs, const char *name)
{
	stage(repository_backend(runs->repository));
	memcpy(staged.broken, name, strlen(name) + 1);
	staged.ops.get_range = get_range_of_bad_disk;
}

static bool get_range_that_fails(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len,
				 struct err **errp)
{
	if (strcmp(name, staged.broken) == 0)
		return err_set(errp, staged.code, "%s: read at %" PRIu64, name, offset);
	return staged.own->get_range(backend, name, offset, data, len, errp);
}

static bool size_that_fails(struct backend *backend, const char *name, uint64_t *ret, struct err **errp)
{
	if (strcmp(name, staged.broken) == 0)
		return err_set(errp, staged.code, "%s: ask for its size", name);
	return staged.own->size(backend, name, ret, errp);
}

void runs_fail(struct runs *runs, const char *name, enum err_code code)
{
	stage(repository_backend(runs->repository));
	memcpy(staged.broken, name, strlen(name) + 1);
	staged.code = code;
	staged.ops.get_range = get_range_that_fails;
	staged.ops.size = size_that_fails;
}

static bool then_get_range(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len,
			   struct err **errp)
{
	if (strcmp(name, staged.broken) == 0)
		staged.then(staged.arg);
	return staged.own->get_range(backend, name, offset, data, len, errp);
}

void runs_on_read(struct runs *runs, const char *name, void (*then)(void *arg), void *arg)
{
	stage(repository_backend(runs->repository));
	memcpy(staged.broken, name, strlen(name) + 1);
	staged.then = then;
	staged.arg = arg;
	staged.ops.get_range = then_get_range;
}

void runs_calm(struct runs *runs)
{
	repository_backend(runs->repository)->ops = staged.own;
}

static bool list_and_then(struct backend *backend, const char *prefix, backend_list_function *each, void *arg,
			  struct err **errp)
{
	if (!staged.own->list(backend, prefix, each, arg, errp))
		return false;
	if (strcmp(prefix, staged.prefix) != 0)
		return true;
	backend->ops = staged.own;
	staged.then(staged.arg);
	return true;
}

void runs_behind_list(struct runs *runs, const char *prefix, void (*then)(void *arg), void *arg)
{
	stage(repository_backend(runs->repository));
	staged.prefix = prefix;
	staged.then = then;
	staged.arg = arg;
	staged.ops.list = list_and_then;
}

void runs_packs_of(struct runs *runs, const struct session_id *session, struct pack_set *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	struct gathering gathering = {.runs = runs, .packs = ret};
	char prefix[OBJECT_NAME_SIZE], text[SESSION_TEXT_SIZE];

	*ret = (struct pack_set){0};
	snprintf(prefix, sizeof(prefix), "l/%s/", session_id_text(session, text));
	must(backend_list(repository_backend(runs->repository), prefix, each_list, &gathering, &err), &err);
}

static void put_signed(struct runs *runs, const char *name, struct bytes *body)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct repository *repository = runs->repository;

	must(signed_object_seal(repository_identity(repository), repository_domain(repository), name, body, &err),
	     &err);
	must(backend_put_once(repository_backend(repository), name, bytes_span(body), &err), &err);
}

void runs_plan(struct runs *runs, uint64_t x, const struct pack_set *packs)
{
	AUTO(bytes_release) struct bytes body;
	char name[OBJECT_NAME_SIZE];

	bytes_init(&body, 1 << 20);
	format_put_begin(&body, "SLVRPLAN");
	bytes_u64(&body, x);
	bytes_extend(&body, HASH_SIZE);
	pack_set_encode(packs, &body);
	snprintf(name, sizeof(name), "g/%016" PRIx64 ".plan", x);
	put_signed(runs, name, &body);
}

/* The hash of g/<x>.<kind>, zero when it is not there. */
static void hash_of(struct runs *runs, uint64_t x, const char *kind, uint8_t ret[HASH_SIZE])
{
	struct err *err = NULL;
	AUTO(bytes_release) struct bytes object = {0};
	char name[OBJECT_NAME_SIZE];

	memset(ret, 0, HASH_SIZE);
	snprintf(name, sizeof(name), "g/%016" PRIx64 ".%s", x, kind);
	if (backend_get(repository_backend(runs->repository), name, 1 << 20, &object, &err)) {
		struct span bytes = bytes_span(&object);
		must(crypto_sha256(&bytes, 1, ret, &err), &err);
	}
	err_clear(&err);
}

void runs_final(struct runs *runs, uint64_t x, const struct pack_set *packs, const struct checkpoint_writer *writer)
{
	AUTO(bytes_release) struct bytes body;
	uint8_t plan[HASH_SIZE], previous[HASH_SIZE];
	char name[OBJECT_NAME_SIZE];

	bytes_init(&body, 1 << 20);
	hash_of(runs, x, "plan", plan);
	hash_of(runs, x - 1, "final", previous);
	format_put_begin(&body, "SLVRFINL");
	bytes_u64(&body, x);
	bytes_put(&body, plan, sizeof(plan));
	bytes_put(&body, previous, sizeof(previous));
	pack_set_encode(packs, &body);
	bytes_u32(&body, 1);
	bytes_put(&body, writer->id8, WRITER_SIZE);
	bytes_u64(&body, writer->low);
	bytes_u32(&body, (uint32_t)writer->n_live);
	for (size_t i = 0; i < writer->n_live; i++) {
		bytes_u64(&body, writer->live[i]);
		bytes_extend(&body, HASH_SIZE);
	}
	snprintf(name, sizeof(name), "g/%016" PRIx64 ".final", x);
	put_signed(runs, name, &body);
}

void runs_fence(struct runs *runs, const struct session_id *session)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object = {0};
	struct commit commit = {.kind = COMMIT_FENCE, .session = *session};
	char name[OBJECT_NAME_SIZE];

	must(commit_encode(runs->repository, &commit, &object, &err), &err);
	must(backend_put_once(repository_backend(runs->repository), object_name_session('c', session, name),
			      bytes_span(&object), &err),
	     &err);
}
