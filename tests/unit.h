/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka wants these before itself. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What cmocka does not say of fail() and fail_msg(): the test ends there. */
__attribute__((noreturn)) void _fail(const char *file, int line); // NOLINT(readability-redundant-declaration)
