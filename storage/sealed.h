/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is sealed behind a head that everybody may read: head ‖ nonce12 ‖ ciphertext ‖ tag, under a key from K_meta for
 * this one object, with the head as associated data. Commits and traces are such; see docs/format.md.
 */
#pragma once

#include "storage/repository.h"

/* What the key is made from: the label of the kind, and what names the object. */
struct sealed_name {
	struct span label, salt;
};

/* *object is the head, and gets the rest. */
NODISCARD bool sealed_append(const struct metadata_keys *keys, const struct sealed_name *name, struct span plain,
			     struct bytes *object, struct err **errp);
/* The object has its head, of head_size; the plaintext is appended to *ret. ERR_CORRUPT when it is not what was sealed
 * so, or cut short. */
NODISCARD bool sealed_open(const struct metadata_keys *keys, const struct sealed_name *name, struct span object,
			   size_t head_size, struct bytes *ret, struct err **errp);
