/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/err.h"
#include "hypervisor/blocks_internal.h"

enum { CANCEL_LOOK_MS = 250 };

struct flight {
	size_t in_air;
	int failure; /* errno of the first that failed */
};

static int landed(void *arg, int *error)
{
	struct flight *flight = arg;
	flight->in_air--;
	if (*error != 0 && flight->failure == 0)
		flight->failure = *error;
	return 1; /* retire it */
}

static bool start_request(struct blocks *blocks, const struct read_request *request, struct flight *flight,
			  struct err **errp)
{
	for (size_t done = 0; done < request->length;) {
		size_t length = request->length - done;
		if (length > blocks->piece_max)
			length = blocks->piece_max;
		flight->in_air++;
		nbd_completion_callback completion = {.callback = landed, .user_data = flight};
		if (nbd_aio_pread(blocks->nbd, (uint8_t *)request->data + done, length, request->offset + done,
				  completion, 0) < 0) {
			flight->in_air--;
			return blocks_fail(blocks, "read", errp);
		}
		done += length;
	}
	return true;
}

static bool wait_all(struct blocks *blocks, struct flight *flight, struct err **errp)
{
	while (flight->in_air > 0) {
		if (nbd_poll(blocks->nbd, CANCEL_LOOK_MS) < 0)
			return blocks_fail(blocks, "read", errp);
		if (flight->in_air > 0 && blocks->cancel && !cancel_check(blocks->cancel, errp))
			return false;
	}
	if (flight->failure != 0)
		return err_set_errno(errp, flight->failure, "read");
	return true;
}

bool blocks_read(struct blocks *blocks, const struct read_request *requests, size_t n, struct err **errp)
{
	if (!blocks->nbd)
		return err_set(errp, ERR_FAILED, "the connection to the disk is closed");
	struct flight flight = {0};
	bool ok = true;
	for (size_t i = 0; ok && i < n; i++)
		ok = start_request(blocks, &requests[i], &flight, errp);
	if (ok && wait_all(blocks, &flight, errp))
		return true;
	/* What is still in the air would land in memory that is the caller's again. */
	if (blocks->nbd)
		nbd_close(blocks->nbd);
	blocks->nbd = NULL;
	return false;
}
