/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/encode.h"

#include <ctype.h>
#include <string.h>

static void encode(struct bytes *out, const char *text, const char *plain)
{
	static const char digits[] = "0123456789ABCDEF";
	for (; *text; text++) {
		const uint8_t byte = (uint8_t)*text;
		if ((byte < 128 && isalnum(byte)) || strchr(plain, byte)) {
			bytes_u8(out, byte);
			continue;
		}
		bytes_u8(out, '%');
		bytes_u8(out, (uint8_t)digits[byte >> 4]);
		bytes_u8(out, (uint8_t)digits[byte & 15]);
	}
}

void s3_encode(struct bytes *out, const char *text)
{
	encode(out, text, "-._~");
}

void s3_encode_path(struct bytes *out, const char *text)
{
	encode(out, text, "-._~/");
}
