/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest said on its serial console, for people to read on something that is no terminal. */
#pragma once

#include "base/bytes.h"

/*
 * Appends UTF-8 without anything that steers a terminal or turns the direction of writing. Escape sequences go; one
 * that moves to another line begins a line. Every other byte that is no text becomes U+FFFD. At most three times as
 * long.
 */
void console_text_append(struct span raw, struct bytes *out);
