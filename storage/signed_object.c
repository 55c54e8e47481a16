/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/signed_object.h"

#include <string.h>

#include "base/err.h"

#define LABEL "salvor object 1"

/* What is signed; Ed25519 wants it in one piece. */
static bool message(const uint8_t domain[DOMAIN_SIZE], const char *name, struct span body,
		    const uint8_t id8[WRITER_SIZE], struct bytes *ret, struct err **errp)
{
	bytes_init(ret, body.len + 1024);
	bytes_put(ret, LABEL, sizeof(LABEL) - 1);
	bytes_put(ret, domain, DOMAIN_SIZE);
	bytes_text(ret, name);
	bytes_put(ret, body.data, body.len);
	bytes_put(ret, id8, WRITER_SIZE);
	return bytes_ok(ret) || err_set_no_memory(errp);
}

bool signed_object_seal(const struct identity *signer, const uint8_t domain[DOMAIN_SIZE], const char *name,
			struct bytes *body, struct err **errp)
{
	AUTO(bytes_release) struct bytes signed_bytes = {0};
	uint8_t signature[SIGNATURE_SIZE];
	if (!bytes_ok(body))
		return err_set_no_memory(errp);
	if (!message(domain, name, bytes_span(body), signer->id8, &signed_bytes, errp) ||
	    !crypto_sign(signer->sign_seed, bytes_span(&signed_bytes), signature, errp))
		return false;
	bytes_put(body, signer->id8, WRITER_SIZE);
	bytes_put(body, signature, SIGNATURE_SIZE);
	return bytes_ok(body) || err_set_no_memory(errp);
}

bool signed_object_split(struct span object, struct span *ret_body, uint8_t ret_signer[WRITER_SIZE])
{
	if (object.len < SIGNED_TRAILER_SIZE)
		return false;
	*ret_body = SPAN(object.data, object.len - SIGNED_TRAILER_SIZE);
	memcpy(ret_signer, (const uint8_t *)object.data + ret_body->len, WRITER_SIZE);
	return true;
}

bool signed_object_check(const uint8_t sign_public[PUBLIC_SIZE], const uint8_t domain[DOMAIN_SIZE], const char *name,
			 struct span object, struct err **errp)
{
	struct span body;
	uint8_t signer[WRITER_SIZE];
	if (!signed_object_split(object, &body, signer))
		return err_set(errp, ERR_CORRUPT, "the object is too short for a signature");
	AUTO(bytes_release) struct bytes signed_bytes = {0};
	const uint8_t *signature = (const uint8_t *)object.data + body.len + WRITER_SIZE;
	return message(domain, name, body, signer, &signed_bytes, errp) &&
	       crypto_verify(sign_public, bytes_span(&signed_bytes), signature, errp);
}
