/* SPDX-License-Identifier: Apache-2.0 */
/* What firmware reads of fw_cfg, by port and by DMA, and what hostile requests get; and the console it speaks to. */
#include "hypervisor/thin/fw_cfg.h"

#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/debug_console.h"
#include "tests/hypervisor/thin/recorded_board.h"
#include "tests/unit.h"

enum { REQUEST = 0x1000, TARGET = 0x2000, ERROR = 1, READ = 2, SKIP = 4, SELECT = 8, WRITE = 16, FIRST_FILE = 0x20 };

struct bench {
	struct recorded_board *record;
	struct fw_cfg *fw_cfg;
};

static int set_up(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_non_null(bench);
	bench->record = recorded_board_new(32 << 20);
	bench->fw_cfg = fw_cfg_new(&bench->record->board, 3, &err);
	assert_non_null(bench->fw_cfg);
	assert_true(fw_cfg_add_file(bench->fw_cfg, "etc/one", SPAN_TEXT("first"), &err));
	assert_true(fw_cfg_add_file(bench->fw_cfg, "etc/two", SPAN_TEXT("the second"), &err));
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	fw_cfg_free(bench->fw_cfg);
	recorded_board_free(bench->record);
	free(bench);
	return 0;
}

static void read_item(const struct bench *bench, uint16_t key, void *to, size_t size)
{
	port_out(bench->record, FW_CFG_PORT, 2, key);
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = (uint8_t)port_in(bench->record, FW_CFG_PORT + 1, 1);
}

/* Returns what the request's control word says in the end. */
static uint32_t dma(const struct bench *bench, uint32_t control, uint32_t length, uint64_t address)
{
	struct guest_memory *memory = bench->record->board.memory;
	uint8_t request[16], answer[8];
	bytes_store_be64(request, (uint64_t)control << 32 | length);
	bytes_store_be64(request + 8, address);
	assert_true(guest_memory_write(memory, REQUEST, request, sizeof(request)));
	port_out(bench->record, FW_CFG_DMA_PORT, 4, 0);
	port_out(bench->record, FW_CFG_DMA_PORT + 4, 4, __builtin_bswap32(REQUEST));
	assert_true(guest_memory_read(memory, REQUEST, answer, sizeof(answer)));
	return (uint32_t)(bytes_load_be64(answer) >> 32);
}

static void firmware_tells_it_by_its_items(void **state)
{
	struct bench *bench = *state;
	uint8_t bytes[8];
	read_item(bench, 0, bytes, 6);
	assert_memory_equal(bytes, "QEMU\0\0", 6);
	read_item(bench, 1, bytes, 4);
	assert_memory_equal(bytes, "\3\0\0\0", 4);
	read_item(bench, 5, bytes, 2);
	assert_memory_equal(bytes, "\3\0", 2);
	read_item(bench, 15, bytes, 2);
	assert_memory_equal(bytes, "\3\0", 2);
	read_item(bench, 0x4711, bytes, 2);
	assert_memory_equal(bytes, "\0\0", 2);
}

static void files_are_in_the_directory(void **state)
{
	struct bench *bench = *state;
	uint8_t directory[4 + 2 * 64], file[11];
	read_item(bench, 0x19, directory, sizeof(directory));
	assert_memory_equal(directory, "\0\0\0\2", 4);
	assert_memory_equal(directory + 4, "\0\0\0\5\0\x20\0\0etc/one\0", 16);
	assert_memory_equal(directory + 68, "\0\0\0\12\0\x21\0\0etc/two\0", 16);
	read_item(bench, FIRST_FILE, file, 6);
	assert_memory_equal(file, "first\0", 6);
	read_item(bench, FIRST_FILE + 1, file, 11);
	assert_memory_equal(file, "the second\0", 11);
}

static void a_name_is_told_once(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct bench *bench = *state;
	assert_false(fw_cfg_add_file(bench->fw_cfg, "etc/one", SPAN_NONE, &err));
	assert_int_equal(err_code(err), ERR_EXISTS);
	err_clear(&err);
	for (unsigned i = 2; i < FW_CFG_FILES_MAX; i++) {
		char name[16];
		snprintf(name, sizeof(name), "file %u", i);
		assert_true(fw_cfg_add_file(bench->fw_cfg, name, SPAN_NONE, &err));
	}
	assert_false(fw_cfg_add_file(bench->fw_cfg, "another", SPAN_NONE, &err));
}

static void dma_says_that_it_is_there(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(port_in(bench->record, FW_CFG_DMA_PORT, 4), bytes_load_le32((const uint8_t *)"QEMU"));
	assert_int_equal(port_in(bench->record, FW_CFG_DMA_PORT + 4, 4), bytes_load_le32((const uint8_t *)" CFG"));
	assert_int_equal(port_in(bench->record, FW_CFG_DMA_PORT + 7, 1), 'G');
}

static void dma_reads_as_ports_do(void **state)
{
	struct bench *bench = *state;
	struct guest_memory *memory = bench->record->board.memory;
	char data[8] = "xxxxxxx";
	assert_int_equal(dma(bench, (FIRST_FILE + 1) << 16 | SELECT, 0, 0), 0);
	assert_int_equal(dma(bench, SKIP, 4, 0), 0);
	assert_int_equal(dma(bench, READ, 3, TARGET), 0);
	assert_true(guest_memory_read(memory, TARGET, data, 3));
	assert_string_equal(data, "secxxxx");
	assert_true(guest_memory_take_written(memory, TARGET));
	assert_int_equal(port_in(bench->record, FW_CFG_PORT + 1, 1), 'o');
	assert_int_equal(dma(bench, FIRST_FILE << 16 | SELECT | READ, 7, TARGET), 0);
	assert_true(guest_memory_read(memory, TARGET, data, 7));
	assert_memory_equal(data, "first\0\0", 7);
}

static void hostile_requests_are_refused(void **state)
{
	struct bench *bench = *state;
	uint64_t end = guest_memory_size(bench->record->board.memory);
	assert_int_equal(dma(bench, READ, 1, end), ERROR);
	assert_int_equal(dma(bench, READ, 2, end - 1), ERROR);
	assert_int_equal(dma(bench, READ, 16, UINT64_MAX - 7), ERROR);
	assert_int_equal(dma(bench, READ, UINT32_MAX, 0), ERROR);
	assert_int_equal(dma(bench, READ, FW_CFG_DMA_MAX + 1, 0), ERROR);
	assert_int_equal(dma(bench, FIRST_FILE << 16 | SELECT | WRITE, 4, TARGET), ERROR);
	assert_int_equal(dma(bench, SKIP, UINT32_MAX, 0), 0);
	assert_int_equal(dma(bench, SKIP, UINT32_MAX, 0), 0);
	assert_int_equal(port_in(bench->record, FW_CFG_PORT + 1, 1), 0);
	assert_int_equal(dma(bench, READ, 0, UINT64_MAX), 0);
	/* Requests that are nowhere, or only begin in memory. */
	port_out(bench->record, FW_CFG_DMA_PORT, 4, 0xffffffff);
	port_out(bench->record, FW_CFG_DMA_PORT + 4, 4, 0);
	port_out(bench->record, FW_CFG_DMA_PORT + 4, 4, __builtin_bswap32((uint32_t)end - 8));
	port_out(bench->record, FW_CFG_DMA_PORT + 4, 2, REQUEST);
}

static void a_request_may_lie_in_its_own_target(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(dma(bench, (FIRST_FILE + 1) << 16 | SELECT | READ, 16, REQUEST), 0);
}

static void odd_accesses_are_nothing(void **state)
{
	struct bench *bench = *state;
	port_out(bench->record, FW_CFG_PORT, 2, FIRST_FILE);
	port_out(bench->record, FW_CFG_PORT, 1, 0);
	port_out(bench->record, FW_CFG_PORT + 1, 1, 'x');
	assert_int_equal(port_in(bench->record, FW_CFG_PORT, 2), 0xffff);
	assert_int_equal(port_in(bench->record, FW_CFG_PORT, 1), 0xff);
	assert_int_equal(port_in(bench->record, FW_CFG_PORT + 1, 1), 'f');
	fw_cfg_reset(bench->fw_cfg);
	assert_int_equal(port_in(bench->record, FW_CFG_PORT + 1, 1), 'Q');
}

static void say(const struct bench *bench, const char *text)
{
	for (; *text; text++)
		port_out(bench->record, DEBUG_CONSOLE_PORT, 1, (uint8_t)*text);
}

static void last_words_are_kept(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	static char text[DEBUG_CONSOLE_KEPT + 10];
	struct bench *bench = *state;
	AUTO(debug_console_freep) struct debug_console *console = debug_console_new(&bench->record->board, &err);
	assert_non_null(console);
	assert_int_equal(port_in(bench->record, DEBUG_CONSOLE_PORT, 1), 0xe9);
	say(bench, "Start\n\033[1m");
	assert_int_equal(debug_console_text(console, text, sizeof(text)), 10);
	assert_string_equal(text, "Start\n.[1m");
	assert_int_equal(debug_console_text(console, text, 4), 3);
	assert_string_equal(text, "[1m");
	for (unsigned i = 0; i < DEBUG_CONSOLE_KEPT; i++)
		say(bench, "-");
	say(bench, "end");
	assert_int_equal(debug_console_text(console, text, sizeof(text)), DEBUG_CONSOLE_KEPT);
	assert_string_equal(text + DEBUG_CONSOLE_KEPT - 5, "--end");
	debug_console_reset(console);
	assert_int_equal(debug_console_text(console, text, sizeof(text)), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(firmware_tells_it_by_its_items),	T(files_are_in_the_directory), T(a_name_is_told_once),
		T(dma_says_that_it_is_there),		T(dma_reads_as_ports_do),      T(hostile_requests_are_refused),
		T(a_request_may_lie_in_its_own_target), T(odd_accesses_are_nothing),   T(last_words_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
