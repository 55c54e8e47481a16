#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every public header compiles on its own.
exec cmake --build "$SALVOR_BUILD" --target all_verify_interface_header_sets
