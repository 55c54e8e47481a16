/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

struct err;
struct thin_machine;

/* Whether anything of the machine in this folder runs. */
NODISCARD bool machine_folder_runs(const char *folder, bool *ret, struct err **errp);
enum { MACHINE_PID_TEXT = 32 };

/* The number of its salvor-vmm, as ", pid 123"; "" where none is known that is there. Returns text. */
const char *machine_folder_pid_text(const char *folder, char text[MACHINE_PID_TEXT]);
/* Before it starts: the log has a line of an end without a word, and the lock nothing of its last life. */
NODISCARD bool machine_begin(const struct thin_machine *machine, int lock, struct err **errp);
/* It runs. */
void machine_note_running(int lock);
/* Writes the file pid. The process lives, or was not waited for yet. */
NODISCARD bool thin_machine_write_pid(const struct thin_machine *machine, pid_t pid, struct err **errp);

/* Until a process ends, by its descriptor, or a socket has something to read; false where it does not until then. */
bool machine_await(int fd, uint64_t until);

/* ERR_USAGE where a socket cannot have this path. */
NODISCARD bool thin_socket_fits(const char *path, struct err **errp);

/* A folder that is ours, and that nobody else can write to; ERR_DENIED. -1 on failure. */
NODISCARD int thin_folder_open(const char *path, struct err **errp);
/* What is in a folder, below an open one or AT_FDCWD. No link is followed to it. NULL on failure. */
NODISCARD DIR *thin_folder_entries(int parent, const char *path, struct err **errp);
void thin_folder_closep(DIR **folder);
