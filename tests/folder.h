/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of its own for each test, which is the current one while the test runs: setup and teardown for cmocka. */
#pragma once

/* *state is the folder's path. */
int folder_enter(void **state);
/* Removes it with all that is in it. */
int folder_leave(void **state);
