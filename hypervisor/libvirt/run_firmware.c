/* SPDX-License-Identifier: Apache-2.0 */
/* Code and variables of a UEFI are built for each other: the size of the variables tells which code they belong to. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/libvirt/run_host.h"

enum { VARIABLES_MAX = 1 << 20 };

struct build {
	const char *code, *variables;
	bool secure;
};

static const struct build builds[] = {
	{"/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd", true},
	{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd", false},
	{"/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.ms.fd", true},
	{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd", false},
	{"/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd", true},
	{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd", false},
	{"/usr/share/edk2/x64/OVMF_CODE.secboot.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd", true},
	{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd", false},
};

/* The first build that is here, of the kind that is wanted, whose variables have this size (0: any). */
static const struct build *choose(bool secure, uint64_t variables_size)
{
	struct stat there;
	for (size_t i = 0; i < ARRAY_LENGTH(builds); i++) {
		if (builds[i].secure != secure || access(builds[i].code, R_OK) != 0 ||
		    stat(builds[i].variables, &there) != 0)
			continue;
		if (variables_size == 0 || (uint64_t)there.st_size == variables_size)
			return &builds[i];
	}
	return NULL;
}

static bool write_variables(const struct run_request *request, const struct build *build, const char *path,
			    struct err **errp)
{
	struct bytes template;
	if (request->firmware.len > 0)
		return file_replace(path, request->firmware, 0600, errp);
	if (!file_read_all(build->variables, VARIABLES_MAX, &template, errp))
		return false;
	bool ok = file_replace(path, bytes_span(&template), 0600, errp);
	bytes_release(&template);
	return ok;
}

bool run_firmware_make(const struct run_request *request, const char *folder, struct run_firmware *ret,
		       struct err **errp)
{
	struct fit_firmware wanted;
	if (!fit_firmware(request->definition, &wanted, errp))
		return false;
	*ret = (struct run_firmware){0};
	if (!wanted.uefi)
		return true;
	const struct build *build = choose(wanted.secure, request->firmware.len);
	if (!build)
		return err_set(errp, ERR_UNSUPPORTED,
			       "the machine starts by UEFI%s, and no firmware that fits is installed: install ovmf",
			       wanted.secure ? " with secure boot" : "");
	AUTO(freep) char *path = file_join(folder, "variables.fd");
	if (!path)
		return err_set_no_memory(errp);
	if (!write_variables(request, build, path, errp))
		return false;
	*ret = (struct run_firmware){.code = build->code, .variables = STEAL(&path), .secure = build->secure};
	return true;
}
