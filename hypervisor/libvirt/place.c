/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"

enum { TAG_SIZE = 8, NOTE_MAX = 2 * 4096, PASSABLE = 0711, PRIVATE = 0700, OPEN_TO_QEMU = 0733, STAT_BLOCK = 512 };

#define LOCK_PATIENCE_NS UINT64_C(5000000000)

static const char folder_prefix[] = "salvor-";

/* Below libvirt's own folder, which QEMU's user can pass through. */
static char *base_folder(void)
{
	if (geteuid() == 0)
		return file_format("/var/lib/libvirt/qemu/salvor");
	const char *home = getenv("HOME");
	return file_format("%s/.cache/salvor/cuts", home ? home : "/tmp");
}

static bool make_base(char **ret, struct err **errp)
{
	AUTO(freep) char *base = base_folder();
	if (!base)
		return err_set_no_memory(errp);
	if (!file_make_folders(base, PASSABLE, errp))
		return false;
	if (chmod(base, PASSABLE) < 0)
		return err_set_errno(errp, errno, "%s", base);
	*ret = STEAL(&base);
	return true;
}

/* Only what bears our name is removed, and only files directly in it: the note could be damaged. */
static void remove_folder(const char *folder)
{
	const char *slash = strrchr(folder, '/');
	if (!slash || strncmp(slash + 1, folder_prefix, sizeof(folder_prefix) - 1) != 0)
		return;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		file_closep(&fd);
		return;
	}
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(fd, entry->d_name, 0);
	}
	closedir(dir);
	rmdir(folder);
}

/* The lock's file holds a folder's path on each line. */
static void remove_left_over(int lock)
{
	char note[NOTE_MAX + 1];
	ssize_t length = pread(lock, note, NOTE_MAX, 0);
	if (length <= 0)
		return;
	note[length] = '\0';
	char *rest = NULL;
	for (char *line = strtok_r(note, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		remove_folder(line);
}

/* The guard of a process that just died holds it for a moment more. */
static bool wait_for_lock(const char *path, int *ret, struct err **errp)
{
	static const struct timespec pause = {.tv_nsec = 50000000};
	uint64_t give_up = clock_monotonic_ns() + LOCK_PATIENCE_NS;
	struct err *err = NULL;
	while (!file_lock(path, ret, &err)) {
		if (err_code(err) != ERR_BUSY)
			return err_move(errp, &err);
		err_clear(&err);
		if (clock_monotonic_ns() > give_up)
			return err_set(errp, ERR_BUSY, "another process is backing it up");
		nanosleep(&pause, NULL);
	}
	return true;
}

bool place_take(const uint8_t id[16], struct place *ret, struct err **errp)
{
	char hex[2 * 16 + 1];
	AUTO(freep) char *base = NULL;
	if (!make_base(&base, errp))
		return false;
	AUTO(freep) char *path = file_format("%s/%s.lock", base, hex_encode(id, 16, hex));
	if (!path)
		return err_set_no_memory(errp);
	int lock;
	if (!wait_for_lock(path, &lock, errp))
		return false;
	remove_left_over(lock);
	*ret = (struct place){.lock = lock};
	return true;
}

/* QEMU makes the socket itself, so the folder must be its own; where nobody says who it is, the name is the secret. */
static bool make_folder(const char *path, const struct domain_xml *xml, struct err **errp)
{
	uid_t uid;
	gid_t gid;
	bool known = domain_xml_qemu_user(xml, &uid, &gid);
	if (mkdir(path, PRIVATE) < 0)
		return err_set_errno(errp, errno, "%s", path);
	if (geteuid() != 0)
		return true;
	if (known ? chown(path, uid, gid) < 0 : chmod(path, OPEN_TO_QEMU) < 0)
		return err_set_errno(errp, errno, "%s", path);
	return true;
}

/* libvirt's AppArmor profile lets QEMU make sockets of this name anywhere below /var/lib/libvirt. */
static char *socket_path(const char *folder, const char *workload)
{
	char *path = file_format("%s/%s.monitor", folder, workload);
	if (!path || strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return path;
	free(path);
	return file_join(folder, "nbd");
}

static bool name_paths(struct place *place, const char *workload, const char *spill_dir, struct err **errp)
{
	uint8_t tag[TAG_SIZE];
	char hex[2 * TAG_SIZE + 1];
	AUTO(freep) char *base = base_folder();
	if (getrandom(tag, sizeof(tag), 0) != (ssize_t)sizeof(tag))
		return err_set_errno(errp, errno, "ask for random bytes");
	hex_encode(tag, sizeof(tag), hex);
	if (!base)
		return err_set_no_memory(errp);
	place->folder = file_format("%s/%s%s", base, folder_prefix, hex);
	place->spill = file_format("%s/%s%s", spill_dir ? spill_dir : base, folder_prefix, hex);
	place->socket = place->folder ? socket_path(place->folder, workload) : NULL;
	return (place->spill && place->socket) || err_set_no_memory(errp);
}

static bool write_note(const struct place *place, struct err **errp)
{
	AUTO(freep) char *note = file_format("%s\n%s\n", place->folder, place->spill);
	if (!note)
		return err_set_no_memory(errp);
	if (ftruncate(place->lock, 0) < 0)
		return err_set_errno(errp, errno, "note the folders in use");
	return file_write_at(place->lock, note, strlen(note), 0, "the note of folders in use", errp);
}

bool place_make(struct place *place, const char *workload, const char *spill_dir, const struct domain_xml *xml,
		struct err **errp)
{
	AUTO(freep) char *full = spill_dir ? realpath(spill_dir, NULL) : NULL;
	if (spill_dir && !full)
		return err_set_errno(errp, errno, "spill folder %s", spill_dir);
	if (!name_paths(place, workload, full, errp) || !write_note(place, errp))
		return false;
	if (!make_folder(place->folder, xml, errp))
		return false;
	return strcmp(place->folder, place->spill) == 0 || make_folder(place->spill, xml, errp);
}

void place_release(struct place *place)
{
	if (place->spill)
		remove_folder(place->spill);
	if (place->folder)
		remove_folder(place->folder);
	file_closep(&place->lock);
	free(place->folder);
	free(place->spill);
	free(place->socket);
	*place = (struct place){.lock = -1};
}

bool place_is_ours(const char *socket)
{
	AUTO(freep) char *base = base_folder();
	size_t length = base ? strlen(base) : 0;
	return base && strncmp(socket, base, length) == 0 && socket[length] == '/' &&
	       strncmp(socket + length + 1, folder_prefix, sizeof(folder_prefix) - 1) == 0;
}

bool place_is_served(const struct place *place)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO(file_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", place->socket);
	return fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

uint64_t place_spilled(const struct place *place)
{
	uint64_t bytes = 0;
	DIR *dir = opendir(place->spill);
	if (!dir)
		return 0;
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		struct stat st;
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_blocks * STAT_BLOCK;
	}
	closedir(dir);
	return bytes;
}

bool place_free_space(const struct place *place, uint64_t *ret, struct err **errp)
{
	struct statvfs fs;
	if (statvfs(place->spill, &fs) < 0)
		return err_set_errno(errp, errno, "%s", place->spill);
	*ret = (uint64_t)fs.f_bavail * fs.f_frsize;
	return true;
}
