/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648) in lines of 76 letters, each with a line feed. */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"

void base64_encode(struct span plain, struct bytes *out);
/* Exactly what the encoder makes, but lines may have any length. False otherwise, and when there is no room. */
bool base64_decode(struct span text, struct bytes *out);
