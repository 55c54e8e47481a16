/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/registration.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "storage/format_parts.h"
#include "storage/signed_object.h"

#define REGISTRATION_MAGIC "SLVRWRIT"
#define REGISTRATION_MAX_BYTES 256
#define REGISTRATION_FETCH_MAX 4096u /* what is longer is damaged, and is told as such */

bool registration_parse(struct span body, struct registration *ret, struct err **errp)
{
	struct registration registration = {0};
	struct cursor cursor;

	cursor_init(&cursor, body);
	if (!format_begin(&cursor, REGISTRATION_MAGIC, "registration", errp))
		return false;
	format_session(&cursor, &registration.session);
	cursor_copy(&cursor, registration.random, sizeof(registration.random));
	registration.time_ns = cursor_u64(&cursor);
	registration.keyring_n = cursor_u32(&cursor);
	if (!cursor_done(&cursor) || registration.session.number == 0)
		return err_set(errp, ERR_CORRUPT, "registration: its size is wrong, or its session cannot be");
	*ret = registration;
	return true;
}

bool registration_publish(const struct repository *repository, const struct session_id *session, size_t *ret_size,
			  struct err **errp)
{
	AUTO(bytes_release) struct bytes body;
	uint8_t random[32];
	char name[OBJECT_NAME_SIZE];

	bytes_init(&body, REGISTRATION_MAX_BYTES);
	if (!crypto_random(random, sizeof(random), errp))
		return false;
	object_name_session('w', session, name);
	format_put_begin(&body, REGISTRATION_MAGIC);
	format_put_session(&body, session);
	bytes_put(&body, random, sizeof(random));
	bytes_u64(&body, clock_now_ns());
	bytes_u32(&body, repository_keyring(repository)->n);
	if (!bytes_ok(&body))
		return err_set_no_memory(errp);
	if (!signed_object_seal(repository_identity(repository), repository_domain(repository), name, &body, errp))
		return false;
	*ret_size = body.len;
	return backend_put_once(repository_backend(repository), name, bytes_span(&body), errp);
}

/* The object as its name says: by its writer, of its session. */
static bool check_object(const struct repository *repository, const char *name, const struct session_id *session,
			 struct span object, struct registration *ret, struct err **errp)
{
	const struct keyring_member *writer = keyring_find(repository_keyring(repository), session->writer);
	uint8_t signer[WRITER_SIZE];
	struct span body;

	if (!writer || !signed_object_split(object, &body, signer))
		return err_set(errp, ERR_CORRUPT, "%s: its writer is unknown", name);
	if (!signed_object_check(writer->sign_public, repository_domain(repository), name, object, errp) ||
	    !registration_parse(body, ret, errp))
		return false;
	return (memcmp(signer, session->writer, WRITER_SIZE) == 0 && session_id_equal(&ret->session, session)) ||
	       err_set(errp, ERR_CORRUPT, "%s: is of another session", name);
}

bool registration_load(const struct repository *repository, const struct session_id *session, struct registration *ret,
		       struct err **errp)
{
	AUTO(bytes_release) struct bytes object = {0};
	struct registration registration;
	char name[OBJECT_NAME_SIZE];

	object_name_session('w', session, name);
	if (!backend_get(repository_backend(repository), name, REGISTRATION_FETCH_MAX, &object, errp) ||
	    !check_object(repository, name, session, bytes_span(&object), &registration, errp))
		return false;
	*ret = registration;
	return true;
}
