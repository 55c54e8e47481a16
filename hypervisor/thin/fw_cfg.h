/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the firmware is told of its machine: named files and numbered items behind ports 0x510, 0x511 and, by DMA, 0x514
 * (QEMU, docs/specs/fw_cfg). All items are constant once the machine runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"

struct board;
struct err;
struct fw_cfg;

enum {
	FW_CFG_PORT = 0x510,
	FW_CFG_DMA_PORT = 0x514,
	FW_CFG_FILES_MAX = 32,
	FW_CFG_NAME_MAX = 55,
	FW_CFG_DMA_MAX = 16 << 20, /* bytes that one request may fetch */
};

/* It has the numbered items alone: signature, version, processors, the file directory. */
NODISCARD struct fw_cfg *fw_cfg_new(const struct board *board, unsigned vcpus, struct err **errp);
void fw_cfg_free(struct fw_cfg *fw_cfg);
DEFINE_AUTO_FREE(struct fw_cfg, fw_cfg_free);
/* Nothing selected. At a clean point. */
void fw_cfg_reset(struct fw_cfg *fw_cfg);
/* The data is copied. Before the machine runs. ERR_EXISTS for a name that is there. */
NODISCARD bool fw_cfg_add_file(struct fw_cfg *fw_cfg, const char *name, struct span data, struct err **errp);
