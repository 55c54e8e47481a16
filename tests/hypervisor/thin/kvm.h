/* SPDX-License-Identifier: Apache-2.0 */
/* Tests on the real /dev/kvm. */
#pragma once

#include <stdbool.h>

enum { KVM_SKIPPED = 77 };

/* /dev/kvm, to close at the end; -1 where this host has none, or not Debian's SeaBIOS for tests that need it. That is
 * told then, and main() returns KVM_SKIPPED. */
int kvm_open(bool with_firmware);
