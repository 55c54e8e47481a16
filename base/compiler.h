/* SPDX-License-Identifier: Apache-2.0 */
/* The C dialect of Salvor: gnu17 and these few words. */
#pragma once

#include <stdlib.h>

#include <stddef.h>

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))

/* Runs release(&variable) when the variable leaves its scope. The variable must be initialised. */
#define AUTO(release) __attribute__((cleanup(release)))

/* Takes the value out of an AUTO variable, so that its owner is now someone else. */
#define STEAL(pointer)                              \
	({                                          \
		__typeof__(pointer) p_ = (pointer); \
		__typeof__(*p_) v_ = *p_;           \
		*p_ = NULL;                         \
		v_;                                 \
	})

/* The same for a file descriptor, which is -1 when it is none. */
#define STEAL_FD(pointer)            \
	({                           \
		int *p_ = (pointer); \
		int v_ = *p_;        \
		*p_ = -1;            \
		v_;                  \
	})

/* Declares name##p(), the AUTO release function for a `type *` with a free function. */
#define DEFINE_AUTO_FREE(type, free_function)              \
	static inline void free_function##p(type **object) \
	{                                                  \
		free_function(*object);                    \
		*object = NULL;                            \
	}                                                  \
	_Static_assert(1, "")

/* AUTO release for what malloc() gave: AUTO(freep) char *text. */
static inline void freep(void *pointer)
{
	free(*(void **)pointer);
}

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
