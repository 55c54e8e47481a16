/* SPDX-License-Identifier: Apache-2.0 */
/* A set of nodes by their places, a bit for each: a subtree that points share is looked at once. Not thread-safe. */
#pragma once

#include "storage/ids.h"

struct err;
struct node_marks;

NODISCARD struct node_marks *node_marks_new(struct err **errp);
void node_marks_free(struct node_marks *marks);
DEFINE_AUTO_FREE(struct node_marks, node_marks_free);
bool node_marks_has(const struct node_marks *marks, const struct locator *at);
NODISCARD bool node_marks_add(struct node_marks *marks, const struct locator *at, struct err **errp);
