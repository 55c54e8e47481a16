/* SPDX-License-Identifier: Apache-2.0 */
/* All that a server says from its greeting on: the handshake, and then answers to reads. */
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "hypervisor/thin/nbd_client.h"

enum { SAID_MAX = 64 << 10, READS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void talk(struct nbd_client *client, int fd)
{
	AUTO(err_freep) struct err *err = NULL;
	struct nbd_facts facts;
	uint8_t bytes[700];
	const struct iovec parts[] = {{bytes, 100}, {bytes + 100, 0}, {bytes + 100, 600}};
	if (!nbd_client_adopt(client, fd, &facts, &err))
		return;
	for (int i = 0; i < READS; i++) {
		err_clear(&err);
		(void)!nbd_client_read(client, facts.size, parts, 3, &err);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	int ends[2];
	if (size > SAID_MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return 0;
	AUTO(nbd_client_freep) struct nbd_client *client = nbd_client_new("socket", "export", &err);
	ssize_t said = write(ends[1], data, size);
	shutdown(ends[1], SHUT_WR);
	if (client && said == (ssize_t)size)
		talk(client, ends[0]);
	else
		close(ends[0]);
	close(ends[1]);
	return 0;
}
