# SPDX-License-Identifier: Apache-2.0
# The dialect, the warnings, and what a preset adds to them. Everything below the root is compiled with this.

include(CheckIPOSupported)
include(CheckPIESupported)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # gnu17
set(CMAKE_POSITION_INDEPENDENT_CODE ON) # the static rooms also go into the nbdkit plugin
check_pie_supported(LANGUAGES C)

add_compile_definitions(_GNU_SOURCE _FILE_OFFSET_BITS=64 SALVOR_VERSION="${PROJECT_VERSION}")
# -Wno-sign-conversion makes clang's -Wconversion mean what gcc's does.
add_compile_options(
	-Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef
	-include ${PROJECT_SOURCE_DIR}/base/banned.h)

if(SALVOR_WERROR)
	add_compile_options(-Werror)
endif()

if(SALVOR_SANITIZE)
	add_compile_options(-fsanitize=${SALVOR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
	add_link_options(-fsanitize=${SALVOR_SANITIZE})
	# gcc's manual: sanitizers make this warning wrong.
	add_compile_options($<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()

if(SALVOR_FUZZ)
	add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# OpenSSF, "Compiler Options Hardening Guide for C and C++", as far as gcc 12 knows them.
if(SALVOR_HARDEN)
	add_compile_options(
		-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
		-fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero
		-fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing)
	if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
		add_compile_options(-fcf-protection=full)
	endif()
	add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
	check_ipo_supported(RESULT salvor_lto LANGUAGES C)
	set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${salvor_lto})
endif()
