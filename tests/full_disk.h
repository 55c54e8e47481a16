/* SPDX-License-Identifier: Apache-2.0 */
/* A small file system of a test's own, to be full. It is mounted nowhere, so it is gone with the process, whatever ends
 * that. */
#pragma once

/* In the current folder, "full" leads to it until it is closed. -1: this user may have none. */
int full_disk_new(void);
/* Takes all room that is left. */
void full_disk_fill(int disk);
/* Gives back what that took. */
void full_disk_make_room(int disk);
