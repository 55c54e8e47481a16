/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: shortest form only, no surrogates, nothing beyond U+10FFFF. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* Length of the character at the start of span, 1 to 4; 0 when there is none. */
size_t utf8_character(struct span span);
/* A character of span, as utf8_character() found it, that steers a terminal: C0, DEL, C1. */
bool utf8_is_control(struct span character);
/* One that makes what follows, or what came before, appear elsewhere: text that lies about itself. */
bool utf8_turns_direction(struct span character);
/* Nothing but characters, and no NUL among them. */
bool utf8_is_text(struct span span);
/* The same, and none that steers a terminal or turns the direction. */
bool utf8_is_printable(struct span span);
/* A new string with U+FFFD in place of every byte that belongs to no character; NULL on lack of memory. */
char *utf8_repair(const char *text);
