/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/control_orders.h"

#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "hypervisor/thin/machine.h"

static const char *state_word(enum machine_state state)
{
	switch (state) {
	case MACHINE_PAUSED:
		return "paused";
	case MACHINE_RUNNING:
		return "running";
	default:
		return "ended";
	}
}

static const char *pauser_word(const struct machine_status *status)
{
	static const char *const words[] = {[MACHINE_BY_PERSON] = "person",
					    [MACHINE_BY_DISK] = "disk",
					    [MACHINE_BY_HOST] = "host",
					    [MACHINE_BY_GUEST] = "guest"};
	return status->state == MACHINE_PAUSED ? words[status->by] : NULL;
}

static const char *reason(const struct machine_status *status)
{
	if (status->sentence[0])
		return status->sentence;
	return status->state == MACHINE_RUNNING && status->loss[0] ? status->loss : NULL;
}

/* Every answer tells how the machine is now. */
static struct json *answer(const struct order_place *place)
{
	struct machine_status status;
	struct json *json = json_new_object();
	machine_look(place->machine, &status);
	json_set(json, "ok", json_new_bool(true));
	json_set(json, "name", json_new_text(place->name));
	json_set(json, "state", json_new_text(state_word(status.state)));
	json_set(json, "restarts", json_new_number(status.restarts));
	json_set(json, "by", json_new_text(pauser_word(&status)));
	json_set(json, "reason", json_new_text(reason(&status)));
	return json;
}

static struct json *refusal(const char *sentence)
{
	struct json *json = json_new_object();
	json_set(json, "ok", json_new_bool(false));
	json_set(json, "error", json_new_text(sentence));
	return json;
}

static void nothing(struct machine *machine)
{
	(void)machine;
}

static const struct {
	const char *word;
	void (*perform)(struct machine *machine);
	enum order_outcome outcome;
} orders[] = {
	{"status", nothing, ORDER_DONE},	  {"pause", machine_pause, ORDER_DONE},
	{"go-on", machine_go_on, ORDER_DONE},	  {"press-power", machine_press_power, ORDER_DONE},
	{"restart", machine_restart, ORDER_DONE}, {"end", nothing, ORDER_END},
	{"console", nothing, ORDER_CONSOLE},
};

static enum order_outcome perform(const struct order_place *place, const char *word, struct json **ret)
{
	for (size_t i = 0; i < ARRAY_LENGTH(orders); i++) {
		if (strcmp(orders[i].word, word) != 0)
			continue;
		if (orders[i].outcome == ORDER_CONSOLE && place->console_taken) {
			*ret = refusal("somebody else has the console");
			return ORDER_DONE;
		}
		orders[i].perform(place->machine);
		*ret = answer(place);
		return orders[i].outcome;
	}
	*ret = refusal("there is no such order: status, pause, go-on, press-power, restart, end, console");
	return ORDER_DONE;
}

enum order_outcome order_perform(const struct order_place *place, const char *line, char **ret_answer)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(json_freep) struct json *order = json_parse(line, "the order", &err);
	AUTO(json_freep) struct json *said = NULL;
	enum order_outcome outcome = ORDER_DONE;
	const char *word = order ? json_get_text(order, "do") : NULL;
	if (!order)
		said = refusal(err_message(err));
	else if (!word)
		said = refusal("an order is an object with the member \"do\"");
	else
		outcome = perform(place, word, &said);
	*ret_answer = json_to_text(said);
	return outcome;
}
