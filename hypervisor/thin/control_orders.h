/* SPDX-License-Identifier: Apache-2.0 */
/* One order, and its answer: what docs/vm.md says of the lines of the control socket. */
#pragma once

#include <stdbool.h>

struct machine;

enum order_outcome {
	ORDER_DONE,
	ORDER_END,     /* of the machine, once it is answered */
	ORDER_CONSOLE, /* from now on this client has the serial line */
};

struct order_place {
	struct machine *machine;
	const char *name;   /* the machine's */
	bool console_taken; /* by another client */
};

/* line is without its line feed. *ret_answer is a new string without one, or NULL on lack of memory. What cannot be
 * understood is answered so. */
enum order_outcome order_perform(const struct order_place *place, const char *line, char **ret_answer);
