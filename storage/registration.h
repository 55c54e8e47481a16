/* SPDX-License-Identifier: Apache-2.0 */
/* The registration of a session, w/<session>. See docs/format.md, Writing beside collecting. */
#pragma once

#include "storage/repository.h"

struct registration {
	struct session_id session;
	uint8_t random[32];
	uint64_t time_ns;
	uint32_t keyring_n;
};

/* Strict parser of a body without its trailer. */
NODISCARD bool registration_parse(struct span body, struct registration *ret, struct err **errp);
/* Creates w/<session>. ERR_EXISTS when the number is taken. */
NODISCARD bool registration_publish(const struct repository *repository, const struct session_id *session,
				    size_t *ret_size, struct err **errp);
/* Of any writer, also of one that was revoked since. ERR_NOT_FOUND; ERR_CORRUPT. */
NODISCARD bool registration_load(const struct repository *repository, const struct session_id *session,
				 struct registration *ret, struct err **errp);
