/* SPDX-License-Identifier: Apache-2.0 */
/* A repository in a folder: made, opened with every kind of key, refused in every way that a user can meet, and
 * extended. */
#include "storage/repository.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/pool.h"
#include "storage/config.h"
#include "storage/dek.h"
#include "storage/signed_object.h"
#include "tests/error.h"
#include "tests/folder.h"

#define PASSPHRASE SPAN_TEXT("correct horse")

static const struct repository_init usual = {
	.url = "repo", .passphrase = {"correct horse", 13}, .owner_name = "owner", .recovery_key_file = "recovery.key"};

static int make_repository(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	if (folder_enter(state) != 0)
		return -1;
	if (repository_init(&usual, &err))
		return 0;
	print_error("%s\n", err_message(err));
	return -1;
}

static struct repository *open_with(struct repository_key key, struct err **errp)
{
	const struct repository_options options = {.url = "repo", .key = key, .state_dir = "state"};
	return repository_open(&options, errp);
}

static struct repository *open_usual(void)
{
	AUTO(err_freep) struct err *err = NULL;
	struct repository *repository = open_with((struct repository_key){.key_file = "recovery.key"}, &err);
	if (!repository)
		fail_msg("%s", err_message(err));
	return repository;
}

/* The message names what it must, and the code is the one that the exit status follows from. */
static void assert_refused(struct repository *repository, struct err **errp, enum err_code code, const char *words)
{
	assert_null(repository);
	assert_error(errp, code, words);
}

static void write_file(const char *path, struct span body)
{
	AUTO(err_freep) struct err *err = NULL;
	if (!file_replace(path, body, 0600, &err))
		fail_msg("%s", err_message(err));
}

static void opens_with_passphrase_key_file_and_material(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t material[MATERIAL_SIZE];
	{
		AUTO(repository_freep)
		struct repository *owner = open_with((struct repository_key){.passphrase = PASSPHRASE}, &err);
		assert_non_null(owner);
		assert_string_equal(keyring_find(repository_keyring(owner), repository_identity(owner)->id8)->name,
				    "owner");
		assert_true(repository_may(owner, ROLE_WRITE) && repository_may(owner, ROLE_SOURCE));
		assert_int_equal(repository_url(owner)[0], '/');
		assert_int_equal(access(repository_state_path(owner), W_OK), 0);
		memcpy(material, repository_material(owner), sizeof(material));
	}
	AUTO(repository_freep)
	struct repository *again = open_with((struct repository_key){.material = material}, &err);
	assert_non_null(again);
	AUTO(repository_freep) struct repository *recovery = open_usual();
	assert_true(repository_may(recovery, ROLE_ADMIN) && repository_may(recovery, ROLE_READ) &&
		    repository_may(recovery, ROLE_COLLECT));
	assert_false(repository_may(recovery, ROLE_WRITE) || repository_may(recovery, ROLE_SOURCE));
	assert_memory_equal(repository_metadata(again), repository_metadata(recovery), sizeof(struct metadata_keys));
	assert_ptr_equal(repository_metadata_at(again, 1), repository_metadata(again));
	assert_null(repository_metadata_at(again, 2));
}

static void wrong_keys_are_refused(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	const struct repository_init other = {
		.url = "other", .passphrase = PASSPHRASE, .owner_name = "owner", .recovery_key_file = "other.key"};
	assert_refused(open_with((struct repository_key){.passphrase = SPAN_TEXT("correct hors")}, &err), &err,
		       ERR_DENIED, "wrong passphrase");
	assert_true(repository_init(&other, &err));
	assert_refused(open_with((struct repository_key){.key_file = "other.key"}, &err), &err, ERR_DENIED,
		       "another repository");
	assert_refused(open_with((struct repository_key){.key_file = "none.key"}, &err), &err, ERR_NOT_FOUND,
		       "none.key");
	assert_int_equal(unlink("repo/s/owner"), 0);
	assert_refused(open_with((struct repository_key){.passphrase = PASSPHRASE}, &err), &err, ERR_DENIED,
		       "key file");
	write_file("repo/s/owner", SPAN_TEXT("SLVRSLOT"));
	assert_refused(open_with((struct repository_key){.passphrase = PASSPHRASE}, &err), &err, ERR_CORRUPT,
		       "s/owner");
}

static void what_is_no_repository(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	const struct repository_key key = {.key_file = "recovery.key"};
	struct repository_options options = {.url = "nowhere", .key = key};
	assert_refused(repository_open(&options, &err), &err, ERR_NOT_FOUND, "nowhere");
	assert_int_equal(mkdir("empty", 0700), 0);
	options.url = "empty";
	assert_refused(repository_open(&options, &err), &err, ERR_NOT_FOUND, "not a repository");
	write_file("empty/config", SPAN_TEXT("[core]\n\tbare = true\n"));
	assert_refused(repository_open(&options, &err), &err, ERR_NOT_FOUND, "not a repository");
	options.url = "sftp://host/folder";
	assert_refused(repository_open(&options, &err), &err, ERR_USAGE, "sftp");
	options.url = "s3://bucket/a//b";
	assert_refused(repository_open(&options, &err), &err, ERR_USAGE, "s3://bucket/a//b");
}

static void damaged_config_is_no_missing_repository(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes config = {0};
	const struct repository_key key = {.key_file = "recovery.key"};
	assert_true(file_read_all("repo/config", CONFIG_SIZE, &config, &err));
	config.data[70] ^= 1;
	write_file("repo/config", bytes_span(&config));
	assert_refused(open_with(key, &err), &err, ERR_CORRUPT, "config");
	write_file("repo/config", SPAN_TEXT("nonsense"));
	assert_refused(open_with(key, &err), &err, ERR_CORRUPT, "config");
	assert_int_equal(unlink("repo/config"), 0);
	assert_refused(open_with(key, &err), &err, ERR_CORRUPT, "config");
	config.data[70] ^= 1;
	config.data[10] = 2;
	const struct span checked = SPAN(config.data, CONFIG_SIZE - HASH_SIZE);
	assert_true(crypto_sha256(&checked, 1, config.data + checked.len, &err));
	write_file("repo/config", bytes_span(&config));
	assert_refused(open_with(key, &err), &err, ERR_UNSUPPORTED, "format 2, and this one knows format 1");
}

/* What a crash leaves before the first keyring, which decides. */
static void unfinished_repositories_say_so(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	struct repository_init again = usual;
	again.recovery_key_file = "second.key";
	assert_int_equal(unlink("repo/k/00000000"), 0);
	assert_refused(open_with((struct repository_key){.key_file = "recovery.key"}, &err), &err, ERR_NOT_FOUND,
		       "unfinished");
	assert_false(repository_init(&again, &err));
	assert_refused(NULL, &err, ERR_EXISTS, "unfinished");
	assert_int_equal(access("second.key", F_OK), -1);
	assert_int_equal(mkdir("repo/c", 0700), 0);
	write_file("repo/c/00", SPAN_TEXT("x"));
	assert_refused(open_with((struct repository_key){.key_file = "recovery.key"}, &err), &err, ERR_CORRUPT,
		       "keyrings");
}

static void init_refuses_and_changes_nothing(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	struct repository_init init = usual;
	init.recovery_key_file = "second.key";
	assert_false(repository_init(&init, &err));
	assert_refused(NULL, &err, ERR_EXISTS, "already");
	assert_int_equal(access("second.key", F_OK), -1);
	init = usual;
	init.url = "new";
	assert_false(repository_init(&init, &err)); /* the recovery key of "repo" is in its way */
	assert_refused(NULL, &err, ERR_EXISTS, "recovery.key");
	assert_int_equal(access("new/config", F_OK), -1);
	init.recovery_key_file = NULL;
	init.passphrase = SPAN_NONE;
	assert_false(repository_init(&init, &err));
	assert_refused(NULL, &err, ERR_USAGE, "passphrase");
	init.passphrase = PASSPHRASE;
	init.owner_name = "";
	assert_false(repository_init(&init, &err));
	assert_refused(NULL, &err, ERR_USAGE, "name");
	init.owner_name = "owner";
	assert_true(repository_init(&init, &err)); /* without a recovery key, on the caller's word */
}

static void a_write_only_host_cannot_read(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(repository_freep) struct repository *admin = open_usual();
	const struct session_id session = {.writer = {1}, .number = 1};
	uint8_t dek[KEY_SIZE], other[KEY_SIZE], opened[KEY_SIZE], keyslot[KEYSLOT_SIZE];
	assert_true(repository_add_key(admin, "web01", ROLE_WRITE, "web01.key", &err));
	AUTO(repository_freep)
	struct repository *host = open_with((struct repository_key){.key_file = "web01.key"}, &err);
	assert_non_null(host);
	assert_int_equal(repository_keyring(host)->n, 1);
	assert_memory_equal(repository_metadata(host), repository_metadata(admin), sizeof(struct metadata_keys));
	assert_true(dek_make(host, &session, 1, dek, keyslot, &err));
	assert_true(dek_make(host, &session, 1, other, keyslot, &err));
	assert_memory_not_equal(dek, other, sizeof(dek));
	assert_false(repository_epoch_secret(host, 1, opened));
	assert_false(dek_open(host, keyslot, opened, &err));
	assert_refused(NULL, &err, ERR_DENIED, "role read");
	assert_true(dek_open(admin, keyslot, opened, &err));
	assert_memory_equal(opened, other, sizeof(opened));
	for (size_t i = 0; i < KEYSLOT_SIZE; i++) {
		keyslot[i] ^= 1;
		assert_false(dek_open(admin, keyslot, opened, &err));
		err_clear(&err);
		keyslot[i] ^= 1;
	}
	assert_false(repository_add_key(host, "web02", ROLE_WRITE, "web02.key", &err));
	assert_refused(NULL, &err, ERR_DENIED, "admin");
	assert_int_equal(access("web02.key", F_OK), -1);
}

static void names_of_keys_are_taken_once(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(repository_freep) struct repository *admin = open_usual();
	assert_true(repository_add_key(admin, "web01", ROLE_WRITE | ROLE_READ, "web01.key", &err));
	assert_false(repository_add_key(admin, "web01", ROLE_WRITE, "second.key", &err));
	assert_refused(NULL, &err, ERR_EXISTS, "web01");
	assert_false(repository_add_key(admin, "owner", ROLE_WRITE, "third.key", &err));
	assert_refused(NULL, &err, ERR_EXISTS, "owner");
	assert_false(repository_add_key(admin, "web02", ROLE_WRITE, "web01.key", &err));
	assert_refused(NULL, &err, ERR_EXISTS, "web01.key");
	assert_false(repository_add_key(admin, "two\nlines", ROLE_WRITE, "fourth.key", &err));
	assert_refused(NULL, &err, ERR_USAGE, "name");
	AUTO(repository_freep) struct repository *now = open_usual();
	assert_int_equal(repository_keyring(now)->n, 1);
	assert_int_equal(repository_keyring(now)->n_members, 3);
	assert_int_equal(access("second.key", F_OK), -1);
}

static bool add_own(void *arg, struct err **errp)
{
	atomic_uint *next = arg;
	char name[16], file[24];
	unsigned self = atomic_fetch_add(next, 1);
	const struct repository_options options = {.url = "repo", .key.key_file = "recovery.key"};
	snprintf(name, sizeof(name), "host%u", self);
	snprintf(file, sizeof(file), "%s.key", name);
	AUTO(repository_freep) struct repository *admin = repository_open(&options, errp);
	return admin && repository_add_key(admin, name, ROLE_WRITE, file, errp);
}

static void admins_at_once_all_succeed(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	atomic_uint next = 0;
	struct pool *pool = pool_start("admin", 8, add_own, NULL, &next, &err);
	assert_non_null(pool);
	if (!pool_join(pool, &err))
		fail_msg("%s", err_message(err));
	AUTO(repository_freep) struct repository *repository = open_usual();
	assert_int_equal(repository_keyring(repository)->n, 8);
	assert_int_equal(repository_keyring(repository)->n_members, 10);
	AUTO(repository_freep)
	struct repository *host = open_with((struct repository_key){.key_file = "host7.key"}, &err);
	assert_non_null(host);
}

static void an_older_state_is_an_alarm(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	{
		AUTO(repository_freep) struct repository *admin = open_usual();
		assert_true(repository_add_key(admin, "web01", ROLE_WRITE, "web01.key", &err));
		AUTO(repository_freep) struct repository *seen = open_usual();
	}
	assert_int_equal(rename("repo/k/00000001", "kept"), 0);
	assert_refused(open_with((struct repository_key){.key_file = "recovery.key"}, &err), &err, ERR_CORRUPT,
		       "older state");
	const struct repository_options forgetful = {
		.url = "repo", .key.key_file = "recovery.key", .state_dir = "elsewhere"};
	AUTO(repository_freep) struct repository *fresh = repository_open(&forgetful, &err);
	assert_non_null(fresh); /* nobody remembers there */
	/* Another keyring 1 in place of the one that was seen. */
	assert_true(repository_add_key(fresh, "web02", ROLE_WRITE, "web02.key", &err));
	assert_refused(open_with((struct repository_key){.key_file = "recovery.key"}, &err), &err, ERR_CORRUPT,
		       "replaced");
}

static void damaged_keyrings_are_named(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object = {0};
	const struct repository_options options = {.url = "repo", .key.key_file = "recovery.key"};
	{
		AUTO(repository_freep) struct repository *admin = open_usual();
		assert_true(repository_add_key(admin, "web01", ROLE_WRITE, "web01.key", &err));
	}
	assert_true(file_read_all("repo/k/00000001", KEYRING_MAX_BYTES, &object, &err));
	for (size_t i = 0; i < object.len; i += 7) {
		object.data[i] ^= 4;
		write_file("repo/k/00000001", bytes_span(&object));
		struct repository *repository = repository_open(&options, &err);
		assert_null(repository);
		assert_string_equal(err_object(err), "k/00000001");
		assert_refused(NULL, &err, ERR_CORRUPT, "k/00000001");
		object.data[i] ^= 4;
	}
	write_file("repo/k/00000002", bytes_span(&object)); /* a link that is not its name's */
	write_file("repo/k/00000001", bytes_span(&object));
	assert_refused(repository_open(&options, &err), &err, ERR_CORRUPT, "k/00000002");
	assert_int_equal(unlink("repo/k/00000001"), 0); /* a gap */
	assert_refused(repository_open(&options, &err), &err, ERR_CORRUPT, "k/00000001");
}

static void reads_without_memory_where_none_can_be_written(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	if (geteuid() == 0)
		skip();
	assert_int_equal(mkdir("sealed", 0500), 0);
	const struct repository_options options = {
		.url = "repo", .key.key_file = "recovery.key", .state_dir = "sealed/state"};
	AUTO(repository_freep) struct repository *repository = repository_open(&options, &err);
	assert_non_null(repository);
	assert_null(repository_state_path(repository));
}

static void remembers_nothing_where_it_is_told_so(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	const struct repository_options options = {
		.url = "repo", .key.key_file = "recovery.key", .state_dir = "/dev/null"};
	AUTO(repository_freep) struct repository *repository = repository_open(&options, &err);
	assert_non_null(repository);
	assert_null(repository_state_path(repository));
}

static void signed_objects_need_member_and_role(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object;
	AUTO(repository_freep) struct repository *recovery = open_usual();
	const uint8_t secret[KEY_SIZE] = {9};
	struct identity stranger;
	struct span body;
	uint8_t signer[WRITER_SIZE];
	bytes_init(&object, 4096);
	bytes_put(&object, "body", 4);
	assert_true(
		signed_object_seal(repository_identity(recovery), repository_domain(recovery), "g/00", &object, &err));
	assert_true(
		repository_check_signed(recovery, "g/00", bytes_span(&object), ROLE_COLLECT, 1, &body, signer, &err));
	assert_int_equal(body.len, 4);
	assert_false(
		repository_check_signed(recovery, "g/00", bytes_span(&object), ROLE_WRITE, 1, &body, signer, &err));
	assert_refused(NULL, &err, ERR_CORRUPT, "no role write");
	assert_false(
		repository_check_signed(recovery, "g/01", bytes_span(&object), ROLE_COLLECT, 1, &body, signer, &err));
	assert_string_equal(err_object(err), "g/01");
	assert_refused(NULL, &err, ERR_CORRUPT, "g/01");
	bytes_clear(&object);
	assert_true(identity_from_secret(secret, &stranger, &err));
	assert_true(signed_object_seal(&stranger, repository_domain(recovery), "g/00", &object, &err));
	assert_false(
		repository_check_signed(recovery, "g/00", bytes_span(&object), ROLE_COLLECT, 1, &body, signer, &err));
	assert_refused(NULL, &err, ERR_CORRUPT, "nobody");
	assert_true(repository_add_key(recovery, "later", ROLE_WRITE, "later.key", &err));
	assert_false(
		repository_check_signed(recovery, "g/00", bytes_span(&object), ROLE_COLLECT, 1, &body, signer, &err));
	assert_refused(NULL, &err, ERR_BUSY, "open it again");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_repository, folder_leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(opens_with_passphrase_key_file_and_material),
		TEST(wrong_keys_are_refused),
		TEST(what_is_no_repository),
		TEST(damaged_config_is_no_missing_repository),
		TEST(unfinished_repositories_say_so),
		TEST(init_refuses_and_changes_nothing),
		TEST(a_write_only_host_cannot_read),
		TEST(names_of_keys_are_taken_once),
		TEST(admins_at_once_all_succeed),
		TEST(an_older_state_is_an_alarm),
		TEST(damaged_keyrings_are_named),
		TEST(reads_without_memory_where_none_can_be_written),
		TEST(remembers_nothing_where_it_is_told_so),
		TEST(signed_objects_need_member_and_role),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
