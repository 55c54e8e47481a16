/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of credentials share. */
#pragma once

#include "base/bytes.h"
#include "storage/s3/credentials.h"

/*
 * The sources that are asked over the network. They give false with an error where they are to be had and failed; where
 * there is no such source, true, and *ret stays empty.
 */
NODISCARD bool s3_credentials_of_container(struct s3_http *http, struct s3_credentials *ret, struct err **errp);
NODISCARD bool s3_credentials_of_instance(struct s3_http *http, struct s3_credentials *ret, struct err **errp);
/* The document that both give. ERR_FAILED when it is none. */
NODISCARD bool s3_credentials_parse(struct span document, struct s3_credentials *ret, struct err **errp);
/* http:// only to this machine and to the addresses that containers are given. */
bool s3_container_address_is_safe(const char *url);
