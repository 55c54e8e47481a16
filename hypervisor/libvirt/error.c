/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/error.h"

#include <libvirt/virterror.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"

static enum err_code code_of(const virError *error)
{
	switch (error ? error->code : VIR_ERR_INTERNAL_ERROR) {
	case VIR_ERR_NO_MEMORY:
		return ERR_NO_MEMORY;
	case VIR_ERR_NO_DOMAIN:
	case VIR_ERR_NO_DOMAIN_CHECKPOINT:
	case VIR_ERR_NO_DOMAIN_BACKUP:
		return ERR_NOT_FOUND;
	case VIR_ERR_AUTH_FAILED:
	case VIR_ERR_AUTH_CANCELLED:
	case VIR_ERR_AUTH_UNAVAILABLE:
	case VIR_ERR_ACCESS_DENIED:
	case VIR_ERR_OPERATION_DENIED:
		return ERR_DENIED;
	case VIR_ERR_OPERATION_TIMEOUT:
	case VIR_ERR_RESOURCE_BUSY:
		return ERR_BUSY;
	case VIR_ERR_NO_SUPPORT:
	case VIR_ERR_CONFIG_UNSUPPORTED:
	case VIR_ERR_OPERATION_UNSUPPORTED:
	case VIR_ERR_ARGUMENT_UNSUPPORTED:
		return ERR_UNSUPPORTED;
	default:
		return ERR_FAILED;
	}
}

bool err_from_virt(struct err **errp, const char *format, ...)
{
	const virError *error = virGetLastError();
	char *text = NULL;
	va_list args;
	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		return err_set_no_memory(errp);
	err_set(errp, code_of(error), "%s: %s", text,
		error && error->message ? error->message : "libvirt gave no reason");
	free(text);
	return false;
}
