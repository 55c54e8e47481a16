/* SPDX-License-Identifier: Apache-2.0 */
/* Any accesses to what firmware is told, by port and by DMA with requests of any kind. */
#include <stdlib.h>

#include "base/err.h"
#include "hypervisor/thin/fw_cfg.h"
#include "tests/hypervisor/thin/recorded_board.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REQUESTS = 0x1000, WORDS = 16 };

struct writer {
	struct guest_memory *memory;
	unsigned n;
};

/* Requests are written word by word, one behind the other, in a few places that are used again. */
static void write_word(void *arg, uint32_t number)
{
	struct writer *writer = arg;
	if (!guest_memory_write(writer->memory, REQUESTS + 4 * (writer->n++ % WORDS), &number, sizeof(number)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct port_range ports[] = {{FW_CFG_PORT, FW_CFG_PORT + 1},
						  {FW_CFG_DMA_PORT, FW_CFG_DMA_PORT + 7},
						  {FW_CFG_DMA_PORT + 4, FW_CFG_DMA_PORT + 4}};
	AUTO(err_freep) struct err *err = NULL;
	AUTO(recorded_board_freep) struct recorded_board *record = recorded_board_new(1 << 20);
	AUTO(fw_cfg_freep) struct fw_cfg *fw_cfg = fw_cfg_new(&record->board, 1, &err);
	if (!fw_cfg || !fw_cfg_add_file(fw_cfg, "etc/a", SPAN_TEXT("some text"), &err))
		return 0;
	struct writer writer = {.memory = record->board.memory};
	run_program(record, ports, ARRAY_LENGTH(ports), data, size, write_word, &writer);
	fw_cfg_reset(fw_cfg);
	return 0;
}
