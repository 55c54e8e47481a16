/* SPDX-License-Identifier: Apache-2.0 */
/* The envelope of every signed object: body, id8 of the signer, Ed25519 over label, domain, object name and body. */
#pragma once

#include <stdbool.h>

#include "storage/identity.h"

#define SIGNED_TRAILER_SIZE (WRITER_SIZE + SIGNATURE_SIZE)

/* Appends signer and signature to a body. */
NODISCARD bool signed_object_seal(const struct identity *signer, const uint8_t domain[DOMAIN_SIZE], const char *name,
				  struct bytes *body, struct err **errp);
/* Splits an object into body and signer, without judging the signature. False (no error set) when it is too short. */
bool signed_object_split(struct span object, struct span *ret_body, uint8_t ret_signer[WRITER_SIZE]);
/* ERR_CORRUPT when the signature does not hold. */
NODISCARD bool signed_object_check(const uint8_t sign_public[PUBLIC_SIZE], const uint8_t domain[DOMAIN_SIZE],
				   const char *name, struct span object, struct err **errp);
