/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, durations and names, from people and for people. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct err;

#define WORDS_SIZE 48

/* "512M", "20GiB", "1T", "4096": bytes, with factors of 1024. ERR_USAGE names the option. */
NODISCARD bool words_parse_size(const char *option, const char *text, uint64_t *ret, struct err **errp);
/* A number from min to max. */
NODISCARD bool words_parse_number(const char *option, const char *text, unsigned min, unsigned max, unsigned *ret,
				  struct err **errp);
/* "14 s", "3 min 20 s", "2 h 5 min", "3 days 4 h"; returns text. */
char *words_duration(double seconds, char text[WORDS_SIZE]);
/* Splits "[NAME=]PATH". A NAME is letters, digits, '-' and '_'; what has another form is a path. *ret_name is new, or
 * NULL. */
NODISCARD bool words_split_disk(const char *text, char **ret_name, const char **ret_path, struct err **errp);
/* Replaces what would steer a terminal, or make a line lie about itself: control characters, and those that turn the
 * direction of writing, become '?'. Returns text. */
char *words_make_printable(char *text);
