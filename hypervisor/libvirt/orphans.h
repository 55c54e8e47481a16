/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each QEMU that libvirt starts leaves its parent, and belongs to process 1 from then on. Where that cares for nobody,
 * as in some containers, a QEMU that ended stays in the list of processes, and libvirt waits for it to go. So they
 * become ours, and go.
 */
#pragma once

/* From now on, as long as this process lives. After event_loop_start(). */
void orphans_adopt(void);
