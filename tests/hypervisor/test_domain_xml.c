/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hypervisor/libvirt/backup_xml.h"
#include "hypervisor/libvirt/domain_xml.h"
#include "tests/unit.h"

static const char machine[] =
	"<domain type='qemu'><name>web01</name><os><nvram "
	"template='/usr/share/OVMF/V.fd'>/var/lib/nvram/web01_VARS.fd</nvram></os><devices>"
	"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/img/a &amp; "
	"b.qcow2'/><backingStore type='file'><format type='qcow2'/><source file='/img/base'/>"
	"<backingStore type='block'><source dev='/dev/vg/base'/><backingStore/></backingStore></backingStore>"
	"<target dev='vda'/></disk>"
	"<disk type='block' device='disk'><driver type='raw'/><source dev='/dev/vg/web01'/><target dev='vdb'/></disk>"
	"<disk type='file' device='cdrom'><driver type='raw'/><target dev='sda'/><readonly/></disk>"
	"<disk type='network' device='disk'><driver type='raw'/><source protocol='rbd' name='x'/><target "
	"dev='vdc'/></disk>"
	"<disk type='file' device='disk'><source file='/img/shared'/><target dev='vdd'/><shareable/></disk>"
	"<disk type='file' device='disk'><driver type='vmdk'/><source file='/img/x.vmdk'/><target dev='vde'/></disk>"
	"<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' "
	"state='connected'/></channel></devices>"
	"<seclabel type='dynamic' model='dac'><label>+64055:+106</label></seclabel></domain>";

static void test_shape(void **state)
{
	static const struct {
		const char *xml;
		uint64_t memory;
		unsigned vcpus;
	} cases[] = {
		{"<domain><memory unit='KiB'>1048576</memory><vcpu placement='static'>2</vcpu></domain>", 1 << 30, 2},
		{"<domain><memory unit='MiB'>1024</memory><vcpu>x</vcpu></domain>", 0, 0},
		{"<domain><memory unit='KiB'>99999999999999999999</memory><vcpu>99999999999</vcpu></domain>", 0, 0},
		{"<domain/>", 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err *err = NULL;
		struct domain_xml domain;
		assert_true(domain_xml_parse(cases[i].xml, &domain, &err));
		assert_int_equal(domain.memory, cases[i].memory);
		assert_int_equal(domain.vcpus, cases[i].vcpus);
		domain_xml_release(&domain);
	}
}

static void test_machine(void **state)
{
	(void)state;
	struct err *err = NULL;
	struct domain_xml domain;
	assert_true(domain_xml_parse(machine, &domain, &err));
	assert_int_equal(domain.n_disks, 2);
	assert_string_equal(domain.disks[0].name, "vda");
	assert_string_equal(domain.disks[0].source, "/img/a & b.qcow2");
	assert_true(domain.disks[0].qcow2 && !domain.disks[0].block);
	assert_int_equal(domain.disks[0].n_below, 2);
	assert_string_equal(domain.disks[0].below[0], "/img/base");
	assert_string_equal(domain.disks[0].below[1], "/dev/vg/base");
	assert_int_equal(domain.disks[1].n_below, 0);
	assert_string_equal(domain.disks[1].source, "/dev/vg/web01");
	assert_true(!domain.disks[1].qcow2 && domain.disks[1].block);
	assert_string_equal(domain.nvram, "/var/lib/nvram/web01_VARS.fd");
	assert_true(domain.agent_channel && domain.agent_connected);
	uid_t uid;
	gid_t gid;
	assert_true(domain_xml_qemu_user(&domain, &uid, &gid));
	assert_int_equal(uid, 64055);
	assert_int_equal(gid, 106);
	domain_xml_release(&domain);
}

static void test_left_out(void **state)
{
	(void)state;
	static const char *const expected[] = {
		"cdrom sda: removable media",
		"disk vdc: neither a file nor a block device of this host",
		"disk vdd: shared with other machines",
		"disk vde: neither qcow2 nor raw",
	};
	struct err *err = NULL;
	struct domain_xml domain;
	assert_true(domain_xml_parse(machine, &domain, &err));
	assert_int_equal(domain.n_left_out, ARRAY_LENGTH(expected));
	for (size_t i = 0; i < ARRAY_LENGTH(expected); i++)
		assert_string_equal(domain.left_out[i], expected[i]);
	assert_string_equal(domain.left_out_targets[3], "vde");
	domain_xml_release(&domain);
}

static void test_foreign_text(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "<domain>", "<network/>",
					    "<domain><devices><disk/></devices></domain>"};
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		struct err *err = NULL;
		struct domain_xml domain;
		assert_false(domain_xml_parse(texts[i], &domain, &err));
		assert_int_equal(err_code(err), ERR_CORRUPT);
		err_free(err);
	}
}

static void test_backup_socket(void **state)
{
	(void)state;
	struct err *err = NULL;
	char *socket;
	assert_true(backup_xml_socket("<domainbackup><server transport='unix' socket='/run/x'/></domainbackup>",
				      &socket, &err));
	assert_string_equal(socket, "/run/x");
	free(socket);
	assert_true(backup_xml_socket("<domainbackup mode='push'/>", &socket, &err));
	assert_null(socket);
	assert_false(backup_xml_socket("<domain/>", &socket, &err));
	err_free(err);
}

static struct plan make_plan(void)
{
	static char *left_out[] = {"sda"};
	struct plan plan = {.n_disks = 2,
			    .left_out = left_out,
			    .n_left_out = 1,
			    .socket = "/run/a&b",
			    .parent = "salvor-1",
			    .checkpoint = "salvor-2"};
	plan.disks[0] = (struct plan_disk){
		.name = "vda", .scratch = strdup("/s/vda"), .tracked = true, .size = 1 << 30, .identity = 77};
	plan.disks[1] = (struct plan_disk){.name = "vdb", .scratch = strdup("/s/vdb"), .fallback = FALLBACK_UNTRACKED};
	return plan;
}

static void test_job(void **state)
{
	(void)state;
	struct plan plan = make_plan();
	char *xml = backup_xml_job(&plan);
	assert_non_null(strstr(xml, "socket=\"/run/a&amp;b\""));
	assert_non_null(strstr(
		xml, "<disk name=\"vda\" backup=\"yes\" type=\"file\" exportname=\"vda\" backupmode=\"incremental\" "
		     "incremental=\"salvor-1\"><scratch file=\"/s/vda\"/></disk>"));
	assert_non_null(
		strstr(xml, "<disk name=\"vdb\" backup=\"yes\" type=\"file\" exportname=\"vdb\" backupmode=\"full\">"));
	assert_non_null(strstr(xml, "<disk name=\"sda\" backup=\"no\"/>"));
	free(xml);
	plan_release(&plan);
}

static void test_checkpoint_remembers(void **state)
{
	(void)state;
	struct plan plan = make_plan();
	char *xml = backup_xml_checkpoint(&plan);
	uint64_t size, identity;
	assert_true(checkpoint_xml_disk(xml, "vda", &size, &identity));
	assert_int_equal(size, 1 << 30);
	assert_int_equal(identity, 77);
	assert_false(checkpoint_xml_disk(xml, "vdb", &size, &identity));
	assert_false(checkpoint_xml_disk(xml, "vd", &size, &identity));
	assert_false(checkpoint_xml_disk("<domaincheckpoint><description>of another</description></domaincheckpoint>",
					 "of", &size, &identity));
	assert_false(checkpoint_xml_disk("not XML", "vda", &size, &identity));
	free(xml);
	plan_release(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_foreign_text),
		cmocka_unit_test(test_backup_socket),
		cmocka_unit_test(test_job),
		cmocka_unit_test(test_checkpoint_remembers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
