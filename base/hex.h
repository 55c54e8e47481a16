/* SPDX-License-Identifier: Apache-2.0 */
/* Lower-case hexadecimal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes 2·len digits and a NUL; returns text. */
char *hex_encode(const void *data, size_t len, char *text);
/* Exactly 2·len lower-case digits and nothing behind them; false otherwise. */
bool hex_decode(const char *text, void *data, size_t len);
