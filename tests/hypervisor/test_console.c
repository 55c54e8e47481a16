/* SPDX-License-Identifier: Apache-2.0 */
/* What is typed, over a pipe, to a guest that is at the other end of the console's socket. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/libvirt/console.h"
#include "tests/folder.h"
#include "tests/unit.h"

enum { PIECE = 4096, ALARM_US = 1000, REFUSED_ENOUGH = 3, PATIENCE_S = 60 };

struct scene {
	void *folder;
	struct console *console;
	int in[2], out[2]; /* pipes */
	int guest;
};

static struct scene scene;

static int enter(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	char ready[5];
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(folder_enter(&scene.folder), 0);
	assert_int_equal(pipe2(scene.in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(scene.out, O_CLOEXEC), 0);
	scene.console = console_start("socket", &(struct console_ends){.in = scene.in[0], .out = scene.out[1]}, &err);
	assert_non_null(scene.console);
	scene.guest = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(scene.guest, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(setsockopt(scene.guest, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	/* What is typed before it is heard is nobody's. */
	assert_int_equal(write(scene.guest, "ready", sizeof(ready)), sizeof(ready));
	assert_int_equal(read(scene.out[0], ready, sizeof(ready)), sizeof(ready));
	return 0;
}

static int leave(void **state)
{
	(void)state;
	file_closep(&scene.guest);
	console_stop(scene.console);
	for (size_t i = 0; i < 2; i++) {
		file_closep(&scene.in[i]);
		file_closep(&scene.out[i]);
	}
	return folder_leave(&scene.folder);
}

static void type(const char *text)
{
	assert_int_equal(write(scene.in[1], text, strlen(text)), strlen(text));
}

static void assert_escaped(void)
{
	struct pollfd escaped = {.fd = console_escaped_fd(scene.console), .events = POLLIN};
	assert_int_equal(poll(&escaped, 1, PATIENCE_S * 1000), 1);
}

static void what_is_typed_comes_until_the_escape(void **state)
{
	char heard[16] = "";
	(void)state;
	type("web01!");
	assert_escaped();
	assert_int_equal(recv(scene.guest, heard, sizeof(heard) - 1, 0), 5);
	assert_string_equal(heard, "web01");
}

static void a_guest_that_hears_no_more_can_be_left(void **state)
{
	(void)state;
	assert_int_equal(shutdown(scene.guest, SHUT_RD), 0);
	type("web01");
	type("");
	assert_escaped();
}

/* ---- signals ---- */

static sem_t rung;

static void on_alarm(int signal_number)
{
	(void)signal_number;
	sem_post(&rung);
}

/* From now on the console's thread alone is interrupted, whatever it waits for. */
static void ring(void)
{
	const struct sigaction action = {.sa_handler = on_alarm};
	const struct itimerval often = {.it_interval = {.tv_usec = ALARM_US}, .it_value = {.tv_usec = ALARM_US}};
	sigset_t alarms;
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	assert_int_equal(sem_init(&rung, 0, 0), 0);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &alarms, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
}

static void await_ring(void)
{
	while (sem_trywait(&rung) == 0) {
	}
	assert_int_equal(sem_wait(&rung), 0);
}

static void stop_ringing(void)
{
	const struct itimerval never = {0};
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	signal(SIGALRM, SIG_IGN);
}

static char letter(size_t i)
{
	return (char)('a' + i % 26);
}

/* Until no more is taken, however often the guest's side is interrupted; returns how much that is. */
static size_t type_all_that_fits(void)
{
	size_t typed = 0;
	assert_int_equal(fcntl(scene.in[1], F_SETFL, O_NONBLOCK), 0);
	for (unsigned refused = 0; refused < REFUSED_ENOUGH;) {
		const char byte = letter(typed);
		if (write(scene.in[1], &byte, 1) == 1) {
			typed++;
			refused = 0;
			continue;
		}
		assert_int_equal(errno, EAGAIN);
		await_ring();
		refused++;
	}
	return typed;
}

static void nothing_is_lost_where_a_signal_interrupts(void **state)
{
	char data[PIECE];
	(void)state;
	ring();
	const size_t typed = type_all_that_fits();
	for (size_t heard = 0; heard < typed;) {
		ssize_t got = recv(scene.guest, data, sizeof(data), 0);
		if (got <= 0)
			fail_msg("of %zu letters that were typed, %zu came", typed, heard);
		for (ssize_t i = 0; i < got; i++)
			assert_int_equal(data[i], letter(heard++));
	}
	stop_ringing();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_typed_comes_until_the_escape, enter, leave),
		cmocka_unit_test_setup_teardown(a_guest_that_hears_no_more_can_be_left, enter, leave),
		cmocka_unit_test_setup_teardown(nothing_is_lost_where_a_signal_interrupts, enter, leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
