/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of receipts, and the texts on them that a hostile guest chose. */
#include "restore/receipt_html.h"

#include <string.h>

#include "base/err.h"
#include "restore/console_text.h"
#include "tests/storage/store.h"
#include "tests/unit.h"

#define PNG "\x89PNG\r\n\x1a\n and then the picture"
#define HOSTILE "<script>alert('x')</script>\x1b[31m</pre><img src=x>\xff\xc2\x85\x00 & \"</template>"

static void must(bool ok, struct err **errp)
{
	if (!ok)
		fail_msg("%s", err_message(*errp));
}

static void fill_in(struct receipt *receipt, struct err **errp)
{
	receipt->verdict = RECEIPT_PASSED;
	receipt->sign = RECEIPT_AGENT;
	receipt->started_ns = 5000;
	receipt->ready_ns = 7000;
	receipt->ended_ns = 8000;
	receipt->ready_ms = 14200;
	receipt_set_text(receipt->reason, sizeof(receipt->reason), "the agent </p><script> answered");
	must(receipt_keep_log(receipt, SPAN(HOSTILE, sizeof(HOSTILE) - 1), 4 << 20, errp), errp);
	must(receipt_keep_screen(receipt, SPAN_TEXT(PNG), errp), errp);
}

static void make(struct store *store, struct receipt *ret, struct bytes *ret_file)
{
	AUTO(err_freep) struct err *err = NULL;
	struct stream disk = {.number = 1, .kind = STREAM_DISK, .name = "v<d>a", .shape.size = 1 << 20};
	struct point point = {.session = store->session, .workload = "web<01>", .streams = &disk, .n_streams = 1};

	must(receipt_begin(store->repository, &point, ret, &err), &err);
	fill_in(ret, &err);
	must(receipt_sign(store->repository, ret, ret_file, &err), &err);
}

static void make_page(struct store *store, struct bytes *ret_page)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(receipt_release) struct receipt receipt = {0};
	AUTO(bytes_release) struct bytes file = {0};

	make(store, &receipt, &file);
	must(receipt_html_make(&receipt, bytes_span(&file), ret_page, &err), &err);
}

static bool contains(const struct bytes *page, const char *words)
{
	return memmem(page->data, page->len, words, strlen(words)) != NULL;
}

static void test_a_page_carries_its_receipt(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(receipt_release) struct receipt receipt = {0}, again = {0};
	AUTO(bytes_release) struct bytes file = {0}, page = {0}, file_again = {0};

	make(*state, &receipt, &file);
	must(receipt_html_make(&receipt, bytes_span(&file), &page, &err), &err);
	assert_true(receipt_html_is_page(bytes_span(&page)));
	assert_false(receipt_html_is_page(bytes_span(&file)));
	must(receipt_html_read(bytes_span(&page), &again, &file_again, &err), &err);
	assert_memory_equal(again.id, receipt.id, RECEIPT_ID_SIZE);
	assert_int_equal(file_again.len, file.len);
	assert_memory_equal(file_again.data, file.data, file.len);
}

/* Nothing that the guest, or whoever named things, wrote is markup. */
static void test_everything_foreign_is_escaped(void **state)
{
	AUTO(bytes_release) struct bytes page = {0};

	make_page(*state, &page);
	assert_true(contains(&page, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&lt;/pre&gt;&lt;img src=x&gt;"));
	assert_true(contains(&page, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd &amp; &quot;&lt;/template&gt;"));
	assert_true(contains(&page, "the agent &lt;/p&gt;&lt;script&gt; answered"));
	assert_true(contains(&page, "web&lt;01&gt;"));
	assert_true(contains(&page, "v&lt;d&gt;a"));
	assert_true(contains(&page, "14.2 s"));
	assert_true(contains(&page, "of 4.0 MiB"));
	assert_true(contains(&page, "src=\"data:image/png;base64,\niVBORw0KGgo"));
	assert_false(contains(&page, "<script"));
	assert_false(contains(&page, "\x1b"));
}

/* What a person reads, and what the receipt says, are the same to the byte. */
static void test_every_changed_byte_of_a_page_is_found(void **state)
{
	AUTO(bytes_release) struct bytes page = {0};

	make_page(*state, &page);
	for (size_t i = 0; i < page.len; i++) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(receipt_release) struct receipt receipt = {0};
		AUTO(bytes_release) struct bytes file = {0};
		page.data[i] ^= 1;
		if (receipt_html_read(bytes_span(&page), &receipt, &file, &err))
			fail_msg("byte %zu of %zu was changed, and nobody noticed", i, page.len);
		assert_int_equal(err_code(err), ERR_CORRUPT);
		page.data[i] ^= 1;
	}
}

static void test_a_page_that_is_cut_off_is_refused(void **state)
{
	AUTO(bytes_release) struct bytes page = {0};

	make_page(*state, &page);
	for (size_t len = 0; len < page.len; len += 13) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(receipt_release) struct receipt receipt = {0};
		AUTO(bytes_release) struct bytes file = {0};
		assert_false(receipt_html_read(SPAN(page.data, len), &receipt, &file, &err));
		assert_int_equal(err_code(err), ERR_CORRUPT);
	}
}

/* The largest log of the worst bytes has room. */
static void test_the_largest_log_has_room(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(receipt_release) struct receipt receipt = {0};
	AUTO(bytes_release) struct bytes file = {0}, page = {0};
	AUTO(freep) uint8_t *log = malloc(RECEIPT_LOG_MAX);
	AUTO(freep) uint8_t *screen = calloc(1, RECEIPT_SCREEN_MAX);
	struct store *store = *state;

	assert_non_null(log);
	assert_non_null(screen);
	make(store, &receipt, &file);
	memset(log, '"', RECEIPT_LOG_MAX);
	memcpy(screen, PNG, 8);
	must(receipt_keep_log(&receipt, SPAN(log, RECEIPT_LOG_MAX), UINT64_MAX, &err), &err);
	must(receipt_keep_screen(&receipt, SPAN(screen, RECEIPT_SCREEN_MAX), &err), &err);
	bytes_release(&file);
	must(receipt_sign(store->repository, &receipt, &file, &err), &err);
	must(receipt_html_make(&receipt, bytes_span(&file), &page, &err), &err);
}

static void assert_reads(struct span raw, const char *expected)
{
	AUTO(bytes_release) struct bytes text;

	bytes_init(&text, 3 * raw.len + 1);
	console_text_append(raw, &text);
	bytes_u8(&text, '\0');
	assert_string_equal((const char *)text.data, expected);
}

/* U+202E, U+061C and U+2066 make what follows look like what it is not. */
static void test_console_text(void **state)
{
	static const uint8_t turning[] = {0xe2, 0x80, 0xae, ' ', 0xd8, 0x9c, ' ', 0xe2, 0x81, 0xa6};
	(void)state;
	assert_reads(SPAN_TEXT("plain\ttext\n"), "plain\ttext\n");
	assert_reads(SPAN_TEXT("one\r\ntwo\r\r\nthree\rfour\r"), "one\ntwo\nthree\nfour\n");
	assert_reads(SPAN_TEXT("[\x1b[0;32m  OK  \x1b[0m] Started"), "[  OK  ] Started");
	assert_reads(SPAN_TEXT("menu\x1b[5;10Hentry\x1b[2J"), "menu\nentry");
	assert_reads(SPAN_TEXT("a\x1b]0;title\x07"
			       "b\x1b]2;x\x1b\\c\x1b(Bd\x1b"
			       "7e"),
		     "abcde");
	assert_reads(SPAN_TEXT("\x1b]8;hidden\nseen"), "\nseen"); /* what has no end hides no more than its line */
	assert_reads(SPAN_TEXT("\x1bPq pixels\x1b\\seen"), "seen");
	assert_reads(SPAN_TEXT("x\x1b["), "x");
	assert_reads(SPAN_TEXT("x\x1b"), "x");
	assert_reads(SPAN_TEXT("\x1b[3\x01m"), "\xef\xbf\xbdm");
	assert_reads(SPAN_TEXT("\0\x08\x7f\xc2\x9b"
			       "1m"),
		     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		     "1m");
	assert_reads(SPAN_TEXT("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
	assert_reads(SPAN_OF(turning), "\xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_page_carries_its_receipt),
		cmocka_unit_test(test_everything_foreign_is_escaped),
		cmocka_unit_test(test_every_changed_byte_of_a_page_is_found),
		cmocka_unit_test(test_a_page_that_is_cut_off_is_refused),
		cmocka_unit_test(test_the_largest_log_has_room),
		cmocka_unit_test(test_console_text),
	};
	return cmocka_run_group_tests(tests, store_setup, store_teardown);
}
