/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/hypervisor/thin/kvm.h"

#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "hypervisor/thin/firmware.h"
#include "hypervisor/thin/vm.h"

int kvm_open(bool with_firmware)
{
	AUTO(err_freep) struct err *err = NULL;
	if (with_firmware && access(FIRMWARE_DEBIAN, R_OK) != 0) {
		printf("skipped: no " FIRMWARE_DEBIAN "\n");
		return -1;
	}
	int kvm = vm_open_kvm("/dev/kvm", &err);
	if (kvm < 0)
		printf("skipped: %s\n", err_message(err));
	return kvm;
}
