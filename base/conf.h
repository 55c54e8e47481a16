/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files, read with libconfuse: Salvor's own, and others of that form. Errors name file and line. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

struct cfg_t;
struct err;

/* All strings are owned here, NULL where the file is silent. See etc/salvor.conf. */
struct conf {
	char *repo, *key_file, *passphrase_file, *state_dir, *cache_dir, *connect, *spill_dir, *limit_rate;
};

/*
 * Reads `path`. With path NULL: $SALVOR_CONFIG, which must exist; else the first of
 * $XDG_CONFIG_HOME/salvor/salvor.conf,
 * ~/.config/salvor/salvor.conf, /etc/salvor/salvor.conf that exists; else nothing, and all stays NULL.
 */
NODISCARD bool conf_load(const char *path, struct conf *ret, struct err **errp);
void conf_release(struct conf *conf);

/* Reads a file into a parser of libconfuse's, for files with a form of their own. What the parser's validating
 * functions say with cfg_error() is the error's message; ERR_USAGE for all that is wrong with the contents. */
NODISCARD bool conf_parse_file(const char *path, struct cfg_t *parser, struct err **errp);
