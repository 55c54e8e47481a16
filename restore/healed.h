/* SPDX-License-Identifier: Apache-2.0 */
/* What of a stream was read from elsewhere, since it is damaged where it lies: in words. */
#pragma once

#include "storage/rescue.h"

/* "3 chunks of disk vda are damaged here, and were read from … instead"; a new string, NULL on lack of memory. */
char *healed_text(const struct rescue_healed *healed);
/* The same when it has only begun: "what is damaged of disk vda is read from … instead". */
char *healed_text_begun(const struct rescue_healed *healed);
