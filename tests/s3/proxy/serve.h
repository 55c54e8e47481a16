/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netinet/in.h>

/* Serves one client until its connection ends, and closes it. */
void serve(int client, const struct sockaddr_in *service);
