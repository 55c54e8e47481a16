/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/receipt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/repository_internal.h"
#include "tests/error.h"
#include "tests/storage/runs.h"

#define LOG "[    0.000000] Linux version 6.1\r\nweb01 login: "
#define PNG "\x89PNG\r\n\x1a\n and then the picture"

static void must(bool ok, struct err **errp)
{
	if (!ok)
		fail_msg("%s", err_message(*errp));
}

static void assert_refused(bool ok, struct err **errp, enum err_code code, const char *words)
{
	assert_false(ok);
	assert_error(errp, code, words);
}

static void back_up(struct runs *runs, const char *workload, struct point *ret)
{
	AUTO(freep) uint8_t *plain = runs_bytes(strlen(workload), 100000);
	runs_back_up(runs, workload, 1000, plain, 100000, ret);
}

static void fill_in(struct receipt *receipt)
{
	AUTO(err_freep) struct err *err = NULL;

	receipt->verdict = RECEIPT_PASSED;
	receipt->sign = RECEIPT_CONSOLE;
	receipt->started_ns = 5000;
	receipt->ready_ns = 7000;
	receipt->ended_ns = 8000;
	receipt->ready_ms = 2;
	receipt_set_text(receipt->reason, sizeof(receipt->reason), "the console showed 'login:'");
	receipt_set_text(receipt->expected, sizeof(receipt->expected), "login:");
	receipt_set_text(receipt->host, sizeof(receipt->host), "lab3");
	receipt_set_text(receipt->salvor, sizeof(receipt->salvor), "0.1");
	receipt_set_text(receipt->hypervisor, sizeof(receipt->hypervisor), "QEMU 7.2.22");
	receipt_set_text(receipt->accelerator, sizeof(receipt->accelerator), "tcg");
	must(receipt_keep_log(receipt, SPAN_TEXT(LOG), 9000, &err), &err);
	must(receipt_keep_screen(receipt, SPAN_TEXT(PNG), &err), &err);
}

static void make(const struct repository *repository, const struct point *point, struct receipt *ret,
		 struct bytes *ret_file)
{
	AUTO(err_freep) struct err *err = NULL;

	must(receipt_begin(repository, point, ret, &err), &err);
	fill_in(ret);
	must(receipt_sign(repository, ret, ret_file, &err), &err);
}

/* A receipt of a new point, as file and as object. */
struct made {
	struct point point;
	struct receipt receipt;
	struct bytes file;
	char name[OBJECT_NAME_SIZE];
};

static void made_release(struct made *made)
{
	point_release(&made->point);
	receipt_release(&made->receipt);
	bytes_release(&made->file);
}

static void make_and_publish(struct runs *runs, struct made *ret)
{
	AUTO(err_freep) struct err *err = NULL;

	back_up(runs, "web01", &ret->point);
	make(runs->repository, &ret->point, &ret->receipt, &ret->file);
	must(receipt_publish(runs->repository, &ret->receipt, bytes_span(&ret->file), ret->name, &err), &err);
}

static void read_object(struct runs *runs, const char *name, struct bytes *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	must(backend_get(repository_backend(runs->repository), name, RECEIPT_FILE_MAX, ret, &err), &err);
}

static void write_object(struct repository *repository, const char *name, struct span body)
{
	AUTO(err_freep) struct err *err = NULL;
	must(backend_put(repository_backend(repository), name, body, &err), &err);
}

static void assert_same(const struct receipt *a, const struct receipt *b)
{
	assert_memory_equal(a->id, b->id, RECEIPT_ID_SIZE);
	assert_memory_equal(a->point, b->point, POINT_ID_SIZE);
	assert_true(session_id_equal(&a->session, &b->session));
	assert_string_equal(a->workload, b->workload);
	assert_int_equal(a->cut_ns, b->cut_ns);
	assert_int_equal(a->verdict, b->verdict);
	assert_int_equal(a->sign, b->sign);
	assert_int_equal(a->started_ns, b->started_ns);
	assert_int_equal(a->ready_ns, b->ready_ns);
	assert_int_equal(a->ended_ns, b->ended_ns);
	assert_int_equal(a->ready_ms, b->ready_ms);
	assert_string_equal(a->reason, b->reason);
	assert_string_equal(a->expected, b->expected);
	assert_string_equal(a->host, b->host);
	assert_string_equal(a->salvor, b->salvor);
	assert_string_equal(a->hypervisor, b->hypervisor);
	assert_string_equal(a->accelerator, b->accelerator);
	assert_memory_equal(a->signer, b->signer, WRITER_SIZE);
	assert_string_equal(a->signer_name, b->signer_name);
	assert_int_equal(a->n_heads, b->n_heads);
	assert_int_equal(a->n_streams, b->n_streams);
	assert_string_equal(a->streams[0].name, b->streams[0].name);
	assert_memory_equal(a->streams[0].root, b->streams[0].root, ID_SIZE);
	assert_int_equal(a->log_total, b->log_total);
}

static void test_there_and_back(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(made_release) struct made made = {0};
	AUTO(receipt_release) struct receipt parsed = {0}, loaded = {0};
	AUTO(bytes_release) struct bytes file = {0};
	struct runs *runs = *state;

	make_and_publish(runs, &made);
	must(receipt_parse(bytes_span(&made.file), &parsed, &err), &err);
	assert_same(&parsed, &made.receipt);
	must(receipt_load(runs->repository, made.name, &loaded, &file, &err), &err);
	assert_same(&loaded, &made.receipt);
	assert_int_equal(file.len, made.file.len);
	assert_memory_equal(file.data, made.file.data, file.len);
	assert_int_equal(loaded.log.bytes.len, strlen(LOG));
	assert_memory_equal(loaded.log.bytes.data, LOG, strlen(LOG));
	assert_int_equal(loaded.screen.bytes.len, sizeof(PNG) - 1);
	assert_memory_equal(loaded.screen.bytes.data, PNG, sizeof(PNG) - 1);
	must(receipt_check_point(&loaded, &made.point, &err), &err);
	assert_int_equal(receipt_standing(runs->repository, &loaded), RECEIPT_OF_READER);
}

/* What this machine saw of others goes into the receipt. */
static void test_heads_are_in_it(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point point = {0};
	AUTO(point_list_release) struct point_list list = {0};
	AUTO(receipt_release) struct receipt receipt = {0};
	struct runs *runs = *state;

	back_up(runs, "web01", &point);
	must(point_list_load(runs->repository, NULL, &list, &err), &err);
	must(receipt_begin(runs->repository, &point, &receipt, &err), &err);
	assert_int_equal(receipt.n_heads, 1);
	assert_true(session_id_equal(&receipt.heads[0].session, &point.session));
	assert_memory_equal(receipt.heads[0].point, point.id, POINT_ID_SIZE);
}

static void test_every_changed_byte_of_a_file_is_found(void **state)
{
	AUTO(made_release) struct made made = {0};
	make_and_publish(*state, &made);
	for (size_t i = 0; i < made.file.len; i++) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(receipt_release) struct receipt receipt = {0};
		made.file.data[i] ^= 0x20;
		if (receipt_parse(bytes_span(&made.file), &receipt, &err))
			fail_msg("byte %zu of %zu was changed, and nobody noticed", i, made.file.len);
		assert_int_equal(err_code(err), ERR_CORRUPT);
		made.file.data[i] ^= 0x20;
	}
}

static void test_a_shorter_or_longer_file_is_refused(void **state)
{
	AUTO(made_release) struct made made = {0};
	AUTO(err_freep) struct err *err = NULL;
	AUTO(receipt_release) struct receipt receipt = {0};
	make_and_publish(*state, &made);
	for (size_t len = 0; len < made.file.len; len++)
		assert_refused(receipt_parse(SPAN(made.file.data, len), &receipt, &err), &err, ERR_CORRUPT, "receipt");
	bytes_u8(&made.file, 0);
	assert_refused(receipt_parse(bytes_span(&made.file), &receipt, &err), &err, ERR_CORRUPT, "follow its end");
}

static bool loads(struct runs *runs, const char *name, bool whole, struct err **errp)
{
	AUTO(receipt_release) struct receipt receipt = {0};
	return whole ? receipt_load(runs->repository, name, &receipt, NULL, errp)
		     : receipt_load_statement(runs->repository, name, &receipt, errp);
}

/* With whole objects every byte counts; a list reads up to the end of the first part. */
static void test_every_changed_byte_of_an_object_is_found(void **state)
{
	AUTO(made_release) struct made made = {0};
	AUTO(bytes_release) struct bytes object = {0};
	struct runs *runs = *state;

	make_and_publish(runs, &made);
	read_object(runs, made.name, &object);
	size_t first_end = object.len - SIGNATURE_SIZE - WRITER_SIZE - TAG_SIZE - (sizeof(LOG) - 1) - (sizeof(PNG) - 1);
	for (size_t i = 0; i < object.len; i++) {
		AUTO(err_freep) struct err *err = NULL;
		object.data[i] ^= 1;
		write_object(runs->repository, made.name, bytes_span(&object));
		if (loads(runs, made.name, true, &err))
			fail_msg("byte %zu of %zu was changed, and nobody noticed", i, object.len);
		assert_string_equal(err_object(err), made.name);
		err_clear(&err);
		if (i < first_end && loads(runs, made.name, false, &err))
			fail_msg("byte %zu of %zu was changed, and the list did not notice", i, object.len);
		object.data[i] ^= 1;
	}
	write_object(runs->repository, made.name, bytes_span(&object));
	AUTO(err_freep) struct err *err = NULL;
	must(loads(runs, made.name, true, &err) && loads(runs, made.name, false, &err), &err);
}

static void test_a_shorter_object_is_refused(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(made_release) struct made made = {0};
	AUTO(bytes_release) struct bytes object = {0};
	struct runs *runs = *state;

	make_and_publish(runs, &made);
	read_object(runs, made.name, &object);
	for (size_t len = 0; len < object.len; len += 7) {
		write_object(runs->repository, made.name, SPAN(object.data, len));
		assert_refused(loads(runs, made.name, true, &err), &err, ERR_CORRUPT, made.name);
		if (len < 176)
			assert_refused(loads(runs, made.name, false, &err), &err, ERR_CORRUPT, made.name);
	}
}

/* Sound, but under the name of another point, number or signer. */
static void test_a_moved_object_is_refused(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(made_release) struct made made = {0};
	AUTO(point_release) struct point other = {0};
	AUTO(bytes_release) struct bytes object = {0};
	char names[3][OBJECT_NAME_SIZE];
	struct runs *runs = *state;

	make_and_publish(runs, &made);
	back_up(runs, "db1", &other);
	read_object(runs, made.name, &object);
	object_name_receipt(&other.session, made.receipt.signer, 1, names[0]);
	object_name_receipt(&made.point.session, made.receipt.signer, 2, names[1]);
	object_name_receipt(&made.point.session, (const uint8_t *)"stranger", 1, names[2]);
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		write_object(runs->repository, names[i], bytes_span(&object));
		assert_refused(loads(runs, names[i], true, &err), &err, ERR_CORRUPT, names[i]);
		assert_refused(loads(runs, names[i], false, &err), &err, ERR_CORRUPT, names[i]);
	}
	assert_refused(receipt_check_point(&made.receipt, &other, &err), &err, ERR_CORRUPT, "point");
	/* A stream that is named twice does not stand for another. */
	struct stream streams[] = {made.point.streams[0], made.point.streams[0]};
	struct receipt_stream twice[] = {made.receipt.streams[0], made.receipt.streams[0]};
	struct point point = made.point;
	struct receipt receipt = made.receipt;
	streams[1].name[0] ^= 1;
	point.streams = streams;
	receipt.streams = twice;
	point.n_streams = receipt.n_streams = 2;
	assert_refused(receipt_check_point(&receipt, &point, &err), &err, ERR_CORRUPT, "point");
	made.point.streams[0].root.b[0] ^= 1;
	assert_refused(receipt_check_point(&made.receipt, &made.point, &err), &err, ERR_CORRUPT, "point");
}

static void test_another_repository(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(made_release) struct made made = {0};
	AUTO(bytes_release) struct bytes object = {0};
	AUTO(receipt_release) struct receipt receipt = {0};
	struct repository_init init = {.url = "second", .passphrase = SPAN_TEXT("wind"), .owner_name = "owner"};
	struct repository_options options = {.url = "second", .key = {.passphrase = SPAN_TEXT("wind")}};
	struct runs *runs = *state;

	make_and_publish(runs, &made);
	read_object(runs, made.name, &object);
	must(repository_init(&init, &err), &err);
	AUTO(repository_freep) struct repository *second = repository_open(&options, &err);
	must(second != NULL, &err);
	assert_int_equal(receipt_standing(second, &made.receipt), RECEIPT_OF_OTHER_REPOSITORY);
	write_object(second, made.name, bytes_span(&object));
	assert_refused(receipt_load(second, made.name, &receipt, NULL, &err), &err, ERR_CORRUPT, "nobody");
	assert_refused(receipt_load_statement(second, made.name, &receipt, &err), &err, ERR_CORRUPT, "repository");
}

static struct repository *join(struct runs *runs, const char *name, unsigned roles)
{
	AUTO(err_freep) struct err *err = NULL;
	char file[64];

	snprintf(file, sizeof(file), "%s.key", name);
	must(repository_add_key(runs->repository, name, roles, file, &err), &err);
	struct repository_options options = {.url = "repo", .key = {.key_file = file}};
	struct repository *repository = repository_open(&options, &err);
	must(repository != NULL, &err);
	return repository;
}

static void test_what_a_signer_is_worth(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point point = {0};
	AUTO(receipt_release) struct receipt of_host = {0}, of_lab = {0};
	AUTO(bytes_release) struct bytes host_file = {0}, lab_file = {0};
	struct runs *runs = *state;

	back_up(runs, "web01", &point);
	AUTO(repository_freep) struct repository *before = runs_open(NULL);
	AUTO(repository_freep) struct repository *host = join(runs, "host", ROLE_WRITE);
	AUTO(repository_freep) struct repository *lab = join(runs, "lab", ROLE_READ);
	make(host, &point, &of_host, &host_file);
	make(lab, &point, &of_lab, &lab_file);
	assert_int_equal(receipt_standing(lab, &of_lab), RECEIPT_OF_READER);
	assert_int_equal(receipt_standing(lab, &of_host), RECEIPT_OF_BLIND);
	assert_int_equal(receipt_standing(before, &of_lab), RECEIPT_OF_STRANGER);
	of_lab.sign_public[0] ^= 1;
	assert_int_equal(receipt_standing(lab, &of_lab), RECEIPT_OF_STRANGER);
	of_lab.sign_public[0] ^= 1;
	char name[OBJECT_NAME_SIZE];
	must(receipt_publish(lab, &of_lab, bytes_span(&lab_file), name, &err), &err);
	AUTO(repository_freep) struct repository *owner = runs_open(NULL);
	for (size_t i = 0; i < owner->keyring.n_members; i++)
		if (strcmp(owner->keyring.members[i].name, "lab") == 0)
			owner->keyring.members[i].revoked_from = 1;
	assert_int_equal(receipt_standing(owner, &of_lab), RECEIPT_OF_REVOKED);
	AUTO(receipt_release) struct receipt again = {0};
	must(receipt_load(owner, name, &again, NULL, &err),
	     &err); /* it is sound; whether it counts is another matter */
}

/* A host that may only write can leave a receipt, and can open none, not even its own. */
static void test_a_write_only_host_reads_none(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(made_release) struct made made = {0};
	AUTO(receipt_release) struct receipt receipt = {0}, own = {0};
	AUTO(receipt_list_release) struct receipt_list list = {0};
	AUTO(bytes_release) struct bytes own_file = {0}, object = {0};
	char name[OBJECT_NAME_SIZE];
	struct runs *runs = *state;

	make_and_publish(runs, &made);
	AUTO(repository_freep) struct repository *host = join(runs, "host", ROLE_WRITE);
	make(host, &made.point, &own, &own_file);
	must(receipt_publish(host, &own, bytes_span(&own_file), name, &err), &err);
	assert_refused(receipt_load(host, made.name, &receipt, NULL, &err), &err, ERR_DENIED, "may not read");
	assert_refused(receipt_load(host, name, &receipt, NULL, &err), &err, ERR_DENIED, "may not read");
	assert_refused(receipt_load_statement(host, name, &receipt, &err), &err, ERR_DENIED, "may not read");
	assert_refused(receipt_list_load(host, NULL, &list, &err), &err, ERR_DENIED, "may not read");
	read_object(runs, name, &object);
	assert_null(memmem(object.data, object.len, "login:", 6));
}

static void test_lists(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(made_release) struct made first = {0}, second = {0};
	AUTO(receipt_list_release) struct receipt_list all = {0}, of_one = {0}, damaged = {0};
	struct runs *runs = *state;

	make_and_publish(runs, &first);
	make_and_publish(runs, &second);
	char again[OBJECT_NAME_SIZE];
	second.receipt.ended_ns = 9000;
	bytes_release(&second.file);
	must(receipt_sign(runs->repository, &second.receipt, &second.file, &err), &err);
	must(receipt_publish(runs->repository, &second.receipt, bytes_span(&second.file), again, &err), &err);
	assert_string_equal(again + strlen(again) - 8, "00000002");
	must(receipt_list_load(runs->repository, NULL, &all, &err), &err);
	assert_int_equal(all.n, 3);
	assert_string_equal(all.entries[0].name, again);
	assert_same(&all.entries[0].receipt, &second.receipt);
	assert_int_equal(all.entries[0].receipt.log.bytes.len, 0);
	assert_int_equal(all.entries[0].receipt.log.size, strlen(LOG));
	must(receipt_list_load(runs->repository, &first.point.session, &of_one, &err), &err);
	assert_int_equal(of_one.n, 1);
	write_object(runs->repository, again, SPAN_TEXT("not a receipt"));
	write_object(runs->repository, "v/0123", SPAN_TEXT("not a receipt either"));
	must(receipt_list_load(runs->repository, NULL, &damaged, &err), &err);
	assert_int_equal(damaged.n, 2);
	assert_int_equal(damaged.n_damaged, 2);
	assert_memory_equal(damaged.damaged[0], "v/0123: ", 8);
	assert_memory_equal(damaged.damaged[1], again, strlen(again));
}

struct rival {
	struct runs *runs;
	const struct made *made;
};

static void publish_first(void *arg)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct rival *rival = arg;
	char name[OBJECT_NAME_SIZE];
	must(receipt_publish(rival->runs->repository, &rival->made->receipt, bytes_span(&rival->made->file), name,
			     &err),
	     &err);
	assert_string_equal(name + strlen(name) - 8, "00000002");
}

/* Another process of this identity takes the number between LIST and PUT. */
static void test_a_number_that_is_taken_meanwhile(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(made_release) struct made made = {0};
	char prefix[OBJECT_NAME_SIZE], name[OBJECT_NAME_SIZE];
	struct runs *runs = *state;
	struct rival rival = {.runs = runs, .made = &made};

	make_and_publish(runs, &made);
	snprintf(prefix, sizeof(prefix), "%.*s", (int)strlen(made.name) - 8, made.name);
	runs_behind_list(runs, prefix, publish_first, &rival);
	must(receipt_publish(runs->repository, &made.receipt, bytes_span(&made.file), name, &err), &err);
	assert_string_equal(name + strlen(name) - 8, "00000003");
}

static void test_texts_are_made_plain(void **state)
{
	(void)state;
	char field[12];
	receipt_set_text(field, sizeof(field), "a\nb\x1b[1mc");
	assert_string_equal(field, "a b [1mc");
	receipt_set_text(field, sizeof(field), "x\xff\xc2\x85y");
	assert_string_equal(field, "x\xef\xbf\xbd y");
	receipt_set_text(field, sizeof(field), "0123456789\xc3\xa9");
	assert_string_equal(field, "0123456789");
	receipt_set_text(field, sizeof(field), "");
	assert_string_equal(field, "");
}

static void test_impossible_receipts_are_not_signed(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point point = {0};
	AUTO(receipt_release) struct receipt receipt = {0};
	AUTO(bytes_release) struct bytes file = {0};
	struct runs *runs = *state;

	back_up(runs, "web01", &point);
	must(receipt_begin(runs->repository, &point, &receipt, &err), &err);
	assert_refused(receipt_sign(runs->repository, &receipt, &file, &err), &err, ERR_CORRUPT, "cannot be");
	fill_in(&receipt);
	receipt.sign = RECEIPT_NOTHING; /* passed, without any sign of life */
	assert_refused(receipt_sign(runs->repository, &receipt, &file, &err), &err, ERR_CORRUPT, "verdict");
	receipt.verdict = RECEIPT_FAILED;
	receipt.ready_ns = receipt.ready_ms = 0;
	must(receipt_sign(runs->repository, &receipt, &file, &err), &err);
}

static void test_evidence_has_limits(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(receipt_release) struct receipt receipt = {0};
	AUTO(freep) uint8_t *large = calloc(1, RECEIPT_SCREEN_MAX + 1);
	(void)state;

	assert_non_null(large);
	large[RECEIPT_LOG_MAX] = 'z';
	must(receipt_keep_log(&receipt, SPAN(large, RECEIPT_LOG_MAX + 1), RECEIPT_LOG_MAX + 1, &err), &err);
	assert_int_equal(receipt.log.size, RECEIPT_LOG_MAX);
	assert_int_equal(receipt.log.bytes.data[RECEIPT_LOG_MAX - 1], 'z');
	assert_refused(receipt_keep_screen(&receipt, SPAN_TEXT("GIF89a"), &err), &err, ERR_FAILED, "PNG");
	memcpy(large, PNG, 8);
	assert_refused(receipt_keep_screen(&receipt, SPAN(large, RECEIPT_SCREEN_MAX + 1), &err), &err, ERR_FAILED,
		       "4 MiB");
	must(receipt_keep_screen(&receipt, SPAN(large, RECEIPT_SCREEN_MAX), &err), &err);
}

static void test_files_are_made_once(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes again = {0};
	struct stat st;
	(void)state;

	must(receipt_write_file("web01.receipt", SPAN_TEXT("one"), &err), &err);
	assert_refused(receipt_write_file("web01.receipt", SPAN_TEXT("two"), &err), &err, ERR_EXISTS, "web01.receipt");
	must(file_read_all("web01.receipt", 100, &again, &err), &err);
	assert_memory_equal(again.data, "one", 3);
	assert_int_equal(stat("web01.receipt", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_names(void **state)
{
	struct session_id session = {.writer = "writer00", .number = 7}, again;
	char name[OBJECT_NAME_SIZE];
	uint8_t id8[WRITER_SIZE];
	uint32_t n;
	(void)state;

	object_name_receipt(&session, (const uint8_t *)"readers1", 0x1234, name);
	assert_string_equal(name, "v/77726974657230300000000000000007/726561646572733100001234");
	assert_true(object_name_parse_receipt(name, &again, id8, &n));
	assert_true(session_id_equal(&session, &again) && n == 0x1234 && memcmp(id8, "readers1", 8) == 0);
	name[2] = 'A';
	assert_false(object_name_parse_receipt(name, &again, id8, &n));
	assert_false(object_name_parse_receipt("v/77726974657230300000000000000007/726561646572733100000000", &again,
					       id8, &n));
	assert_false(object_name_parse_receipt("v/", &again, id8, &n));
}

#define LOCAL(test) cmocka_unit_test_setup_teardown(test, runs_setup_local, runs_teardown)
#define MEMORY(test) cmocka_unit_test_setup_teardown(test, runs_setup_memory, runs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOCAL(test_there_and_back),
		MEMORY(test_heads_are_in_it),
		MEMORY(test_every_changed_byte_of_a_file_is_found),
		MEMORY(test_a_shorter_or_longer_file_is_refused),
		MEMORY(test_every_changed_byte_of_an_object_is_found),
		MEMORY(test_a_shorter_object_is_refused),
		MEMORY(test_a_moved_object_is_refused),
		LOCAL(test_another_repository),
		LOCAL(test_what_a_signer_is_worth),
		LOCAL(test_a_write_only_host_reads_none),
		MEMORY(test_lists),
		LOCAL(test_a_number_that_is_taken_meanwhile),
		cmocka_unit_test(test_texts_are_made_plain),
		MEMORY(test_impossible_receipts_are_not_signed),
		cmocka_unit_test(test_evidence_has_limits),
		LOCAL(test_files_are_made_once),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
