/* SPDX-License-Identifier: Apache-2.0 */
/* Of the build: writes the manual page of salvor-vmm to standard output. */
#include "hypervisor/thin/vmm_manual.h"

int main(void)
{
	vmm_man_print(stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}
