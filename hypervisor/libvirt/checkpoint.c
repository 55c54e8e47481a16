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

bool checkpoint_new_name(const char *owner, char ret[TRACKING_MAX + 1], struct err **errp)
{
	uint8_t tag[TAG_SIZE];
	char hex[2 * TAG_SIZE + 1];
	if (getrandom(tag, sizeof(tag), 0) != (ssize_t)sizeof(tag))
		return err_set_errno(errp, errno, "ask for random bytes");
	snprintf(ret, TRACKING_MAX + 1, "%s%s%s%s", prefix, owner, *owner ? "-" : "",
		 hex_encode(tag, sizeof(tag), hex));
	return true;
}

/* Takes a beginning off a name. False when it begins otherwise. */
static bool skip(const char **name, const char *beginning)
{
	size_t length = strlen(beginning);
	if (strncmp(*name, beginning, length) != 0)
		return false;
	*name += length;
	return true;
}

/* The owner's, and not the one to keep. */
static bool is_to_go(const struct checkpoint_scope *scope, const char *name)
{
	uint8_t tag[TAG_SIZE];
	const char *rest = name;
	return skip(&rest, prefix) && skip(&rest, scope->owner) && (!*scope->owner || skip(&rest, "-")) &&
	       hex_decode(rest, tag, sizeof(tag)) && strcmp(name, scope->keep) != 0;
}

static bool remove_one(virDomainCheckpointPtr checkpoint, bool *ret_bitmaps_stay, struct err **errp)
{
	if (virDomainCheckpointDelete(checkpoint, 0) == 0)
		return true;
	*ret_bitmaps_stay = true;
	if (virDomainCheckpointDelete(checkpoint, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY) == 0)
		return true;
	return err_from_virt(errp, "remove the checkpoint '%s'", virDomainCheckpointGetName(checkpoint));
}

static bool remove_each(virDomainCheckpointPtr *checkpoints, const struct checkpoint_scope *scope,
			bool *ret_bitmaps_stay, struct err **errp)
{
	for (size_t i = 0; checkpoints[i]; i++) {
		if (is_to_go(scope, virDomainCheckpointGetName(checkpoints[i])) &&
		    !remove_one(checkpoints[i], ret_bitmaps_stay, errp))
			return false;
	}
	return true;
}

/* What QEMU says of its disks, with their bitmaps; NULL when it does not say. */
static struct json *ask_nodes(virDomainPtr domain)
{
	static char ask[] = "{\"execute\":\"query-named-block-nodes\",\"arguments\":{\"flat\":true}}";
	AUTO(freep) char *text = NULL;
	if (virDomainQemuMonitorCommand(domain, ask, &text, 0) < 0)
		return NULL;
	struct err *err = NULL;
	struct json *answer = json_parse(text, "QEMU's answer", &err);
	err_clear(&err);
	return answer;
}

/* One that stays behind is in nobody's way but QEMU's, so a failure is none of ours. */
static void remove_bitmap(virDomainPtr domain, const char *node, const char *name)
{
	AUTO(json_freep) struct json *command = json_new_object();
	struct json *arguments = json_new_object();
	json_set(arguments, "node", json_new_text(node));
	json_set(arguments, "name", json_new_text(name));
	json_set(command, "execute", json_new_text("block-dirty-bitmap-remove"));
	json_set(command, "arguments", arguments);
	AUTO(freep) char *text = json_to_text(command);
	AUTO(freep) char *answer = NULL;
	if (text && virDomainQemuMonitorCommand(domain, text, &answer, 0) < 0)
		virResetLastError();
}

static void sweep_node(virDomainPtr domain, const struct checkpoint_scope *scope, const struct json *node)
{
	const struct json *bitmaps = json_get(node, "dirty-bitmaps");
	const char *node_name = json_get_text(node, "node-name");
	for (size_t i = 0; node_name && i < json_length(bitmaps); i++) {
		const char *name = json_get_text(json_at(bitmaps, i), "name");
		if (name && is_to_go(scope, name))
			remove_bitmap(domain, node_name, name);
	}
}

static void sweep(virDomainPtr domain, const struct checkpoint_scope *scope)
{
	AUTO(json_freep) struct json *answer = ask_nodes(domain);
	const struct json *nodes = json_get(answer, "return");
	for (size_t i = 0; i < json_length(nodes); i++)
		sweep_node(domain, scope, json_at(nodes, i));
}

bool checkpoint_remove_others(virDomainPtr domain, const struct checkpoint_scope *scope, struct err **errp)
{
	virDomainCheckpointPtr *checkpoints = NULL;
	bool bitmaps_stay = scope->sweep;
	if (virDomainListAllCheckpoints(domain, &checkpoints, 0) < 0)
		return err_from_virt(errp, "list the checkpoints");
	bool ok = remove_each(checkpoints, scope, &bitmaps_stay, errp);
	for (size_t i = 0; checkpoints[i]; i++)
		virDomainCheckpointFree(checkpoints[i]);
	free(checkpoints);
	if (bitmaps_stay)
		sweep(domain, scope);
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
	AUTO(json_freep) struct json *answer = ask_nodes(domain);
	const struct json *nodes = json_get(answer, "return");
	for (size_t i = 0; i < json_length(nodes); i++) {
		const struct json *node = json_at(nodes, i);
		const char *file = json_get_text(node, "file");
		if (file && strcmp(file, path) == 0 && has_bitmap(node, name))
			return FALLBACK_BITMAP_INCONSISTENT;
	}
	return FALLBACK_BITMAP_MISSING;
}
