/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf.h"

#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file.h"

/* libconfuse's error function gets no argument of ours; its first complaint is kept here for the thread that parses. */
static _Thread_local char *complaint;

static void PRINTF_LIKE(2, 0) on_complaint(cfg_t *cfg, const char *format, va_list args)
{
	char *text;
	if (complaint || vasprintf(&text, format, args) < 0)
		return;
	complaint = file_format("%s:%d: %s", cfg->filename, cfg->line, text);
	free(text);
}

static void cfg_freep(cfg_t **cfg)
{
	if (*cfg)
		cfg_free(*cfg);
}

static void file_freep(FILE **file)
{
	if (*file)
		fclose(*file);
}

static bool conf_parse(FILE *file, const char *path, cfg_t *parser, struct err **errp)
{
	cfg_set_error_function(parser, on_complaint);
	parser->filename = strdup(path);
	if (!parser->filename)
		return err_set_no_memory(errp);
	int outcome = cfg_parse_fp(parser, file);
	AUTO(freep) char *text = STEAL(&complaint);
	if (ferror(file))
		return err_set_errno(errp, EIO, "%s", path);
	if (outcome != CFG_SUCCESS)
		return err_set(errp, ERR_USAGE, "%s", text ? text : path);
	return true;
}

bool conf_parse_file(const char *path, cfg_t *parser, struct err **errp)
{
	AUTO(file_freep) FILE *file = fopen(path, "re");
	struct stat st;
	if (!file || fstat(fileno(file), &st) < 0)
		return err_set_errno(errp, errno, "%s", path);
	if (S_ISDIR(st.st_mode))
		return err_set_errno(errp, EISDIR, "%s", path);
	return conf_parse(file, path, parser, errp);
}

/* libconfuse fills the strings in place, so that what was read is ours. */
static cfg_t *conf_parser(struct conf *conf)
{
	cfg_opt_t options[] = {
		CFG_SIMPLE_STR("repo", &conf->repo),
		CFG_SIMPLE_STR("key_file", &conf->key_file),
		CFG_SIMPLE_STR("passphrase_file", &conf->passphrase_file),
		CFG_SIMPLE_STR("state_dir", &conf->state_dir),
		CFG_SIMPLE_STR("cache_dir", &conf->cache_dir),
		CFG_SIMPLE_STR("connect", &conf->connect),
		CFG_SIMPLE_STR("spill_dir", &conf->spill_dir),
		CFG_SIMPLE_STR("limit_rate", &conf->limit_rate),
		CFG_END(),
	};
	return cfg_init(options, CFGF_NONE);
}

static bool conf_read(const char *path, struct conf *ret, struct err **errp)
{
	AUTO(conf_release) struct conf conf = {0};
	AUTO(cfg_freep) cfg_t *parser = conf_parser(&conf);
	if (!parser)
		return err_set_no_memory(errp);
	if (!conf_parse_file(path, parser, errp))
		return false;
	*ret = conf;
	conf = (struct conf){0};
	return true;
}

/* Takes over path. *ret_found is false, without an error, where there is no such file. */
static bool conf_try(char *path, struct conf *ret, bool *ret_found, struct err **errp)
{
	AUTO(freep) char *owned = path;
	struct err *err = NULL;
	if (!owned)
		return err_set_no_memory(errp);
	*ret_found = conf_read(owned, ret, &err);
	if (*ret_found)
		return true;
	if (err_code(err) != ERR_NOT_FOUND)
		return err_move(errp, &err);
	err_free(err);
	return true;
}

static char *conf_path_of_user(void)
{
	const char *folder = getenv("XDG_CONFIG_HOME");
	if (folder && folder[0] == '/') /* the XDG specification: what is relative is to be ignored */
		return file_format("%s/salvor/salvor.conf", folder);
	const char *home = getenv("HOME");
	return file_format("%s/.config/salvor/salvor.conf", home ? home : "");
}

bool conf_load(const char *path, struct conf *ret, struct err **errp)
{
	if (!path)
		path = getenv("SALVOR_CONFIG");
	if (path)
		return conf_read(path, ret, errp);
	bool found = false;
	struct conf conf = {0};
	if (!conf_try(conf_path_of_user(), &conf, &found, errp))
		return false;
	if (!found && !conf_try(strdup("/etc/salvor/salvor.conf"), &conf, &found, errp))
		return false;
	*ret = conf;
	return true;
}

void conf_release(struct conf *conf)
{
	free(conf->repo);
	free(conf->key_file);
	free(conf->passphrase_file);
	free(conf->state_dir);
	free(conf->cache_dir);
	free(conf->connect);
	free(conf->spill_dir);
	free(conf->limit_rate);
	*conf = (struct conf){0};
}
