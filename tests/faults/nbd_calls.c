/* SPDX-License-Identifier: Apache-2.0 */
/* The calls by which disks are read and written over NBD. One that was failed gives its reason as libnbd would. */
#include <errno.h>
#include <libnbd.h>

#include "tests/faults/faults.h"

static _Thread_local int failure; /* of this thread's last call; 0: libnbd knows */

static bool is_failed(const char *call)
{
	bool failed = fault_next(FAULT_NBD, call, "") != FAULT_NONE;
	failure = failed ? errno : 0;
	return failed;
}

const char *nbd_get_error(void)
{
	return failure ? "a fault made by the test" : REAL(nbd_get_error)();
}

int nbd_get_errno(void)
{
	return failure ? failure : REAL(nbd_get_errno)();
}

#define CALL(type, failed, name, parameters, arguments)                       \
	type name parameters                                                  \
	{                                                                     \
		return is_failed(__func__) ? (failed) : REAL(name) arguments; \
	}

CALL(struct nbd_handle *, NULL, nbd_create, (void), ())
CALL(int, -1, nbd_set_export_name, (struct nbd_handle * nbd, const char *name), (nbd, name))
CALL(int, -1, nbd_add_meta_context, (struct nbd_handle * nbd, const char *name), (nbd, name))
CALL(int, -1, nbd_can_meta_context, (struct nbd_handle * nbd, const char *name), (nbd, name))
CALL(int, -1, nbd_connect_unix, (struct nbd_handle * nbd, const char *path), (nbd, path))
CALL(int, -1, nbd_connect_systemd_socket_activation, (struct nbd_handle * nbd, char **argv), (nbd, argv))
CALL(int64_t, -1, nbd_get_size, (struct nbd_handle * nbd), (nbd))
CALL(int64_t, -1, nbd_get_block_size, (struct nbd_handle * nbd, int type), (nbd, type))
CALL(int, -1, nbd_block_status,
     (struct nbd_handle * nbd, uint64_t count, uint64_t offset, nbd_extent_callback extent, uint32_t flags),
     (nbd, count, offset, extent, flags))
CALL(int64_t, -1, nbd_aio_pread,
     (struct nbd_handle * nbd, void *data, size_t count, uint64_t offset, nbd_completion_callback completion,
      uint32_t flags),
     (nbd, data, count, offset, completion, flags))
CALL(int, -1, nbd_pwrite, (struct nbd_handle * nbd, const void *data, size_t count, uint64_t offset, uint32_t flags),
     (nbd, data, count, offset, flags))
CALL(int, -1, nbd_flush, (struct nbd_handle * nbd, uint32_t flags), (nbd, flags))
CALL(int, -1, nbd_poll, (struct nbd_handle * nbd, int timeout), (nbd, timeout))
CALL(int, -1, nbd_shutdown, (struct nbd_handle * nbd, uint32_t flags), (nbd, flags))
