/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/registration.h"

#include "base/clock.h"
#include "base/err.h"
#include "storage/format_parts.h"
#include "storage/signed_object.h"

#define REGISTRATION_MAGIC "SLVRWRIT"
#define REGISTRATION_MAX_BYTES 256

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
