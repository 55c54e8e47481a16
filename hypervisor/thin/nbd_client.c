/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/nbd_client.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

/* proto.md, "Values": of the handshake, */
#define MAGIC_SERVER UINT64_C(0x4e42444d41474943)
#define MAGIC_OPTION UINT64_C(0x49484156454f5054)
#define MAGIC_OPTION_REPLY UINT64_C(0x0003e889045565a9)
enum { FLAG_FIXED_NEWSTYLE = 1, FLAG_NO_ZEROES = 2 };
enum { OPTION_GO = 7, REPLY_ACK = 1, REPLY_INFO = 3, INFO_EXPORT = 0, INFO_DESCRIPTION = 2 };
/* and of the transmission. */
#define MAGIC_REQUEST UINT32_C(0x25609513)
#define MAGIC_REPLY UINT32_C(0x67446698)
enum { COMMAND_READ = 0, ERROR_SHUTDOWN = 108 };

#define REPLY_ERROR UINT32_C(0x80000000)

enum {
	PATIENCE_S = 120, /* for one answer: a repository may be far away */
	REPLIES_MAX = 64, /* of a handshake */
	REPLY_MAX = 4096,
	READ_MAX = 2 << 20,
	PARTS_MAX = 64,
};

struct nbd_client {
	struct sockaddr_un address;
	char *export_name;
	int fd;
	uint64_t cookie;
};

/* ---- bytes ---- */

static bool lost(struct nbd_client *client, const char *why, struct err **errp)
{
	file_closep(&client->fd);
	return err_set(errp, ERR_GONE, "the NBD server at %s %s", client->address.sun_path, why);
}

static bool lost_by_errno(struct nbd_client *client, int errnum, struct err **errp)
{
	return lost(client, errnum == EAGAIN ? "does not answer any more" : strerror(errnum), errp);
}

static bool send_all(struct nbd_client *client, const void *data, size_t size, struct err **errp)
{
	for (const uint8_t *at = data; size > 0;) {
		ssize_t done = send(client->fd, at, size, MSG_NOSIGNAL);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return lost_by_errno(client, errno, errp);
		at += done;
		size -= (size_t)done;
	}
	return true;
}

/* The first bytes are there. */
static void use_up(struct iovec **parts, int *n, size_t bytes)
{
	while (*n > 0 && bytes >= (*parts)->iov_len) {
		bytes -= (*parts)->iov_len;
		(*parts)++;
		(*n)--;
	}
	if (*n > 0) {
		(*parts)->iov_base = (uint8_t *)(*parts)->iov_base + bytes;
		(*parts)->iov_len -= bytes;
	}
}

/* Changes the parts. */
static bool receive_parts(struct nbd_client *client, struct iovec *parts, int n, struct err **errp)
{
	for (use_up(&parts, &n, 0); n > 0;) {
		ssize_t got = readv(client->fd, parts, n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return lost_by_errno(client, errno, errp);
		if (got == 0)
			return lost(client, "has closed the connection", errp);
		use_up(&parts, &n, (size_t)got);
	}
	return true;
}

static bool receive(struct nbd_client *client, void *data, size_t size, struct err **errp)
{
	struct iovec part = {.iov_base = data, .iov_len = size};
	return receive_parts(client, &part, 1, errp);
}

/* ---- handshake ---- */

struct greeting {
	uint64_t magic, magic_option;
	uint16_t flags;
} __attribute__((packed));

struct option {
	uint32_t client_flags;
	uint64_t magic;
	uint32_t option, length, name_length;
} __attribute__((packed));

struct option_reply {
	uint64_t magic;
	uint32_t option, type, length;
} __attribute__((packed));

struct request {
	uint32_t magic;
	uint16_t flags, command;
	uint64_t cookie, offset;
	uint32_t length;
} __attribute__((packed));

struct reply {
	uint32_t magic, error;
	uint64_t cookie;
} __attribute__((packed));

static bool greet(struct nbd_client *client, struct err **errp)
{
	struct greeting greeting;
	if (!receive(client, &greeting, sizeof(greeting), errp))
		return false;
	const uint16_t needed = FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES;
	if (be64toh(greeting.magic) != MAGIC_SERVER || be64toh(greeting.magic_option) != MAGIC_OPTION ||
	    (be16toh(greeting.flags) & needed) != needed)
		return lost(client, "does not speak NBD's fixed newstyle", errp);
	return true;
}

static bool ask_for_export(struct nbd_client *client, struct err **errp)
{
	const uint16_t wanted[] = {htobe16(1), htobe16(INFO_DESCRIPTION)};
	uint32_t name = (uint32_t)strlen(client->export_name);
	const struct option option = {.client_flags = htobe32(FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES),
				      .magic = htobe64(MAGIC_OPTION),
				      .option = htobe32(OPTION_GO),
				      .length = htobe32((uint32_t)(sizeof(name) + name + sizeof(wanted))),
				      .name_length = htobe32(name)};
	return send_all(client, &option, sizeof(option), errp) && send_all(client, client->export_name, name, errp) &&
	       send_all(client, wanted, sizeof(wanted), errp);
}

static bool refused(struct nbd_client *client, const uint8_t *text, size_t size, struct err **errp)
{
	AUTO(freep)
	char *why = file_format("has no export '%s'%s%.*s", client->export_name, size ? ": " : "",
				(int)(size < NBD_TEXT_MAX ? size : NBD_TEXT_MAX), (const char *)text);
	return lost(client, why ? why : "has no such export", errp);
}

/* An answer with facts: u16 kind, then what is of that kind. */
static void take_info(const uint8_t *data, size_t size, struct nbd_facts *facts, bool *ret_has_size)
{
	uint16_t kind;
	if (size < sizeof(kind))
		return;
	memcpy(&kind, data, sizeof(kind));
	data += sizeof(kind);
	size -= sizeof(kind);
	if (be16toh(kind) == INFO_EXPORT && size >= sizeof(facts->size)) {
		memcpy(&facts->size, data, sizeof(facts->size));
		facts->size = be64toh(facts->size);
		*ret_has_size = true;
	}
	if (be16toh(kind) == INFO_DESCRIPTION && size <= NBD_TEXT_MAX) {
		memcpy(facts->description, data, size);
		facts->description[size] = '\0';
	}
}

/* *ret_done: nothing more comes of the handshake. */
static bool take_reply(struct nbd_client *client, struct nbd_facts *facts, bool *has_size, bool *ret_done,
		       struct err **errp)
{
	struct option_reply reply;
	uint8_t data[REPLY_MAX];
	if (!receive(client, &reply, sizeof(reply), errp))
		return false;
	uint32_t length = be32toh(reply.length), type = be32toh(reply.type);
	if (be64toh(reply.magic) != MAGIC_OPTION_REPLY || be32toh(reply.option) != OPTION_GO || length > sizeof(data))
		return lost(client, "breaks the NBD protocol", errp);
	if (!receive(client, data, length, errp))
		return false;
	if (type & REPLY_ERROR)
		return refused(client, data, length, errp);
	if (type == REPLY_INFO)
		take_info(data, length, facts, has_size);
	*ret_done = type == REPLY_ACK;
	return true;
}

static bool shake_hands(struct nbd_client *client, struct nbd_facts *facts, struct err **errp)
{
	bool has_size = false, done = false;
	if (!greet(client, errp) || !ask_for_export(client, errp))
		return false;
	for (unsigned i = 0; i < REPLIES_MAX && !done; i++)
		if (!take_reply(client, facts, &has_size, &done, errp))
			return false;
	return (done && has_size) || lost(client, "breaks the NBD protocol", errp);
}

static bool open_socket(struct nbd_client *client, struct err **errp)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return err_set_errno(errp, errno, "cannot make a socket");
	if (setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(client->fd, (const struct sockaddr *)&client->address, sizeof(client->address)) < 0)
		return lost(client, errno == ENOENT || errno == ECONNREFUSED ? "is gone" : strerror(errno), errp);
	return true;
}

/* ---- life ---- */

struct nbd_client *nbd_client_new(const char *socket_path, const char *export_name, struct err **errp)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(socket_path) >= sizeof(address.sun_path)) {
		err_set(errp, ERR_USAGE, "the socket's path is too long for a socket: %s", socket_path);
		return NULL;
	}
	if (strlen(export_name) > NBD_TEXT_MAX) {
		err_set(errp, ERR_USAGE, "the name of the NBD export is longer than %d bytes", NBD_TEXT_MAX);
		return NULL;
	}
	memcpy(address.sun_path, socket_path, strlen(socket_path));
	AUTO(nbd_client_freep) struct nbd_client *client = malloc(sizeof(*client));
	if (client)
		*client = (struct nbd_client){.address = address, .fd = -1, .export_name = strdup(export_name)};
	if (!client || !client->export_name) {
		err_set_no_memory(errp);
		return NULL;
	}
	return STEAL(&client);
}

void nbd_client_free(struct nbd_client *client)
{
	if (!client)
		return;
	file_closep(&client->fd);
	free(client->export_name);
	free(client);
}

bool nbd_client_connect(struct nbd_client *client, struct nbd_facts *ret, struct err **errp)
{
	file_closep(&client->fd);
	return open_socket(client, errp) && nbd_client_adopt(client, STEAL_FD(&client->fd), ret, errp);
}

bool nbd_client_adopt(struct nbd_client *client, int fd, struct nbd_facts *ret, struct err **errp)
{
	struct nbd_facts facts = {0};
	file_closep(&client->fd);
	client->fd = fd;
	if (!shake_hands(client, &facts, errp))
		return false;
	*ret = facts;
	return true;
}

void nbd_client_disconnect(struct nbd_client *client)
{
	file_closep(&client->fd);
}

bool nbd_client_is_connected(const struct nbd_client *client)
{
	return client->fd >= 0;
}

int nbd_client_fd(const struct nbd_client *client)
{
	return client->fd;
}

/* ---- reading ---- */

static bool refuse_read(struct nbd_client *client, uint32_t error, uint64_t offset, struct err **errp)
{
	if (error == ERROR_SHUTDOWN)
		return err_set(errp, ERR_GONE, "the NBD server at %s cannot reach what it serves",
			       client->address.sun_path);
	return err_set(errp, ERR_FAILED, "the NBD server at %s cannot read at %" PRIu64 " (error %" PRIu32 ")",
		       client->address.sun_path, offset, error);
}

/* At most READ_MAX bytes. Changes the parts. */
static bool read_parts(struct nbd_client *client, uint64_t offset, struct iovec *parts, int n, uint32_t length,
		       struct err **errp)
{
	const struct request request = {.magic = htobe32(MAGIC_REQUEST),
					.command = htobe16(COMMAND_READ),
					.cookie = htobe64(++client->cookie),
					.offset = htobe64(offset),
					.length = htobe32(length)};
	struct reply reply;
	if (!send_all(client, &request, sizeof(request), errp) || !receive(client, &reply, sizeof(reply), errp))
		return false;
	if (be32toh(reply.magic) != MAGIC_REPLY || reply.cookie != request.cookie)
		return lost(client, "breaks the NBD protocol", errp);
	if (reply.error)
		return refuse_read(client, be32toh(reply.error), offset, errp);
	return receive_parts(client, parts, n, errp);
}

/* What is still to be filled: parts[i] from `done` on, and those behind it. */
struct progress {
	const struct iovec *parts;
	int n, i;
	size_t done;
};

/* The next parts, together at most READ_MAX bytes. Returns how many bytes; 0 at the end. */
static uint32_t next_parts(struct progress *progress, struct iovec ret[PARTS_MAX], int *ret_n)
{
	size_t length = 0;
	*ret_n = 0;
	while (*ret_n < PARTS_MAX && length < READ_MAX && progress->i < progress->n) {
		const struct iovec *part = &progress->parts[progress->i];
		size_t left = part->iov_len - progress->done, room = READ_MAX - length;
		size_t step = left < room ? left : room;
		ret[(*ret_n)++] = (struct iovec){(uint8_t *)part->iov_base + progress->done, step};
		length += step;
		progress->done += step;
		if (progress->done == part->iov_len) {
			progress->i++;
			progress->done = 0;
		}
	}
	return (uint32_t)length;
}

bool nbd_client_read(struct nbd_client *client, uint64_t offset, const struct iovec *to, int n, struct err **errp)
{
	struct progress progress = {.parts = to, .n = n};
	struct iovec parts[PARTS_MAX];
	int count;
	if (client->fd < 0)
		return lost(client, "is gone", errp);
	for (uint32_t length; (length = next_parts(&progress, parts, &count)) > 0; offset += length)
		if (!read_parts(client, offset, parts, count, length, errp))
			return false;
	return true;
}
