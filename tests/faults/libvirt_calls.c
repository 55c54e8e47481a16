/* SPDX-License-Identifier: Apache-2.0 */
/* The calls by which libvirt is asked for something. One that was failed gives its reason as libvirt would. */
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "tests/faults/faults.h"

static _Thread_local bool failed_last;

static enum fault next(const char *call)
{
	failed_last = false;
	return fault_next(FAULT_LIBVIRT, call, "");
}

virErrorPtr virGetLastError(void)
{
	static char message[] = "a fault made by the test";
	static _Thread_local virError fault;
	if (!failed_last)
		return REAL(virGetLastError)();
	fault = (virError){.code = VIR_ERR_OPERATION_FAILED, .message = message, .level = VIR_ERR_ERROR};
	return &fault;
}

int virGetLastErrorCode(void)
{
	return failed_last ? VIR_ERR_OPERATION_FAILED : REAL(virGetLastErrorCode)();
}

#define CALL(type, failed, name, parameters, arguments) \
	FAULT_CALL(type, failed, name, parameters, arguments, next(__func__), failed_last = true)

CALL(virConnectPtr, NULL, virConnectOpen, (const char *uri), (uri))
CALL(char *, NULL, virConnectGetURI, (virConnectPtr connection), (connection))
CALL(char *, NULL, virConnectGetCapabilities, (virConnectPtr connection), (connection))
CALL(int, -1, virConnectIsAlive, (virConnectPtr connection), (connection))
CALL(int, -1, virConnectListAllDomains, (virConnectPtr connection, virDomainPtr **domains, unsigned flags),
     (connection, domains, flags))
CALL(int, -1, virConnectDomainEventRegisterAny,
     (virConnectPtr connection, virDomainPtr domain, int event, virConnectDomainEventGenericCallback callback,
      void *arg, virFreeCallback release),
     (connection, domain, event, callback, arg, release))
CALL(int, -1, virEventRegisterDefaultImpl, (void), ())

CALL(virDomainPtr, NULL, virDomainLookupByName, (virConnectPtr connection, const char *name), (connection, name))
CALL(virDomainPtr, NULL, virDomainLookupByUUID, (virConnectPtr connection, const unsigned char *uuid),
     (connection, uuid))
CALL(virDomainPtr, NULL, virDomainCreateXML, (virConnectPtr connection, const char *xml, unsigned flags),
     (connection, xml, flags))
CALL(char *, NULL, virDomainGetXMLDesc, (virDomainPtr domain, unsigned flags), (domain, flags))
CALL(int, -1, virDomainGetState, (virDomainPtr domain, int *state, int *reason, unsigned flags),
     (domain, state, reason, flags))
CALL(int, -1, virDomainIsActive, (virDomainPtr domain), (domain))
CALL(int, -1, virDomainGetUUID, (virDomainPtr domain, unsigned char *uuid), (domain, uuid))
CALL(int, -1, virDomainGetUUIDString, (virDomainPtr domain, char *text), (domain, text))
CALL(int, -1, virDomainGetBlockInfo,
     (virDomainPtr domain, const char *disk, virDomainBlockInfoPtr info, unsigned flags), (domain, disk, info, flags))
CALL(int, -1, virDomainResume, (virDomainPtr domain), (domain))

CALL(int, -1, virDomainAgentSetResponseTimeout, (virDomainPtr domain, int timeout, unsigned flags),
     (domain, timeout, flags))
CALL(int, -1, virDomainFSFreeze, (virDomainPtr domain, const char **mountpoints, unsigned n, unsigned flags),
     (domain, mountpoints, n, flags))
CALL(int, -1, virDomainFSThaw, (virDomainPtr domain, const char **mountpoints, unsigned n, unsigned flags),
     (domain, mountpoints, n, flags))
CALL(int, -1, virDomainQemuMonitorCommand, (virDomainPtr domain, const char *command, char **result, unsigned flags),
     (domain, command, result, flags))
CALL(char *, NULL, virDomainQemuAgentCommand, (virDomainPtr domain, const char *command, int timeout, unsigned flags),
     (domain, command, timeout, flags))

CALL(int, -1, virDomainBackupBegin, (virDomainPtr domain, const char *backup, const char *checkpoint, unsigned flags),
     (domain, backup, checkpoint, flags))
CALL(char *, NULL, virDomainBackupGetXMLDesc, (virDomainPtr domain, unsigned flags), (domain, flags))
CALL(int, -1, virDomainAbortJob, (virDomainPtr domain), (domain))

CALL(int, -1, virDomainListAllCheckpoints, (virDomainPtr domain, virDomainCheckpointPtr **checkpoints, unsigned flags),
     (domain, checkpoints, flags))
CALL(virDomainCheckpointPtr, NULL, virDomainCheckpointLookupByName,
     (virDomainPtr domain, const char *name, unsigned flags), (domain, name, flags))
CALL(virDomainCheckpointPtr, NULL, virDomainCheckpointCreateXML, (virDomainPtr domain, const char *xml, unsigned flags),
     (domain, xml, flags))
CALL(char *, NULL, virDomainCheckpointGetXMLDesc, (virDomainCheckpointPtr checkpoint, unsigned flags),
     (checkpoint, flags))
CALL(int, -1, virDomainCheckpointDelete, (virDomainCheckpointPtr checkpoint, unsigned flags), (checkpoint, flags))
