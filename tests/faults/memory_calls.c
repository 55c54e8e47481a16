/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, threads and processes, as far as the program itself asks for them. */
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/faults/faults.h"

/* The C library's own names: dlsym() itself may need memory. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* What the C library's checked headers make of asprintf() and vasprintf(). */
int __asprintf_chk(char **text, int flag, const char *format, ...);
int __vasprintf_chk(char **text, int flag, const char *format, va_list args);

#define OURS(kind) fault_next_by(__builtin_return_address(0), kind, __func__)

#define CALL(type, failed, kind, name, parameters, real)           \
	type name parameters                                       \
	{                                                          \
		return OURS(kind) != FAULT_NONE ? (failed) : real; \
	}

CALL(void *, NULL, FAULT_ALLOC, malloc, (size_t size), __libc_malloc(size))
CALL(void *, NULL, FAULT_ALLOC, calloc, (size_t n, size_t size), __libc_calloc(n, size))
CALL(void *, NULL, FAULT_ALLOC, realloc, (void *old, size_t size), __libc_realloc(old, size))
CALL(void *, NULL, FAULT_ALLOC, aligned_alloc, (size_t alignment, size_t size), __libc_memalign(alignment, size))
CALL(void *, NULL, FAULT_ALLOC, reallocarray, (void *old, size_t n, size_t size), REAL(reallocarray)(old, n, size))
CALL(char *, NULL, FAULT_ALLOC, strdup, (const char *text), REAL(strdup)(text))
CALL(char *, NULL, FAULT_ALLOC, strndup, (const char *text, size_t n), REAL(strndup)(text, n))
CALL(char *, NULL, FAULT_ALLOC, realpath, (const char *path, char *ret), REAL(realpath)(path, ret))
CALL(FILE *, NULL, FAULT_ALLOC, open_memstream, (char **data, size_t *len), REAL(open_memstream)(data, len))
CALL(int, -1, FAULT_ALLOC, vasprintf, (char **text, const char *format, va_list args),
     REAL(vasprintf)(text, format, args))
CALL(int, -1, FAULT_ALLOC, __vasprintf_chk, (char **text, int flag, const char *format, va_list args),
     REAL(__vasprintf_chk)(text, flag, format, args))

int __asprintf_chk(char **text, int flag, const char *format, ...)
{
	if (OURS(FAULT_ALLOC) != FAULT_NONE)
		return -1;
	va_list args;
	va_start(args, format);
	int length = REAL(__vasprintf_chk)(text, flag, format, args);
	va_end(args);
	return length;
}

CALL(pid_t, -1, FAULT_THREAD, fork, (void), REAL(fork)())

/* These say what is wrong by their result. */
CALL(int, errno, FAULT_THREAD, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg),
     REAL(pthread_create)(thread, attributes, run, arg))
CALL(int, errno, FAULT_THREAD, posix_spawnp,
     (pid_t * pid, const char *program, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
      char *const argv[], char *const environment[]),
     REAL(posix_spawnp)(pid, program, actions, attributes, argv, environment))
