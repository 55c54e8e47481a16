/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A qcow2 file: made empty by qemu-img, then written through qemu-nbd, so that only data gets clusters. qemu-nbd takes
 * our socket and ends with our last connection.
 */
#include <errno.h>
#include <libnbd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/program.h"
#include "restore/image_sink.h"
#include "restore/image_temporary.h"

struct qcow2_sink {
	struct image_sink sink;
	struct image_temporary temporary;
	struct nbd_handle *nbd;
	pthread_mutex_t lock; /* one connection: QEMU writes clusters one by one anyhow */
};

static bool fail(const struct qcow2_sink *qcow2, const char *what, struct err **errp)
{
	const char *said = nbd_get_error();
	enum err_code code = nbd_get_errno() == ENOSPC ? ERR_NO_SPACE : ERR_FAILED;
	return err_set(errp, code, "%s %s: %s", what, qcow2->sink.path, said ? said : "no reason given");
}

static bool qcow2_write(struct image_sink *sink, const void *data, size_t len, uint64_t offset, struct err **errp)
{
	struct qcow2_sink *qcow2 = (struct qcow2_sink *)sink;
	pthread_mutex_lock(&qcow2->lock);
	bool ok = nbd_pwrite(qcow2->nbd, data, len, offset, 0) == 0 || fail(qcow2, "write", errp);
	pthread_mutex_unlock(&qcow2->lock);
	return ok;
}

static bool qcow2_finish(struct image_sink *sink, struct err **errp)
{
	struct qcow2_sink *qcow2 = (struct qcow2_sink *)sink;
	if (nbd_flush(qcow2->nbd, 0) < 0 || nbd_shutdown(qcow2->nbd, 0) < 0)
		return fail(qcow2, "finish", errp);
	nbd_close(STEAL(&qcow2->nbd)); /* waits for qemu-nbd, which has closed the image then */
	return image_temporary_finish(&qcow2->temporary, errp);
}

static void qcow2_free(struct image_sink *sink)
{
	struct qcow2_sink *qcow2 = (struct qcow2_sink *)sink;
	nbd_close(qcow2->nbd);
	image_temporary_release(&qcow2->temporary);
	pthread_mutex_destroy(&qcow2->lock);
	free(sink->path);
	free(qcow2);
}

static const struct image_sink_ops qcow2_ops = {.write = qcow2_write, .finish = qcow2_finish, .free = qcow2_free};

/* So QEMU takes no name for an option, nor what stands before a colon for a protocol. */
static char *plain_name(const struct qcow2_sink *qcow2)
{
	return file_format("file:%s", qcow2->temporary.path);
}

static bool make_image(const struct qcow2_sink *qcow2, uint64_t size, struct err **errp)
{
	AUTO(freep) char *size_text = file_format("%llu", (unsigned long long)size);
	AUTO(freep) char *name = plain_name(qcow2);
	if (!size_text || !name)
		return err_set_no_memory(errp);
	return program_run((const char *[]){"qemu-img", "create", "-q", "-f", "qcow2", name, size_text, NULL}, errp);
}

static bool serve_image(struct qcow2_sink *qcow2, struct err **errp)
{
	AUTO(freep) char *name = plain_name(qcow2);
	char *command[] = {"qemu-nbd", "--format=qcow2", "--cache=writeback", "--discard=unmap", name, NULL};
	qcow2->nbd = nbd_create();
	if (!name || !qcow2->nbd)
		return err_set_no_memory(errp);
	return nbd_connect_systemd_socket_activation(qcow2->nbd, command) == 0 || fail(qcow2, "serve", errp);
}

struct image_sink *image_sink_qcow2(const struct image_request *request, struct err **errp)
{
	if (!program_require("qemu-img", "writing qcow2", errp) || !program_require("qemu-nbd", "writing qcow2", errp))
		return NULL;
	struct qcow2_sink *qcow2 = calloc(1, sizeof(*qcow2));
	char *path = strdup(request->path);
	if (!qcow2 || !path) {
		free(qcow2);
		free(path);
		err_set_no_memory(errp);
		return NULL;
	}
	*qcow2 = (struct qcow2_sink){
		.sink = {.ops = &qcow2_ops, .path = path}, .temporary = {.fd = -1}, .lock = PTHREAD_MUTEX_INITIALIZER};
	AUTO(image_sink_freep) struct image_sink *sink = &qcow2->sink;
	if (!image_temporary_make(path, request->force, &qcow2->temporary, errp))
		return NULL;
	image_temporary_share(&qcow2->temporary);
	return make_image(qcow2, request->size, errp) && serve_image(qcow2, errp) ? STEAL(&sink) : NULL;
}
