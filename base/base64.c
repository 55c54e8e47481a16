/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <string.h>

enum { LINE_GROUPS = 19 };

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* One to three bytes as four letters. */
static void encode_group(const uint8_t *plain, size_t len, char ret[4])
{
	uint32_t group = (uint32_t)plain[0] << 16;
	if (len > 1)
		group |= (uint32_t)plain[1] << 8;
	if (len > 2)
		group |= plain[2];
	for (size_t i = 0; i < 4; i++)
		ret[i] = i <= len ? letters[group >> (18 - 6 * i) & 63] : '=';
}

void base64_encode(struct span plain, struct bytes *out)
{
	const uint8_t *at = plain.data;
	char group[4];
	for (size_t done = 0, groups = 1; done < plain.len; done += 3, groups++) {
		size_t left = plain.len - done;
		encode_group(at + done, left < 3 ? left : 3, group);
		bytes_put(out, group, sizeof(group));
		if (groups % LINE_GROUPS == 0 || left <= 3)
			bytes_u8(out, '\n');
	}
}

static bool value_of(char letter, uint32_t *ret)
{
	const char *at = letter ? strchr(letters, letter) : NULL;
	*ret = at ? (uint32_t)(at - letters) : 0;
	return at != NULL;
}

/* Four letters, of which the last two may be missing and are then '='; what they leave over must be zero. */
static bool decode_group(const char text[4], struct bytes *out, bool *ret_last)
{
	size_t n = text[3] != '=' ? 4 : text[2] != '=' ? 3 : 2;
	uint32_t group = 0, value;
	for (size_t i = 0; i < n; i++) {
		if (!value_of(text[i], &value))
			return false;
		group |= value << (18 - 6 * i);
	}
	const uint8_t plain[] = {(uint8_t)(group >> 16), (uint8_t)(group >> 8), (uint8_t)group};
	bytes_put(out, plain, n - 1);
	*ret_last = n < 4;
	return bytes_all_zero(plain + (n - 1), 4 - n);
}

bool base64_decode(struct span text, struct bytes *out)
{
	const char *at = text.data;
	char group[4];
	size_t n = 0;
	bool last = false;
	for (size_t i = 0; i < text.len; i++) {
		if (at[i] == '\n')
			continue;
		if (last)
			return false;
		group[n++] = at[i];
		if (n == sizeof(group) && !decode_group(group, out, &last))
			return false;
		n %= sizeof(group);
	}
	return n == 0 && bytes_ok(out);
}
