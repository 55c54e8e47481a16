/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/checkpoint.h"

#include <errno.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"
#include "base/hex.h"
#include "base/json.h"
#include "hypervisor/libvirt/connect.h"
#include "hypervisor/libvirt/error.h"

enum { TAG_SIZE = 8 };

static const char prefix[] = "salvor-";

bool checkpoint_new_name(char ret[TRACKING_MAX + 1], struct err **errp)
{
	uint8_t tag[TAG_SIZE];
	char hex[2 * TAG_SIZE + 1];
	if (getrandom(tag, sizeof(tag), 0) != (ssize_t)sizeof(tag))
		return err_set_errno(errp, errno, "ask for random bytes");
	snprintf(ret, TRACKING_MAX + 1, "%s%s", prefix, hex_encode(tag, sizeof(tag), hex));
	return true;
}

static bool is_ours(const char *name)
{
	uint8_t tag[TAG_SIZE];
	return strncmp(name, prefix, sizeof(prefix) - 1) == 0 &&
	       hex_decode(name + sizeof(prefix) - 1, tag, sizeof(tag));
}

static bool remove_one(virDomainCheckpointPtr checkpoint, struct err **errp)
{
	if (virDomainCheckpointDelete(checkpoint, 0) == 0)
		return true;
	if (virDomainCheckpointDelete(checkpoint, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY) == 0)
		return true;
	return err_from_virt(errp, "remove the checkpoint '%s'", virDomainCheckpointGetName(checkpoint));
}

static bool remove_others(virDomainCheckpointPtr *checkpoints, const char *keep, struct err **errp)
{
	for (size_t i = 0; checkpoints[i]; i++) {
		const char *name = virDomainCheckpointGetName(checkpoints[i]);
		if (!is_ours(name) || (keep && strcmp(name, keep) == 0))
			continue;
		if (!remove_one(checkpoints[i], errp))
			return false;
	}
	return true;
}

bool checkpoint_remove_others(virDomainPtr domain, const char *keep, struct err **errp)
{
	virDomainCheckpointPtr *checkpoints = NULL;
	if (virDomainListAllCheckpoints(domain, &checkpoints, 0) < 0)
		return err_from_virt(errp, "list the checkpoints");
	bool ok = remove_others(checkpoints, keep, errp);
	for (size_t i = 0; checkpoints[i]; i++)
		virDomainCheckpointFree(checkpoints[i]);
	free(checkpoints);
	return ok;
}

char *checkpoint_xml(virDomainPtr domain, const char *name)
{
	AUTO(libvirt_checkpoint_freep)
	virDomainCheckpointPtr checkpoint = virDomainCheckpointLookupByName(domain, name, 0);
	return checkpoint ? virDomainCheckpointGetXMLDesc(checkpoint, VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN) : NULL;
}

/* Whether the node has the bitmap at all. */
static bool has_bitmap(const struct json *node, const char *name)
{
	const struct json *bitmaps = json_get(node, "dirty-bitmaps");
	for (size_t i = 0; i < json_length(bitmaps); i++) {
		const char *found = json_get_text(json_at(bitmaps, i), "name");
		if (found && strcmp(found, name) == 0)
			return true;
	}
	return false;
}

const char *checkpoint_fault(virDomainPtr domain, const char *name, const char *path)
{
	static char ask[] = "{\"execute\":\"query-named-block-nodes\",\"arguments\":{\"flat\":true}}";
	AUTO(freep) char *text = NULL;
	if (virDomainQemuMonitorCommand(domain, ask, &text, 0) < 0)
		return FALLBACK_BITMAP_MISSING;
	struct err *err = NULL;
	AUTO(json_freep) struct json *answer = json_parse(text, "QEMU's answer", &err);
	err_clear(&err);
	const struct json *nodes = json_get(answer, "return");
	for (size_t i = 0; i < json_length(nodes); i++) {
		const struct json *node = json_at(nodes, i);
		const char *file = json_get_text(node, "file");
		if (file && strcmp(file, path) == 0 && has_bitmap(node, name))
			return FALLBACK_BITMAP_INCONSISTENT;
	}
	return FALLBACK_BITMAP_MISSING;
}
