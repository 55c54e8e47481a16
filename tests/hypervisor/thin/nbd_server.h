/* SPDX-License-Identifier: Apache-2.0 */
/* A real nbdkit that serves a file of the current folder on the socket "nbd", and ends with the test. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* False where nbdkit is not installed. */
bool nbd_server_is_there(void);
/* Serves the file as every export, read-only; with fail, every read fails. Returns when clients can connect. */
pid_t nbd_server_start(const char *file, bool fail);
/* By SIGKILL; its socket is gone behind it. */
void nbd_server_kill(pid_t server);
