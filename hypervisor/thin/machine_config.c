/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libconfuse knows a line only while it parses: so each value is checked by a function that it calls then, and what is
 * wrong is told with the line. What was checked is copied behind it.
 */
#include "hypervisor/thin/machine_config.h"

#include <confuse.h>
#include <ctype.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/hex.h"

enum { NAME_MAX_LENGTH = 64 };

#define MIB (UINT64_C(1) << 20)
#define MEMORY_MIN (16 * MIB)
#define MEMORY_MAX (UINT64_C(1) << 40)

static const char *last_text(cfg_opt_t *option)
{
	return cfg_opt_getnstr(option, cfg_opt_size(option) - 1);
}

static cfg_t *last_section(cfg_opt_t *option)
{
	return cfg_opt_getnsec(option, cfg_opt_size(option) - 1);
}

/* ---- values ---- */

bool machine_config_is_name(const char *name)
{
	size_t len = strlen(name);
	if (len == 0 || len > NAME_MAX_LENGTH || !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
			return false;
	return true;
}

bool machine_config_parse_memory(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	char *end;
	if (!isdigit((unsigned char)text[0]))
		return false;
	unsigned long long number = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	if (unit && strcmp(end + 1, "") != 0 && strcmp(end + 1, "iB") != 0)
		return false;
	if ((!unit && *end) || number > (UINT64_MAX >> shift))
		return false;
	uint64_t bytes = (uint64_t)number << shift;
	if (bytes < MEMORY_MIN || bytes > MEMORY_MAX || bytes % MIB != 0)
		return false;
	*ret = bytes;
	return true;
}

/* Six bytes of two hex digits each, with colons between; not of a group. */
static bool parse_mac(const char *text, uint8_t ret[6])
{
	uint8_t mac[6];
	if (strlen(text) != 3 * sizeof(mac) - 1)
		return false;
	for (size_t i = 0; i < sizeof(mac); i++) {
		const char digits[3] = {(char)tolower((unsigned char)text[3 * i]),
					(char)tolower((unsigned char)text[3 * i + 1])};
		char behind = text[3 * i + 2];
		if (!hex_decode(digits, &mac[i], 1) || (behind != ':' && behind != '\0'))
			return false;
	}
	memcpy(ret, mac, sizeof(mac));
	return (mac[0] & 1) == 0;
}

/* The same for a machine in each run: FNV-1a of its name and the interface's place, behind the prefix of QEMU's guests.
 */
static void invent_mac(const char *name, size_t place, uint8_t ret[6])
{
	uint32_t hash = UINT32_C(2166136261);
	for (const char *at = name; *at; at++)
		hash = (hash ^ (uint8_t)*at) * UINT32_C(16777619);
	hash = (hash ^ (uint8_t)place) * UINT32_C(16777619);
	const uint8_t mac[6] = {0x52, 0x54, 0x00, (uint8_t)(hash >> 16), (uint8_t)(hash >> 8), (uint8_t)hash};
	memcpy(ret, mac, sizeof(mac));
}

/* ---- checks, while a line is known ---- */

static int check_name(cfg_t *parser, cfg_opt_t *option)
{
	const char *name = last_text(option);
	if (machine_config_is_name(name))
		return 0;
	cfg_error(parser, "'%s' is no name: letters, digits, '-', '_' and '.', at most %d, the first a letter or digit",
		  name, NAME_MAX_LENGTH);
	return -1;
}

static int check_memory(cfg_t *parser, cfg_opt_t *option)
{
	uint64_t bytes;
	if (machine_config_parse_memory(last_text(option), &bytes))
		return 0;
	cfg_error(parser, "memory '%s' is not a size of whole MiB, from 16M to 1T, as 512M or 2G", last_text(option));
	return -1;
}

static int check_vcpus(cfg_t *parser, cfg_opt_t *option)
{
	long n = cfg_opt_getnint(option, 0);
	if (n >= 1 && n <= MACHINE_VCPUS_MAX)
		return 0;
	cfg_error(parser, "%ld vcpus are not 1 to %d", n, MACHINE_VCPUS_MAX);
	return -1;
}

static int check_not_empty(cfg_t *parser, cfg_opt_t *option)
{
	if (last_text(option)[0])
		return 0;
	cfg_error(parser, "'%s' is empty", cfg_opt_name(option));
	return -1;
}

static int check_disk(cfg_t *parser, cfg_opt_t *option)
{
	cfg_t *disk = last_section(option);
	const char *socket = cfg_getstr(disk, "nbd_socket");
	bool remote = socket != NULL;
	const char *name = cfg_title(disk), *wrong = NULL;
	if (!machine_config_is_name(name))
		wrong = "this is no name: letters, digits, '-', '_' and '.'";
	else if (!cfg_getstr(disk, "path"))
		wrong = "it needs a path";
	else if (remote != (cfg_getstr(disk, "nbd_export") != NULL))
		wrong = "nbd_socket and nbd_export go together";
	else if (remote && socket[0] != '/')
		wrong = "nbd_socket is a path from the root on";
	else if (remote && cfg_getbool(disk, "read_only"))
		wrong = "what is served over NBD gets an overlay, and is not read_only";
	else if (cfg_opt_size(option) > MACHINE_DISKS_MAX)
		wrong = "it is one disk too many: a machine has at most 16";
	if (!wrong)
		return 0;
	cfg_error(parser, "disk '%s': %s", name, wrong);
	return -1;
}

/* As the kernel has it. */
static bool is_interface(const char *name)
{
	return strlen(name) < IF_NAMESIZE && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       !name[strcspn(name, "/: \t\n\v\f\r")];
}

static int check_network(cfg_t *parser, cfg_opt_t *option)
{
	cfg_t *network = last_section(option);
	const char *tap = cfg_getstr(network, "tap"), *passt = cfg_getstr(network, "passt"),
		   *mac = cfg_getstr(network, "mac"), *wrong = NULL;
	uint8_t parsed[6];
	if ((tap != NULL) == (passt != NULL))
		wrong = "it needs either tap or passt";
	else if (tap && !is_interface(tap))
		wrong = "an interface's name has at most 15 letters, and none of them is '/', ':' or a space";
	else if (passt && strlen(passt) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		wrong = "the path of a socket has at most 107 bytes, and that of passt's is longer";
	else if (mac && !parse_mac(mac, parsed))
		wrong = "the mac is not of the form 52:54:00:12:34:56, or is a group's";
	else if (cfg_opt_size(option) > MACHINE_NETWORKS_MAX)
		wrong = "it is one network too many: a machine has at most 8";
	if (!wrong)
		return 0;
	cfg_error(parser, "network: %s", wrong);
	return -1;
}

static cfg_t *new_parser(void)
{
	cfg_opt_t disk[] = {
		CFG_STR("path", NULL, CFGF_NODEFAULT),
		CFG_STR("nbd_socket", NULL, CFGF_NODEFAULT),
		CFG_STR("nbd_export", NULL, CFGF_NODEFAULT),
		CFG_BOOL("read_only", cfg_false, CFGF_NONE),
		CFG_END(),
	};
	cfg_opt_t network[] = {
		CFG_STR("tap", NULL, CFGF_NODEFAULT),
		CFG_STR("passt", NULL, CFGF_NODEFAULT),
		CFG_STR("mac", NULL, CFGF_NODEFAULT),
		CFG_END(),
	};
	cfg_opt_t machine[] = {
		CFG_STR("name", NULL, CFGF_NODEFAULT),
		CFG_STR("memory", "512M", CFGF_NONE),
		CFG_INT("vcpus", 1, CFGF_NONE),
		CFG_STR("firmware", NULL, CFGF_NODEFAULT),
		CFG_STR("kernel", NULL, CFGF_NODEFAULT),
		CFG_STR("initrd", NULL, CFGF_NODEFAULT),
		CFG_STR("command_line", NULL, CFGF_NODEFAULT),
		CFG_SEC("disk", disk, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_SEC("network", network, CFGF_MULTI),
		CFG_END(),
	};
	return cfg_init(machine, CFGF_NONE);
}

static void set_checks(cfg_t *parser)
{
	static const char *const texts[] = {"firmware",	       "kernel",	  "initrd",	 "disk|path",
					    "disk|nbd_socket", "disk|nbd_export", "network|tap", "network|passt"};
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
		cfg_set_validate_func(parser, texts[i], check_not_empty);
	cfg_set_validate_func(parser, "name", check_name);
	cfg_set_validate_func(parser, "memory", check_memory);
	cfg_set_validate_func(parser, "vcpus", check_vcpus);
	cfg_set_validate_func(parser, "disk", check_disk);
	cfg_set_validate_func(parser, "network", check_network);
}

/* ---- what was checked ---- */

/* An option that the file does not have stays NULL. */
static bool copy_text(cfg_t *section, const char *option, char **ret, struct err **errp)
{
	const char *text = cfg_getstr(section, option);
	if (!text)
		return true;
	*ret = strdup(text);
	return *ret || err_set_no_memory(errp);
}

static bool copy_disk(cfg_t *section, struct machine_disk_config *disk, struct err **errp)
{
	disk->name = strdup(cfg_title(section));
	disk->read_only = cfg_getbool(section, "read_only");
	return (disk->name || err_set_no_memory(errp)) && copy_text(section, "path", &disk->path, errp) &&
	       copy_text(section, "nbd_socket", &disk->nbd_socket, errp) &&
	       copy_text(section, "nbd_export", &disk->nbd_export, errp);
}

static bool copy_network(cfg_t *section, const char *name, size_t place, struct machine_network_config *network,
			 struct err **errp)
{
	const char *mac = cfg_getstr(section, "mac");
	if (!mac || !parse_mac(mac, network->mac))
		invent_mac(name, place, network->mac);
	network->kind = cfg_getstr(section, "tap") ? NETWORK_TAP : NETWORK_PASST;
	return copy_text(section, network->kind == NETWORK_TAP ? "tap" : "passt", &network->place, errp);
}

static bool copy_machine(cfg_t *parser, struct machine_config *config, struct err **errp)
{
	const char *name = cfg_getstr(parser, "name");
	if (!name)
		return err_set(errp, ERR_USAGE, "%s: the machine has no name", parser->filename);
	config->name = strdup(name);
	if (!config->name)
		return err_set_no_memory(errp);
	config->vcpus = (unsigned)cfg_getint(parser, "vcpus");
	return machine_config_parse_memory(cfg_getstr(parser, "memory"), &config->memory) &&
	       copy_text(parser, "firmware", &config->firmware, errp) &&
	       copy_text(parser, "kernel", &config->kernel, errp) &&
	       copy_text(parser, "initrd", &config->initrd, errp) &&
	       copy_text(parser, "command_line", &config->command_line, errp);
}

static bool copy_all(cfg_t *parser, struct machine_config *config, struct err **errp)
{
	if (!copy_machine(parser, config, errp))
		return false;
	for (unsigned i = 0; i < cfg_size(parser, "disk"); i++)
		if (!copy_disk(cfg_getnsec(parser, "disk", i), &config->disks[config->n_disks++], errp))
			return false;
	for (unsigned i = 0; i < cfg_size(parser, "network"); i++)
		if (!copy_network(cfg_getnsec(parser, "network", i), config->name, i,
				  &config->networks[config->n_networks++], errp))
			return false;
	return true;
}

static bool check_whole(const struct machine_config *config, const char *path, struct err **errp)
{
	if (!config->kernel && (config->initrd || config->command_line))
		return err_set(errp, ERR_USAGE, "%s: initrd and command_line are for a kernel, which is not named",
			       path);
	if (config->kernel && config->firmware)
		return err_set(errp, ERR_USAGE, "%s: either a firmware boots the disk, or a kernel is started", path);
	if (!config->kernel && config->n_disks == 0)
		return err_set(errp, ERR_USAGE, "%s: there is neither a disk nor a kernel to boot", path);
	return true;
}

static void cfg_freep(cfg_t **cfg)
{
	if (*cfg)
		cfg_free(*cfg);
}

struct machine_config *machine_config_read(const char *path, struct err **errp)
{
	AUTO(cfg_freep) cfg_t *parser = new_parser();
	AUTO(machine_config_freep) struct machine_config *config = calloc(1, sizeof(*config));
	if (!parser || !config) {
		err_set_no_memory(errp);
		return NULL;
	}
	set_checks(parser);
	if (!conf_parse_file(path, parser, errp) || !copy_all(parser, config, errp) || !check_whole(config, path, errp))
		return NULL;
	return STEAL(&config);
}

void machine_config_free(struct machine_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->n_disks; i++) {
		free(config->disks[i].name);
		free(config->disks[i].path);
		free(config->disks[i].nbd_socket);
		free(config->disks[i].nbd_export);
	}
	for (size_t i = 0; i < config->n_networks; i++)
		free(config->networks[i].place);
	free(config->name);
	free(config->firmware);
	free(config->kernel);
	free(config->initrd);
	free(config->command_line);
	free(config);
}
