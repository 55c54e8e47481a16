/* SPDX-License-Identifier: Apache-2.0 */
/* vm.conf is written last, durably, and removed first: so a folder with one is a whole machine. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/machines/machines.h"
#include "hypervisor/machines/machines_internal.h"
#include "hypervisor/thin/machine_config.h"

enum { SMALL_FILE_MAX = 4096, FOLDER_MODE = 0700, LOCK_MS = 10000, LOCK_LOOK_MS = 20 };

/* Nobody else's: between those that systemd's containers take, and the upper half, which some programs take for
 * negative. */
enum { UID_FIRST = 1900000000, UIDS = 1 << 20 };

/* Absolute: what is written down of it is read from elsewhere. */
static char *folder_of_all(const char *state_dir)
{
	AUTO(freep) char *absolute = file_absolute(state_dir);
	return absolute ? file_join(absolute, "machines") : NULL;
}

static char *folder_of(const char *state_dir, const char *name)
{
	AUTO(freep) char *all = folder_of_all(state_dir);
	return all ? file_join(all, name) : NULL;
}

char *thin_machine_file(const struct thin_machine *machine, const char *file)
{
	return file_join(machine->folder, file);
}

/* ---- whose it is ---- */

static bool refuse_folder(const char *path, const struct stat *st, struct err **errp)
{
	const struct passwd *owner = getpwuid(st->st_uid);
	bool chmod_helps = (st->st_uid == geteuid() || st->st_uid == 0) && st->st_mode & (S_IWGRP | S_IWOTH);
	return err_set(errp, ERR_DENIED,
		       "the folder %s belongs to user %u%s%s%s and has mode %04o: machines are only run from one that "
		       "belongs to who runs them, and that nobody else can write to%s%s%s",
		       path, st->st_uid, owner ? " (" : "", owner ? owner->pw_name : "", owner ? ")" : "",
		       st->st_mode & 07777, chmod_helps ? ": 'chmod go-w " : "", chmod_helps ? path : "",
		       chmod_helps ? "'" : "");
}

/* Who else can write to it decides what we do there: which files are written, given away, and removed. */
int thin_folder_open(const char *path, struct err **errp)
{
	struct stat st;
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		err_set_errno(errp, errno, "%s", path);
		return -1;
	}
	if (st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return STEAL_FD(&fd);
	refuse_folder(path, &st, errp);
	return -1;
}

static bool check_folder(const char *path, struct err **errp)
{
	AUTO(file_closep) int fd = thin_folder_open(path, errp);
	return fd >= 0;
}

/* It may be root's, and a link leads to it where an administrator has put it elsewhere. */
static bool check_state_folder(const char *state_dir, struct err **errp)
{
	struct stat st;
	if (stat(state_dir, &st) != 0)
		return err_set_errno(errp, errno, "%s", state_dir);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || st.st_mode & (S_IWGRP | S_IWOTH))
		return refuse_folder(state_dir, &st, errp);
	return true;
}

/* The folder of all machines, and what it lies in: who can write to that could put another in its place. */
static bool check_place(const char *state_dir, const char *all, struct err **errp)
{
	return check_state_folder(state_dir, errp) && check_folder(all, errp);
}

/* ---- open ---- */

void thin_machine_release(struct thin_machine *machine)
{
	free(machine->name);
	free(machine->folder);
	free(machine->point);
	free(machine->point_text);
	free(machine->repository);
	machine_config_free(machine->config);
	*machine = (struct thin_machine){0};
}

/* The file as a string; NULL where there is none. */
static bool read_small(const char *folder, const char *file, char **ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes bytes = {0};
	AUTO(freep) char *path = file_join(folder, file);
	*ret = NULL;
	if (!path)
		return err_set_no_memory(errp);
	if (!file_read_all(path, SMALL_FILE_MAX, &bytes, errp)) {
		if (err_code(*errp) != ERR_NOT_FOUND)
			return false;
		err_clear(errp);
		return true;
	}
	*ret = strndup((const char *)bytes.data, bytes.len);
	return *ret || err_set_no_memory(errp);
}

static bool read_point(struct thin_machine *machine, struct err **errp)
{
	AUTO(freep) char *text = NULL;
	if (!read_small(machine->folder, "point", &text, errp))
		return false;
	if (!text)
		return true;
	char *rest = NULL, *id = strtok_r(text, "\n", &rest), *words = strtok_r(NULL, "\n", &rest);
	if (!id || !words)
		return err_set(errp, ERR_CORRUPT, "%s/point is damaged", machine->folder);
	machine->point = strdup(id);
	machine->point_text = strdup(words);
	return (machine->point && machine->point_text) || err_set_no_memory(errp);
}

static bool read_repository(struct thin_machine *machine, struct err **errp)
{
	if (!read_small(machine->folder, "repository", &machine->repository, errp))
		return false;
	size_t len = machine->repository ? strlen(machine->repository) : 0;
	if (len > 0 && machine->repository[len - 1] == '\n')
		machine->repository[len - 1] = '\0';
	return true;
}

/* 0 where the file is missing, or is none that was made here. */
static bool read_uid(const char *folder, uid_t *ret, struct err **errp)
{
	AUTO(freep) char *text = NULL;
	if (!read_small(folder, "uid", &text, errp))
		return false;
	char *rest = text;
	unsigned long uid = text ? strtoul(text, &rest, 10) : 0;
	bool whole = text && strcmp(rest, "\n") == 0 && uid >= UID_FIRST && uid < UID_FIRST + UIDS;
	*ret = whole ? (uid_t)uid : 0;
	return true;
}

/* Who runs is there, even where somebody has removed its vm.conf. */
static bool is_machine(const char *folder, bool *ret, struct err **errp)
{
	AUTO(freep) char *conf = file_join(folder, "vm.conf");
	if (!conf)
		return err_set_no_memory(errp);
	*ret = access(conf, F_OK) == 0;
	return *ret || machine_folder_runs(folder, ret, errp);
}

/* remains: a folder is enough. */
static bool find_machine(const char *state_dir, const char *name, bool remains, struct thin_machine *machine,
			 struct err **errp)
{
	AUTO(freep) char *all = folder_of_all(state_dir);
	machine->name = strdup(name);
	machine->folder = folder_of(state_dir, name);
	if (!all || !machine->name || !machine->folder)
		return err_set_no_memory(errp);
	bool is_there = access(machine->folder, F_OK) == 0 || errno != ENOENT;
	if (is_there && (!check_place(state_dir, all, errp) || !check_folder(machine->folder, errp) ||
			 (!remains && !is_machine(machine->folder, &is_there, errp))))
		return false;
	return is_there ||
	       err_set(errp, ERR_NOT_FOUND, "there is no machine '%s' here; 'salvor vm list' lists all", name);
}

bool thin_machine_read(struct thin_machine *machine, struct err **errp)
{
	AUTO(freep) char *conf = thin_machine_file(machine, "vm.conf");
	if (!conf)
		return err_set_no_memory(errp);
	if ((!machine->point && !read_point(machine, errp)) ||
	    (!machine->repository && !read_repository(machine, errp)) ||
	    !read_uid(machine->folder, &machine->uid, errp))
		return false;
	machine->config = machine_config_read(conf, errp);
	return machine->config;
}

/* Whoever needs what could not be read here hears of it from thin_machine_read(). */
static void try_place(struct thin_machine *machine)
{
	struct err *err = NULL;
	if (!read_point(machine, &err) || !read_repository(machine, &err))
		err_clear(&err);
}

static bool find(const char *state_dir, const char *name, bool remains, struct thin_machine *ret, struct err **errp)
{
	struct thin_machine machine = {0};
	if (!machine_config_is_name(name))
		return err_set(errp, ERR_USAGE, "'%s' is not the name of a machine", name);
	if (!find_machine(state_dir, name, remains, &machine, errp)) {
		thin_machine_release(&machine);
		return false;
	}
	try_place(&machine);
	*ret = machine;
	return true;
}

bool thin_machine_find(const char *state_dir, const char *name, struct thin_machine *ret, struct err **errp)
{
	return find(state_dir, name, false, ret, errp);
}

bool thin_machine_find_remains(const char *state_dir, const char *name, struct thin_machine *ret, struct err **errp)
{
	return find(state_dir, name, true, ret, errp);
}

/* ---- list ---- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool add_name(const char *all, const char *name, char ***names, size_t *n, struct err **errp)
{
	bool is_there = false;
	AUTO(freep) char *folder = file_join(all, name);
	AUTO(err_freep) struct err *err = NULL; /* what nobody can look into is none of ours */
	if (!folder)
		return err_set_no_memory(errp);
	if (!machine_config_is_name(name) || !is_machine(folder, &is_there, &err) || !is_there)
		return true;
	char **grown = reallocarray(*names, *n + 1, sizeof(*grown));
	if (!grown)
		return err_set_no_memory(errp);
	*names = grown;
	grown[*n] = strdup(name);
	return grown[*n] ? (*n)++, true : err_set_no_memory(errp);
}

void thin_folder_closep(DIR **folder)
{
	if (*folder)
		closedir(*folder);
}

DIR *thin_folder_entries(int parent, const char *path, struct err **errp)
{
	AUTO(file_closep) int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	if (folder)
		fd = -1; /* the stream's */
	else
		err_set_errno(errp, errno, "%s", path);
	return folder;
}

bool thin_machine_names(const char *state_dir, char ***ret, size_t *ret_n, struct err **errp)
{
	AUTO(freep) char *all = folder_of_all(state_dir);
	*ret = NULL;
	*ret_n = 0;
	if (!all)
		return err_set_no_memory(errp);
	if (access(all, F_OK) != 0 && errno == ENOENT)
		return true;
	AUTO(thin_folder_closep) DIR *folder = thin_folder_entries(AT_FDCWD, all, errp);
	if (!folder || !check_place(state_dir, all, errp))
		return false;
	for (const struct dirent *entry; (entry = readdir(folder));) {
		if (add_name(all, entry->d_name, ret, ret_n, errp))
			continue;
		for (size_t i = 0; i < *ret_n; i++)
			free((*ret)[i]);
		free(*ret);
		*ret = NULL;
		*ret_n = 0;
		return false;
	}
	if (*ret_n > 0)
		qsort(*ret, *ret_n, sizeof(**ret), compare_names);
	return true;
}

/* ---- create ---- */

/* Between single quotes, where libconfuse changes nothing else. */
static bool put_text(FILE *out, const char *indent, const char *key, const char *text, struct err **errp)
{
	fprintf(out, "%s%s = '", indent, key);
	for (const char *at = text; *at; at++) {
		if ((unsigned char)*at < ' ')
			return err_set(errp, ERR_USAGE, "a %s with control characters is not to be had", key);
		fprintf(out, "%s%c", *at == '\'' || *at == '\\' ? "\\" : "", *at);
	}
	fputs("'\n", out);
	return true;
}

static bool put_disk(FILE *out, const char *folder, const struct thin_machine_disk *disk, struct err **errp)
{
	AUTO(freep) char *overlay = file_format("%s/%s.overlay", folder, disk->name);
	AUTO(freep) char *socket = file_format("%s/nbd/socket", folder);
	if (!overlay || !socket)
		return err_set_no_memory(errp);
	fprintf(out, "\ndisk %s {\n", disk->name);
	bool ok = put_text(out, "\t", "path", disk->path ? disk->path : overlay, errp) &&
		  (disk->path || (put_text(out, "\t", "nbd_socket", socket, errp) &&
				  put_text(out, "\t", "nbd_export", disk->name, errp)));
	fputs("}\n", out);
	return ok;
}

/* Behind the prefix of QEMU's guests, and nobody else's on this network by all odds. */
static bool put_network(FILE *out, const char *key, const char *place, struct err **errp)
{
	uint8_t random[3];
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_set_errno(errp, errno, "random numbers");
	fputs("\nnetwork {\n", out);
	bool ok = put_text(out, "\t", key, place, errp);
	fprintf(out, "\tmac = '52:54:00:%02x:%02x:%02x'\n}\n", random[0], random[1], random[2]);
	return ok;
}

static bool put_plan(FILE *out, const char *folder, const struct thin_machine_plan *plan, struct err **errp)
{
	fputs("# Made by 'salvor vm create'; docs/vm.md says what may be here.\n\n", out);
	if (!put_text(out, "", "name", plan->name, errp) ||
	    (plan->memory && !put_text(out, "", "memory", plan->memory, errp)))
		return false;
	if (plan->vcpus)
		fprintf(out, "vcpus = %u\n", plan->vcpus);
	for (size_t i = 0; i < plan->n_disks; i++)
		if (!put_disk(out, folder, &plan->disks[i], errp))
			return false;
	for (size_t i = 0; i < plan->n_taps; i++)
		if (!put_network(out, "tap", plan->taps[i], errp))
			return false;
	for (size_t i = 0; i < plan->n_passts; i++)
		if (!put_network(out, "passt", plan->passts[i], errp))
			return false;
	return true;
}

/* A new string. */
static char *plan_text(const char *folder, const struct thin_machine_plan *plan, struct err **errp)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool ok = out && put_plan(out, folder, plan, errp);
	if (out && fclose(out) != 0)
		ok = false;
	if (ok)
		return text;
	free(text);
	if (!*errp)
		err_set_no_memory(errp);
	return NULL;
}

static bool write_small(const char *folder, const char *file, const char *text, struct err **errp)
{
	AUTO(freep) char *path = file_join(folder, file);
	return path ? file_replace(path, SPAN(text, strlen(text)), 0600, errp) : err_set_no_memory(errp);
}

/* Machines of several state folders do not know of each other: each folder begins elsewhere. The multipliers are odd
 * and have bits all over (2^64 by the golden ratio, and splitmix64's). */
static bool first_choice(const char *state_dir, size_t *ret, struct err **errp)
{
	struct stat st;
	if (stat(state_dir, &st) != 0)
		return err_set_errno(errp, errno, "%s", state_dir);
	uint64_t mixed = (uint64_t)st.st_ino * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)st.st_dev;
	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	*ret = (size_t)(mixed >> 32) % UIDS;
	return true;
}

/* The next that no other machine of this folder has. Under the lock of all machines. */
static bool choose_uid(const char *state_dir, uid_t *ret, struct err **errp)
{
	AUTO(freep) bool *taken = calloc(UIDS, sizeof(*taken));
	char **names;
	size_t n, free_one;
	if (!taken)
		return err_set_no_memory(errp);
	if (!first_choice(state_dir, &free_one, errp) || !thin_machine_names(state_dir, &names, &n, errp))
		return false;
	bool ok = true;
	for (size_t i = 0; i < n; i++) {
		AUTO(freep) char *folder = folder_of(state_dir, names[i]);
		uid_t uid = 0;
		ok = ok && (folder ? read_uid(folder, &uid, errp) : err_set_no_memory(errp));
		if (ok && uid)
			taken[uid - UID_FIRST] = true;
		free(names[i]);
	}
	free(names);
	for (size_t tried = 0; tried < UIDS && taken[free_one]; tried++)
		free_one = (free_one + 1) % UIDS;
	*ret = (uid_t)(UID_FIRST + free_one);
	return ok && (!taken[free_one] || err_set(errp, ERR_FAILED, "all %d users of machines are taken", UIDS));
}

static bool give_uid(const char *state_dir, const char *folder, struct err **errp)
{
	uid_t uid;
	if (geteuid() != 0)
		return true;
	if (!choose_uid(state_dir, &uid, errp))
		return false;
	AUTO(freep) char *text = file_format("%u\n", uid);
	return text ? write_small(folder, "uid", text, errp) : err_set_no_memory(errp);
}

static bool write_point(const char *folder, const struct thin_machine_plan *plan, struct err **errp)
{
	if (!plan->point)
		return true;
	AUTO(freep) char *text = file_format("%s\n%s\n", plan->point, plan->point_text);
	AUTO(freep) char *repository = file_format("%s\n", plan->repository);
	if (!text || !repository)
		return err_set_no_memory(errp);
	return write_small(folder, "repository", repository, errp) && write_small(folder, "point", text, errp);
}

static void remove_file(const char *folder, const char *file)
{
	AUTO(freep) char *path = file_join(folder, file);
	if (path)
		unlink(path);
}

/* What is wrong with the plan is told without the place of a file that nobody wrote. */
static bool check_written(const char *conf, struct err **errp)
{
	AUTO(machine_config_freep) struct machine_config *config = machine_config_read(conf, errp);
	if (config)
		return true;
	const char *colon = strstr(err_message(*errp), ": ");
	AUTO(freep) char *why = strdup(colon ? colon + 2 : err_message(*errp));
	err_clear(errp);
	return why ? err_set(errp, ERR_USAGE, "%s", why) : err_set_no_memory(errp);
}

/* Under another name, until it is known to be right. */
static bool write_conf(const char *folder, const char *text, struct err **errp)
{
	AUTO(freep) char *new = file_join(folder, "vm.conf.new");
	AUTO(freep) char *conf = file_join(folder, "vm.conf");
	if (!new || !conf)
		return err_set_no_memory(errp);
	if (!write_small(folder, "vm.conf.new", text, errp) || !check_written(new, errp))
		return false;
	if (rename(new, conf) != 0)
		return err_set_errno(errp, errno, "%s", conf);
	return file_sync_folder(folder, errp);
}

static bool fill_folder(const char *state_dir, const char *folder, const struct thin_machine_plan *plan,
			struct err **errp)
{
	AUTO(freep) char *text = plan_text(folder, plan, errp);
	if (!text)
		return false;
	if (file_make_folders(folder, FOLDER_MODE, errp) && check_folder(folder, errp) &&
	    give_uid(state_dir, folder, errp) && write_point(folder, plan, errp) && write_conf(folder, text, errp))
		return true;
	remove_file(folder, "vm.conf");
	remove_file(folder, "vm.conf.new");
	remove_file(folder, "uid");
	remove_file(folder, "point");
	remove_file(folder, "repository");
	rmdir(folder);
	return false;
}

/* Of a machine that has lost its vm.conf: what its guest wrote must not become another's. */
static bool remove_remains(const char *state_dir, const char *name, struct err **errp)
{
	AUTO(thin_machine_release) struct thin_machine remains = {0};
	if (thin_machine_find_remains(state_dir, name, &remains, errp))
		return thin_machine_delete(&remains, false, errp);
	if (err_code(*errp) != ERR_NOT_FOUND)
		return false;
	err_clear(errp);
	return true;
}

/* It may have lost its vm.conf: what runs must not become another's. */
static bool make_free(const char *state_dir, const char *folder, const char *name, struct err **errp)
{
	bool runs;
	char pid[MACHINE_PID_TEXT];
	AUTO(freep) char *conf = file_join(folder, "vm.conf");
	if (!conf)
		return err_set_no_memory(errp);
	if (access(conf, F_OK) == 0)
		return err_set(errp, ERR_EXISTS,
			       "there is a machine '%s' already: 'salvor vm start %s' runs it, 'salvor vm delete %s' "
			       "removes it",
			       name, name, name);
	if (!machine_folder_runs(folder, &runs, errp))
		return false;
	if (!runs)
		return remove_remains(state_dir, name, errp);
	return err_set(errp, ERR_BUSY, "a machine '%s' still runs here%s: 'salvor vm stop --force %s' ends it", name,
		       machine_folder_pid_text(folder, pid), name);
}

/* Whoever has it is done soon. */
static bool lock_all(const char *path, int *ret, struct err **errp)
{
	uint64_t until = thin_machine_until(LOCK_MS);
	while (!file_lock(path, ret, errp)) {
		if (err_code(*errp) != ERR_BUSY || clock_monotonic_ns() >= until)
			return false;
		err_clear(errp);
		poll(NULL, 0, LOCK_LOOK_MS);
	}
	return true;
}

/* One creates at a time, so that no two take the same folder or user. */
static bool create_locked(const char *state_dir, const char *all, const char *folder,
			  const struct thin_machine_plan *plan, struct err **errp)
{
	AUTO(freep) char *lock_path = file_join(all, ".lock");
	AUTO(file_closep) int lock = -1;
	if (!lock_path)
		return err_set_no_memory(errp);
	if (!file_make_folders(state_dir, FOLDER_MODE, errp) || !check_state_folder(state_dir, errp) ||
	    !file_make_folders(all, FOLDER_MODE, errp) || !check_folder(all, errp) ||
	    !lock_all(lock_path, &lock, errp) || !make_free(state_dir, folder, plan->name, errp))
		return false;
	return fill_folder(state_dir, folder, plan, errp);
}

bool thin_machine_create(const char *state_dir, const struct thin_machine_plan *plan, struct err **errp)
{
	if (!machine_config_is_name(plan->name))
		return err_set(
			errp, ERR_USAGE,
			"'%s' is no name for a machine: letters, digits, '-', '_' and '.', at most 64, the first a "
			"letter or digit",
			plan->name);
	AUTO(freep) char *all = folder_of_all(state_dir);
	AUTO(freep) char *folder = folder_of(state_dir, plan->name);
	AUTO(freep) char *longest = folder ? file_join(folder, plan->point ? "nbd/socket" : "control") : NULL;
	if (!all || !longest)
		return err_set_no_memory(errp);
	return thin_socket_fits(longest, errp) && create_locked(state_dir, all, folder, plan, errp);
}
