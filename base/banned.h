/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the C library that have no safe use here. The build puts this header in front of every source. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* They do not know how much room there is: file_format(), snprintf() or memcpy() instead. */
#pragma GCC poison strcpy strcat strncpy strncat stpcpy sprintf vsprintf

/* They cannot say that it was no number: strtoull() or strtod(), and a look at the end. */
#pragma GCC poison atoi atol atoll atof

/* They keep a state of their own: strtok_r(), gmtime_r(), localtime_r() and strftime(). */
#pragma GCC poison strtok asctime ctime gmtime localtime
