/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passt's stream socket (its man page, option --socket): each frame behind its length, four bytes, big-endian, in both
 * directions. Bytes that have come wait in a buffer until a frame is whole. When the socket takes only the beginning of
 * a frame its end waits in another buffer, goes out as soon as the socket takes it, and until then frames are lost;
 * whoever sent them sends again.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/network.h"
#include "hypervisor/thin/virtqueue.h"

enum { LENGTH_SIZE = 4, BUFFER_SIZE = 4 * (NETWORK_FRAME_MAX + LENGTH_SIZE) };

struct network_passt {
	struct network network;
	char *path;
	uint8_t come[BUFFER_SIZE];
	size_t come_begin, come_end; /* what of it is not yet delivered */
	uint8_t going[LENGTH_SIZE + NETWORK_FRAME_MAX];
	size_t going_begin, going_end; /* the end of a frame */
	struct iovec vectors[VIRTQUEUE_SEGMENTS + 1];
};

static struct network_passt *passt_of(struct network *network)
{
	return (struct network_passt *)network;
}

static enum network_result end(struct network_passt *passt, const char *why, struct err **errp)
{
	file_closep(&passt->network.ready);
	passt->network.rest = false;
	err_set(errp, ERR_GONE, "passt at %s is gone (%s): start it again", passt->path, why);
	return NETWORK_ENDED;
}

static bool is_later(int errnum)
{
	return errnum == EAGAIN || errnum == EWOULDBLOCK;
}

/* ---- Receiving */

static bool has_frame(const struct network_passt *passt, uint32_t *ret_size)
{
	uint32_t size;
	size_t there = passt->come_end - passt->come_begin;
	if (there < LENGTH_SIZE)
		return false;
	memcpy(&size, passt->come + passt->come_begin, sizeof(size));
	*ret_size = be32toh(size);
	return *ret_size > NETWORK_FRAME_MAX || there - LENGTH_SIZE >= *ret_size;
}

/* Moves what is there to the front, and reads more behind it. NETWORK_DONE where more has come. */
static enum network_result fill(struct network_passt *passt, struct err **errp)
{
	memmove(passt->come, passt->come + passt->come_begin, passt->come_end - passt->come_begin);
	passt->come_end -= passt->come_begin;
	passt->come_begin = 0;
	ssize_t n = TEMP_FAILURE_RETRY(recv(passt->network.ready, passt->come + passt->come_end,
					    sizeof(passt->come) - passt->come_end, MSG_DONTWAIT));
	if (n < 0 && is_later(errno))
		return NETWORK_LATER;
	if (n <= 0)
		return end(passt, n < 0 ? strerror(errno) : "it closed the connection", errp);
	passt->come_end += (size_t)n;
	return NETWORK_DONE;
}

static enum network_result passt_receive(struct network *network, uint8_t *frame, size_t *ret_size, struct err **errp)
{
	struct network_passt *passt = passt_of(network);
	uint32_t size;
	while (!has_frame(passt, &size)) {
		enum network_result result = fill(passt, errp);
		if (result != NETWORK_DONE)
			return result;
	}
	if (size > NETWORK_FRAME_MAX)
		return end(passt, "it sent a frame that is too large", errp);
	memset(frame, 0, NETWORK_HEADER);
	memcpy(frame + NETWORK_HEADER, passt->come + passt->come_begin + LENGTH_SIZE, size);
	*ret_size = NETWORK_HEADER + size;
	passt->come_begin += LENGTH_SIZE + size;
	return NETWORK_DONE;
}

/* ---- Sending */

static enum network_result passt_send_rest(struct network *network, struct err **errp)
{
	struct network_passt *passt = passt_of(network);
	while (passt->going_begin < passt->going_end) {
		ssize_t n =
			TEMP_FAILURE_RETRY(send(passt->network.ready, passt->going + passt->going_begin,
						passt->going_end - passt->going_begin, MSG_DONTWAIT | MSG_NOSIGNAL));
		if (n < 0)
			return is_later(errno) ? NETWORK_LATER : end(passt, strerror(errno), errp);
		passt->going_begin += (size_t)n;
	}
	network->rest = false;
	return NETWORK_DONE;
}

/* The length, and the vectors without the header before the frame. Returns how many vectors. */
static size_t frame_vectors(struct network_passt *passt, uint32_t *length, const struct iovec *from, int n)
{
	size_t skip = NETWORK_HEADER, at = 0;
	passt->vectors[at++] = (struct iovec){length, LENGTH_SIZE};
	for (int i = 0; i < n; i++) {
		size_t part = skip < from[i].iov_len ? skip : from[i].iov_len;
		skip -= part;
		if (part < from[i].iov_len)
			passt->vectors[at++] =
				(struct iovec){(uint8_t *)from[i].iov_base + part, from[i].iov_len - part};
	}
	return at;
}

/* What the socket has not taken of a frame that it began. */
static void keep_rest(struct network_passt *passt, size_t n_vectors, size_t sent)
{
	passt->going_begin = passt->going_end = 0;
	for (size_t i = 0; i < n_vectors; i++) {
		const struct iovec *vector = &passt->vectors[i];
		size_t part = sent < vector->iov_len ? sent : vector->iov_len;
		memcpy(passt->going + passt->going_end, (const uint8_t *)vector->iov_base + part,
		       vector->iov_len - part);
		passt->going_end += vector->iov_len - part;
		sent -= part;
	}
	passt->network.rest = passt->going_end > 0;
}

static enum network_result passt_send(struct network *network, const struct iovec *from, int n, size_t size,
				      struct err **errp)
{
	struct network_passt *passt = passt_of(network);
	uint32_t length = htobe32((uint32_t)(size - NETWORK_HEADER));
	enum network_result result = passt_send_rest(network, errp);
	if (result != NETWORK_DONE)
		return result == NETWORK_ENDED ? NETWORK_ENDED : NETWORK_DONE;
	size_t n_vectors = frame_vectors(passt, &length, from, n);
	struct msghdr message = {.msg_iov = passt->vectors, .msg_iovlen = n_vectors};
	ssize_t sent = TEMP_FAILURE_RETRY(sendmsg(network->ready, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
	if (sent < 0 && !is_later(errno))
		return end(passt, strerror(errno), errp);
	if (sent > 0)
		keep_rest(passt, n_vectors, (size_t)sent);
	return NETWORK_DONE;
}

/* ---- Life */

static size_t passt_descriptors(const struct network *network, int *ret)
{
	ret[0] = network->ready;
	return 1;
}

static void passt_free(struct network *network)
{
	struct network_passt *passt = passt_of(network);
	file_closep(&network->ready);
	free(passt->path);
	free(passt);
}

static const struct network_ops passt_ops = {.receive = passt_receive,
					     .send = passt_send,
					     .send_rest = passt_send_rest,
					     .descriptors = passt_descriptors,
					     .free = passt_free};

static bool refuse(const char *path, int errnum, struct err **errp)
{
	struct stat file;
	if (errnum == ENOENT)
		return err_set(errp, ERR_NOT_FOUND,
			       "no passt listens at %s, where there is nothing: start it first (passt --socket %s), as "
			       "root in a folder that the user nobody may write to, or with --runas 0",
			       path, path);
	if (errnum != ECONNREFUSED || stat(path, &file) != 0)
		return err_set_errno(errp, errnum, "connect to passt at %s", path);
	if (!S_ISSOCK(file.st_mode))
		return err_set(errp, ERR_USAGE, "%s is no socket: name the one that passt makes (passt --socket PATH)",
			       path);
	return err_set(errp, ERR_NOT_FOUND,
		       "no passt listens at %s any more, only its socket's file is left: start it again (passt "
		       "--socket %s)",
		       path, path);
}

static bool connect_to(struct network_passt *passt, struct err **errp)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(passt->path) >= sizeof(address.sun_path))
		return err_set(errp, ERR_USAGE, "%s: the path of a socket has at most %zu bytes", passt->path,
			       sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, passt->path, strlen(passt->path));
	passt->network.ready = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (passt->network.ready < 0)
		return err_set_errno(errp, errno, "make a socket for passt");
	if (connect(passt->network.ready, (struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	return refuse(passt->path, errno, errp);
}

struct network *network_open_passt(const char *path, struct err **errp)
{
	struct network_passt *passt = calloc(1, sizeof(*passt));
	if (!passt) {
		err_set_no_memory(errp);
		return NULL;
	}
	AUTO(network_freep) struct network *network = &passt->network;
	passt->network = (struct network){.ops = &passt_ops, .ready = -1, .offloads = false};
	passt->path = strdup(path);
	if (!passt->path) {
		err_set_no_memory(errp);
		return NULL;
	}
	return connect_to(passt, errp) ? STEAL(&network) : NULL;
}
