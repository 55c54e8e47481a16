/* SPDX-License-Identifier: Apache-2.0 */
/* Percent encoding as S3's signatures want it: all but letters, digits and -._~, in upper-case hexadecimal. */
#pragma once

#include "base/bytes.h"

void s3_encode(struct bytes *out, const char *text);
/* The same, with the slashes left as they are. */
void s3_encode_path(struct bytes *out, const char *text);
