/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket listens before qemu-nbd starts and is handed to it (LISTEN_FDS), so nobody waits for it to appear: a
 * connection is served once the image is open, or cut when it cannot be opened. It loses its name as soon as it has one
 * and is found through a descriptor, so that nothing is left of it however this process ends. Complaints go to a file
 * in memory.
 */
#include "hypervisor/files/image_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

enum { LISTEN_BACKLOG = 64, LISTEN_FD = 3, COMPLAINT_SIZE = 512, EXEC_FAILED = 127, PID_DIGITS = 20 };

static const char program[] = "qemu-nbd";
static const char no_program[] = "the program 'qemu-nbd' is needed to read qcow2 images, and cannot be run";
static const char listen_pid[] = "LISTEN_PID=";

struct image_server {
	int place;    /* the socket's inode */
	char *socket; /* the way to it, for this process alone */
	int complaints;
	pid_t pid; /* 0: not started */
};

/* Between fork and exec only what is safe in a signal handler may be called: not setenv(), not snprintf(). */
static void write_pid(char *to, pid_t pid)
{
	char digits[PID_DIGITS];
	size_t n = 0;
	for (; pid > 0; pid /= 10)
		digits[n++] = (char)('0' + pid % 10);
	while (n > 0)
		*to++ = digits[--n];
	*to = '\0';
}

static _Noreturn void become_server(const struct image_server *server, int listener, pid_t parent, char *const argv[])
{
	char pid_text[sizeof(listen_pid) + PID_DIGITS];
	memcpy(pid_text, listen_pid, sizeof(listen_pid));
	write_pid(pid_text + sizeof(listen_pid) - 1, getpid());
	char fds_text[] = "LISTEN_FDS=1";
	char path_text[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *environment[] = {pid_text, fds_text, path_text, NULL};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid(); /* Ctrl-C on the terminal is for the parent: it ends us when it is done */
	if (getppid() != parent || dup2(listener, LISTEN_FD) < 0 || dup2(server->complaints, STDERR_FILENO) < 0)
		_exit(EXEC_FAILED);
	if (listener == LISTEN_FD)
		fcntl(LISTEN_FD, F_SETFD, 0);
	execvpe(program, argv, environment);
	ssize_t written = write(STDERR_FILENO, no_program, sizeof(no_program) - 1);
	_exit(written < 0 ? EXEC_FAILED : EXIT_FAILURE);
}

/* Nobody but us can pass through a folder of ours to a socket in it, nor find one that has no name. */
static int bind_without_name(int fd, struct err **errp)
{
	char folder[] = "/tmp/salvor-image-XXXXXX";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (!mkdtemp(folder)) {
		err_set_errno(errp, errno, "make %s", folder);
		return -1;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/nbd", folder);
	int place = -1;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		place = open(address.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0)
		err_set_errno(errp, errno, "make %s", address.sun_path);
	unlink(address.sun_path);
	rmdir(folder);
	return place;
}

static int make_listener(struct image_server *server, struct err **errp)
{
	AUTO(file_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		err_set_errno(errp, errno, "make a socket");
		return -1;
	}
	server->place = bind_without_name(fd, errp);
	if (server->place < 0)
		return -1;
	server->socket = file_format("/proc/self/fd/%d", server->place);
	if (!server->socket || listen(fd, LISTEN_BACKLOG) < 0) {
		err_set_errno(errp, errno, "listen");
		return -1;
	}
	int ret = fd;
	fd = -1;
	return ret;
}

/* In QEMU's options a comma is written twice. */
static char *double_commas(const char *text)
{
	char *doubled = malloc(2 * strlen(text) + 1);
	if (!doubled)
		return NULL;
	char *to = doubled;
	for (; *text; text++) {
		*to++ = *text;
		if (*text == ',')
			*to++ = ',';
	}
	*to = '\0';
	return doubled;
}

static char *image_option(const struct image_server_options *options)
{
	AUTO(freep) char *path = double_commas(options->path);
	if (!path)
		return NULL;
	return file_format("driver=qcow2,force-share=%s,file.driver=%s,file.filename=%s",
			   options->force_share ? "on" : "off", options->device ? "host_device" : "file", path);
}

static bool spawn(struct image_server *server, const struct image_server_options *options, struct err **errp)
{
	AUTO(file_closep) int listener = make_listener(server, errp);
	if (listener < 0)
		return false;
	AUTO(freep) char *image = image_option(options);
	if (!image)
		return err_set_no_memory(errp);
	/* glibc's execvpe() wants writable strings by its type alone. */
	char *argv[] = {(char *)program, "--read-only", "--persistent", "--shared=0", "--image-opts", image, NULL};
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid < 0)
		return err_set_errno(errp, errno, "start %s", program);
	if (pid == 0)
		become_server(server, listener, parent, argv);
	server->pid = pid;
	return true;
}

struct image_server *image_server_start(const struct image_server_options *options, struct err **errp)
{
	AUTO(image_server_freep) struct image_server *server = calloc(1, sizeof(*server));
	if (!server) {
		err_set_no_memory(errp);
		return NULL;
	}
	server->place = -1;
	server->complaints = memfd_create("salvor-complaints", MFD_CLOEXEC);
	if (server->complaints < 0) {
		err_set_errno(errp, errno, "make a file in memory");
		return NULL;
	}
	return spawn(server, options, errp) ? STEAL(&server) : NULL;
}

void image_server_free(struct image_server *server)
{
	if (!server)
		return;
	if (server->pid > 0) {
		kill(server->pid, SIGKILL);
		while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	file_closep(&server->place);
	file_closep(&server->complaints);
	free(server->socket);
	free(server);
}

const char *image_server_socket(const struct image_server *server)
{
	return server->socket;
}

bool image_server_explain(const struct image_server *server, struct err **errp)
{
	char text[COMPLAINT_SIZE];
	ssize_t length = pread(server->complaints, text, sizeof(text) - 1, 0);
	if (length <= 0)
		return false;
	text[length] = '\0';
	text[strcspn(text, "\n")] = '\0';
	err_clear(errp);
	return err_set(errp, ERR_FAILED, "%s", text);
}
