/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bad network between a client and an S3 service: passes requests on unchanged, so that signatures hold, and lets go
 * wrong what rules say.
 *
 *	s3_proxy SERVICE:PORT LOG       prints the address that it listens at, one of its own
 *
 * Rules are set, and what went through is asked for, by requests of their own:
 *
 *	curl --data-binary 'delay=30' http://ADDRESS/-/rules       tests/s3/proxy/rules.h says what a rule is
 *	curl http://ADDRESS/-/counts                               "kind class requests sent received" a line
 *	curl --data '' http://ADDRESS/-/reset                      of the counts
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "tests/s3/proxy/counts.h"
#include "tests/s3/proxy/serve.h"

static struct sockaddr_in service;

static bool parse_address(const char *text, struct sockaddr_in *ret)
{
	char host[64], *end;
	size_t len = strcspn(text, ":");
	unsigned long port = text[len] == ':' ? strtoul(text + len + 1, &end, 10) : 0;

	if (port == 0 || port > UINT16_MAX || *end != '\0' || len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	*ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	return inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

/* A loopback address of its own: any number of proxies run at once, and none meets another's port. */
static int listen_somewhere(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7470)};
	uint32_t random;
	int fd, on = 1;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -1;
	address.sin_addr.s_addr = htonl(0x7f000000 | (random & 0x00fffffe) | 0x00010000);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 256) != 0)
		return -1;
	printf("%s:%d\n", inet_ntoa(address.sin_addr), ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void *serve_client(void *arg)
{
	serve((int)(intptr_t)arg, &service);
	return NULL;
}

static void accept_one(int listener, const pthread_attr_t *detached)
{
	int on = 1, client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	pthread_t thread;

	if (client < 0)
		return;
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (pthread_create(&thread, detached, serve_client, (void *)(intptr_t)client) != 0)
		perror("s3_proxy: no thread");
}

int main(int argc, char **argv)
{
	pthread_attr_t detached;
	int listener;

	if (argc != 3 || !parse_address(argv[1], &service)) {
		fprintf(stderr, "usage: s3_proxy SERVICE:PORT LOG\n");
		return 2;
	}
	if (!counts_open_log(argv[2]) || (listener = listen_somewhere()) < 0) {
		fprintf(stderr, "s3_proxy: %s\n", strerror(errno));
		return 1;
	}
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	for (;;)
		accept_one(listener, &detached);
}
