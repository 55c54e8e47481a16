/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the C library that have no safe use here. The build puts this header in front of every source. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BANNED(instead) __attribute__((unavailable("use " instead)))

char *strcpy(char *to, const char *from) BANNED("file_format() or memcpy()");
char *strcat(char *to, const char *from) BANNED("file_format()");
char *strncpy(char *to, const char *from, size_t n) BANNED("memcpy()");
char *strncat(char *to, const char *from, size_t n) BANNED("file_format()");
char *strtok(char *text, const char *delimiters) BANNED("strtok_r() or strcspn()");
int sprintf(char *to, const char *format, ...) BANNED("snprintf()");
int vsprintf(char *to, const char *format, va_list args) BANNED("vsnprintf()");
int atoi(const char *text) BANNED("strtoull() and look at its end");
long atol(const char *text) BANNED("strtoull() and look at its end");
long long atoll(const char *text) BANNED("strtoull() and look at its end");
double atof(const char *text) BANNED("strtod() and look at its end");

#undef BANNED
