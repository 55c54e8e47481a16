/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/files/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/blocks.h"
#include "hypervisor/files/device.h"
#include "hypervisor/files/image_server.h"

static const char qcow2_magic[4] = {'Q', 'F', 'I', (char)0xfb};
static const char qcow2_ending[] = ".qcow2";

static bool named_qcow2(const char *path)
{
	size_t length = strlen(path), ending = sizeof(qcow2_ending) - 1;
	return length >= ending && strcmp(path + length - ending, qcow2_ending) == 0;
}

static bool has_qcow2_magic(int fd)
{
	char start[sizeof(qcow2_magic)];
	return pread(fd, start, sizeof(start), 0) == (ssize_t)sizeof(start) &&
	       memcmp(start, qcow2_magic, sizeof(start)) == 0;
}

static bool size_of_opened(const struct image *image, uint64_t *ret_size, struct err **errp)
{
	struct stat now;
	if (image->device)
		return ioctl(image->fd, BLKGETSIZE64, ret_size) == 0 ||
		       err_set_errno(errp, errno, "%s: ask for the size", image->path);
	if (fstat(image->fd, &now) < 0)
		return err_set_errno(errp, errno, "%s", image->path);
	*ret_size = (uint64_t)now.st_size;
	return true;
}

/* O_NONBLOCK: a pipe that nobody writes to must not hang us. */
static bool open_file(struct image *image, const char *path, struct err **errp)
{
	image->path = strdup(path);
	if (!image->path)
		return err_set_no_memory(errp);
	image->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (image->fd < 0)
		return err_set_errno(errp, errno, "%s", path);
	if (fstat(image->fd, &image->opened) < 0)
		return err_set_errno(errp, errno, "%s", path);
	if (!S_ISREG(image->opened.st_mode) && !S_ISBLK(image->opened.st_mode))
		return err_set(errp, ERR_FAILED, "%s: neither a regular file nor a block device", path);
	image->device = S_ISBLK(image->opened.st_mode);
	image->device_in_use = image->device && device_is_in_use(path);
	image->device_writes = image->device ? device_count_writes(image->fd, image->opened.st_rdev) : 0;
	posix_fadvise(image->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return size_of_opened(image, &image->size, errp);
}

static bool choose_format(const struct image *image, enum image_format asked, bool *ret_qcow2, struct err **errp)
{
	bool magic = has_qcow2_magic(image->fd);
	*ret_qcow2 = asked == IMAGE_QCOW2 || (asked == IMAGE_BY_NAME && named_qcow2(image->path));
	if (*ret_qcow2 && !magic)
		return err_set(errp, ERR_FAILED, "%s: not a qcow2 image, though it is %s", image->path,
			       asked == IMAGE_QCOW2 ? "said to be one" : "named so");
	if (asked == IMAGE_BY_NAME && magic && !*ret_qcow2)
		return err_set(errp, ERR_FAILED,
			       "%s: a qcow2 image whose name does not end in %s, so it would be taken for raw",
			       image->path, qcow2_ending);
	return true;
}

static bool start_server(struct image *image, bool force_share, struct err **errp)
{
	image->server = image_server_start(&(struct image_server_options){.path = image->path,
									  .device = image->device,
									  .force_share = force_share},
					   errp);
	if (!image->server)
		return err_prefix(errp, "%s", image->path);
	AUTO(blocks_closep) struct blocks *blocks = image_connect(image, errp);
	if (!blocks)
		return false;
	image->size = blocks_size(blocks);
	return true;
}

static bool open_as(struct image *image, const struct image_options *options, struct err **errp)
{
	bool qcow2;
	if (!open_file(image, options->path, errp) || !choose_format(image, options->format, &qcow2, errp))
		return false;
	return !qcow2 || start_server(image, options->force_share, errp);
}

bool image_open(const struct image_options *options, struct image *ret, struct err **errp)
{
	struct image image = {.fd = -1, .cancel = options->cancel};
	if (!open_as(&image, options, errp)) {
		image_release(&image);
		return false;
	}
	*ret = image;
	return true;
}

void image_release(struct image *image)
{
	image_server_free(image->server);
	file_closep(&image->fd);
	free(image->path);
	*image = (struct image){.fd = -1};
}

bool image_changed(const struct image *image, const char *how, struct err **errp)
{
	return err_set(errp, ERR_BUSY, "%s %s while it was read: stop what writes to it, and try again", image->path,
		       how);
}

static bool check_device(const struct image *image, struct err **errp)
{
	uint64_t size;
	if (!image->device_in_use && device_count_writes(image->fd, image->opened.st_rdev) != image->device_writes)
		return image_changed(image, "was written to", errp);
	if (image->server)
		return true;
	return size_of_opened(image, &size, errp) &&
	       (size == image->size || image_changed(image, "changed its size", errp));
}

bool image_check(const struct image *image, struct err **errp)
{
	const struct stat *was = &image->opened;
	struct stat now;
	if (stat(image->path, &now) < 0)
		return err_set_errno(errp, errno, "%s: after it was read", image->path);
	if (now.st_dev != was->st_dev || now.st_ino != was->st_ino)
		return image_changed(image, "was replaced by another file", errp);
	if (image->device)
		return check_device(image, errp);
	if (now.st_size != was->st_size)
		return image_changed(image, now.st_size > was->st_size ? "grew" : "shrank", errp);
	if (now.st_mtim.tv_sec != was->st_mtim.tv_sec || now.st_mtim.tv_nsec != was->st_mtim.tv_nsec)
		return image_changed(image, "was written to", errp);
	return true;
}

struct blocks *image_connect(const struct image *image, struct err **errp)
{
	struct blocks *blocks = blocks_open(&(struct blocks_source){.socket = image_server_socket(image->server),
								    .export_name = "",
								    .cancel = image->cancel},
					    errp);
	if (blocks)
		return blocks;
	image_server_explain(image->server, errp);
	err_prefix(errp, "%s", image->path);
	return NULL;
}
