/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "cli/vm.h"
#include "hypervisor/libvirt/domain_xml.h"
#include "restore/stream_name.h"
#include "storage/rescue.h"
#include "storage/stream_read.h"

enum { DEFINITION_MAX = 1 << 20, FOOTERS_BYTES = 8 << 20 };

static const struct stream *stream_of_kind(const struct point *point, enum stream_kind kind)
{
	for (size_t i = 0; i < point->n_streams; i++)
		if (point->streams[i].kind == kind)
			return &point->streams[i];
	return NULL;
}

static bool read_stream(const struct repository *repository, const struct point *point, const struct stream *stream,
			struct bytes *ret, struct err **errp)
{
	AUTO(rescue_freep) struct rescue *rescue = rescue_new(repository, point, &(struct rescue_options){0}, errp);
	if (!rescue)
		return false;
	AUTO(pack_reader_freep) struct pack_reader *packs = pack_reader_new(repository, FOOTERS_BYTES, errp);
	if (!packs)
		return false;
	pack_reader_set_rescue(packs, rescue);
	return stream_read_all(packs, stream, DEFINITION_MAX, ret, errp) || err_prefix(errp, "%s", stream->name);
}

static bool read_shape(const struct repository *repository, const struct point *point, const struct stream *definition,
		       struct vm_point_shape *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes bytes = {0};
	AUTO(domain_xml_release) struct domain_xml domain = {0};
	if (!read_stream(repository, point, definition, &bytes, errp))
		return false;
	AUTO(freep) char *xml = strndup((const char *)bytes.data, bytes.len);
	if (!xml)
		return err_set_no_memory(errp);
	if (!domain_xml_parse(xml, &domain, errp))
		return false;
	*ret = (struct vm_point_shape){.memory = domain.memory, .vcpus = domain.vcpus};
	return true;
}

bool vm_point_look(const struct repository *repository, const struct point *point, struct vm_point_shape *ret,
		   struct err **errp)
{
	const struct stream *definition = stream_of_kind(point, STREAM_DEFINITION);
	*ret = (struct vm_point_shape){0};
	if (!stream_of_kind(point, STREAM_DISK))
		return err_set(errp, ERR_UNSUPPORTED, "the point has no disk");
	if (stream_of_kind(point, STREAM_FIRMWARE))
		return err_set(
			errp, ERR_UNSUPPORTED,
			"the point's machine starts by UEFI, which the thin hypervisor does not have; 'salvor boot' "
			"runs it");
	for (size_t i = 0; i < point->n_streams; i++)
		if (point->streams[i].kind == STREAM_DISK && !stream_name_check(&point->streams[i], errp))
			return false;
	return !definition || read_shape(repository, point, definition, ret, errp);
}
