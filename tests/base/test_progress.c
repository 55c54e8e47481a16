/* SPDX-License-Identifier: Apache-2.0 */
#include "base/progress.h"

#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/progress_text.h"
#include "tests/unit.h"

#define GIB (UINT64_C(1) << 30)

static void sizes_read_well(void **state)
{
	(void)state;
	char text[PROGRESS_SIZE_TEXT];
	assert_string_equal(progress_size_text(17, text), "17 B");
	assert_string_equal(progress_size_text(1023, text), "1023 B");
	assert_string_equal(progress_size_text(1024, text), "1.0 KiB");
	assert_string_equal(progress_size_text(812 << 10, text), "812 KiB");
	assert_string_equal(progress_size_text((GIB << 10) - 1, text), "1.0 TiB");
	assert_string_equal(progress_size_text(UINT64_MAX, text), "16 EiB");
}

static void the_line_says_all(void **state)
{
	(void)state;
	char text[PROGRESS_LINE_SIZE];
	struct progress_view view = {.verb = "web01: backing up",
				     .extra_word = "stored",
				     .total = 8 * GIB,
				     .done = 2 * GIB,
				     .extra = GIB,
				     .rate = GIB / 16};
	progress_describe(&view, 0, text);
	assert_string_equal(text, "web01: backing up   24%  2.0 GiB of 8.0 GiB  64 MiB/s  1:37 left  stored 1.0 GiB");
	progress_describe(&view, 20, text);
	assert_string_equal(text, "web01: backing up   ");
	view.done = view.total;
	progress_describe(&view, 0, text);
	assert_string_equal(text, "web01: backing up  100%  8.0 GiB of 8.0 GiB  64 MiB/s  stored 1.0 GiB");
	view = (struct progress_view){.verb = "reading", .done = 17};
	progress_describe(&view, 0, text);
	assert_string_equal(text, "reading  17 B");
	view = (struct progress_view){.verb = "reading", .total = 7200, .done = 0, .rate = 1};
	progress_describe(&view, 0, text);
	assert_string_equal(text, "reading    0%  0 B of 7.0 KiB  1 B/s  2:00:01 left");
}

static void the_rate_forgets_what_was_long_ago(void **state)
{
	(void)state;
	struct progress_window window = {0};
	assert_true(progress_window_rate(&window) == 0);
	progress_window_add(&window, 0, 0);
	progress_window_add(&window, 1000000000, 500);
	assert_true(progress_window_rate(&window) == 500);
	for (uint64_t second = 2; second < 2 + PROGRESS_SAMPLES; second++)
		progress_window_add(&window, second * 1000000000, 500);
	assert_true(progress_window_rate(&window) == 0);
}

/* Standard error for a while: a terminal or a file, and the real one afterwards. */
static int replace_stderr(int fd)
{
	int real = dup(STDERR_FILENO);
	assert_true(real >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	return real;
}

static void restore_stderr(int real)
{
	assert_int_equal(dup2(real, STDERR_FILENO), STDERR_FILENO);
	close(real);
}

/* Reads what the terminal shows until `text` has come; the test's time limit ends it otherwise. */
static void wait_for(int terminal, const char *text)
{
	char shown[4096] = "";
	size_t len = 0;
	while (!strstr(shown, text)) {
		ssize_t got = read(terminal, shown + len, sizeof(shown) - 1 - len);
		assert_true(got > 0);
		len += (size_t)got;
		shown[len] = '\0';
	}
}

static bool add(void *arg, struct err **errp)
{
	(void)errp;
	struct progress *progress = arg;
	for (int i = 0; i < 1000; i++)
		atomic_fetch_add(&progress->done, 1);
	log_info("a line between");
	return true;
}

static void a_terminal_gets_a_line_that_goes_away(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	int terminal, program;
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	assert_int_equal(openpty(&terminal, &program, NULL, NULL, &size), 0);
	int real = replace_stderr(program);
	static struct progress progress;
	atomic_store(&progress.total, 4000);
	struct progress_line *line = progress_line_start(&progress, "web01: backing up", "stored", false, &err);
	struct pool *pool = pool_start("add", 4, add, NULL, &progress, &err);
	bool joined = pool_join(pool, &err);
	wait_for(terminal, "100%");
	progress_line_end(line);
	restore_stderr(real);
	wait_for(terminal, "\r\033[K");
	assert_true(joined && line);
	close(program);
	close(terminal);
}

static void elsewhere_it_is_silent_unless_forced(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	static struct progress progress;
	int real = replace_stderr(ends[1]);
	struct progress_line *silent = progress_line_start(&progress, "restoring", "written", false, &err);
	struct progress_line *forced = progress_line_start(&progress, "restoring", "written", true, &err);
	progress_line_end(forced);
	restore_stderr(real);
	close(ends[1]);
	assert_null(silent);
	assert_non_null(forced);
	assert_null(err);
	wait_for(ends[0], "salvor: restoring  0 B\n");
	close(ends[0]);
	progress_line_end(NULL);
}

static void levels_hide_what_is_less_important(void **state)
{
	(void)state;
	assert_true(log_enabled(LOG_INFO));
	assert_false(log_enabled(LOG_DEBUG));
	log_set_level(LOG_DEBUG);
	assert_true(log_enabled(LOG_DEBUG));
	log_set_level(LOG_ERROR);
	assert_false(log_enabled(LOG_WARNING));
	log_set_level(LOG_INFO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_read_well),
		cmocka_unit_test(the_line_says_all),
		cmocka_unit_test(the_rate_forgets_what_was_long_ago),
		cmocka_unit_test(a_terminal_gets_a_line_that_goes_away),
		cmocka_unit_test(elsewhere_it_is_silent_unless_forced),
		cmocka_unit_test(levels_hide_what_is_less_important),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
