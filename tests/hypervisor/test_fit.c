/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions in, fitted definitions out, and everything that was changed or left out is named. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/libvirt/fit.h"
#include "tests/unit.h"

static char *machines[] = {"pc", "q35", "pc-q35-7.2", "pc-i440fx-7.2"};
static const struct fit_disk disks[] = {{.name = "vda", .overlay = "/run/overlay/vda.qcow2", .nbd_socket = "/run/nbd"}};

struct fitted {
	char *xml;
	char notes[8192];
	enum err_code code;
};

static void note(void *arg, const char *text)
{
	struct fitted *fitted = arg;
	size_t len = strlen(fitted->notes);
	snprintf(fitted->notes + len, sizeof(fitted->notes) - len, "%s\n", text);
}

static const struct fit_host software = {.emulator = (char *)"/usr/bin/qemu-system-x86_64",
					 .machines = machines,
					 .n_machines = 4,
					 .processors = 2,
					 .memory = 1u << 30};

static void fit(const char *definition, struct fit_request request, const struct fit_host *host, struct fitted *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	memset(ret, 0, sizeof(*ret));
	request.definition = SPAN(definition, strlen(definition));
	request.name = "salvor";
	if (!request.disks) {
		request.disks = disks;
		request.n_disks = ARRAY_LENGTH(disks);
	}
	request.console_socket = "/run/console";
	request.note = note;
	request.note_arg = ret;
	ret->xml = fit_definition(&request, host, &err);
	assert_int_equal(ret->xml == NULL, err != NULL);
	ret->code = err ? err_code(err) : 0;
}

#define DOMAIN(inside) \
	"<domain type='kvm'><name>web01</name><uuid>x</uuid><memory unit='MiB'>512</memory>" inside "</domain>"
#define OS "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>"
#define DEVICES(inside) DOMAIN(OS "<devices>" inside "</devices>")

struct row {
	const char *definition;
	const char *present, *absent, *noted; /* any may be NULL */
};

static const struct row rows[] = {
	{DEVICES(""), "<name>salvor</name>", "web01", NULL},
	{DEVICES(""), "type=\"qemu\"", "<uuid>", NULL},
	{DEVICES("<emulator>/tmp/evil</emulator>"), "<emulator>/usr/bin/qemu-system-x86_64</emulator>", "evil", NULL},
	{DEVICES("<disk type='file' device='disk'><source file='/etc/shadow'/><target dev='vda' bus='scsi'/><boot "
		 "order='3'/></disk>"),
	 "/run/overlay/vda.qcow2", "shadow", NULL},
	{DEVICES("<disk type='file' device='disk'><target dev='vda' bus='scsi'/><boot order='3'/></disk>"),
	 "<boot order=\"3\"/>", NULL, NULL},
	{DEVICES("<disk type='file' device='disk'><target dev='vda' bus='scsi'/></disk>"), "bus=\"scsi\"", NULL, NULL},
	{DEVICES("<disk type='file' device='disk'><target dev='vda' bus='xen'/></disk>"), "bus=\"virtio\"", "xen",
	 "disk vda: at virtio instead of xen"},
	{DEVICES("<disk type='file' device='disk'><target dev='vdb' bus='virtio'/></disk>"), "dev=\"vda\"", "vdb",
	 "left out: disk vdb"},
	{DEVICES("<disk type='file' device='cdrom'><source file='/x.iso'/><target dev='sda' bus='sata'/></disk>"), NULL,
	 "iso", "left out: cdrom sda"},
	{DEVICES("<hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x03' slot='0x00' "
		 "function='0x0'/></source>"
		 "</hostdev>"),
	 NULL, "hostdev", "left out: hostdev 0000:03:00.0"},
	{DEVICES("<filesystem type='mount'><source dir='/'/><target dir='share'/></filesystem>"), NULL, "filesystem",
	 "left out: filesystem share"},
	{DEVICES("<controller type='usb' index='0' model='piix4-uhci'/>"), "model=\"piix4-uhci\"", "instead", NULL},
	{DEVICES("<controller type='usb' index='0' model='vt82c686b-uhci'/>"), "model=\"piix3-uhci\"", "vt82",
	 "controller usb: piix3-uhci instead of vt82c686b-uhci"},
	{DEVICES("<controller type='usb' index='0' model='qusb2' ports='4'/>"), "model=\"qemu-xhci\"", "qusb2",
	 "controller usb: qemu-xhci instead of qusb2"},
	{DEVICES("<controller type='scsi' index='0' model='lsisas1068'/>"), "model=\"lsisas1068\"", NULL, NULL},
	{DEVICES("<controller type='scsi' index='0' model='buslogic'/>"), "model=\"virtio-scsi\"", "buslogic",
	 "controller scsi: virtio-scsi instead of buslogic"},
	{DEVICES("<vsock model='virtio'/>"), NULL, "vsock", "left out: vsock virtio"},
	{DEVICES("<tpm model='tpm-crb'/>"), NULL, "tpm", "left out: tpm tpm-crb"},
	{DEVICES("<shmem name='a'/>"), NULL, "shmem", "left out: shmem"},
	{DEVICES("<watchdog model='i6300esb' action='poweroff'/>"), NULL, "watchdog", "left out: watchdog i6300esb"},
	{DEVICES("<serial type='file'><source path='/etc/passwd'/><target port='1'/></serial>"), "/run/console",
	 "passwd", "left out: serial port 1"},
	{DEVICES("<channel type='unix'><source path='/x'/><target type='virtio' name='other'/></channel>"), NULL,
	 "other", "left out: channel other"},
	{DEVICES("<interface type='bridge'><mac address='52:54:00:01:02:03'/><source bridge='br0'/><model "
		 "type='e1000'/></interface>"),
	 "52:54:00:01:02:03", "br0", "network: the cables are unplugged"},
	{DEVICES("<interface type='bridge'><model type='e1000'/></interface>"), "<link state=\"down\"/>", NULL, NULL},
	{DEVICES("<interface type='bridge'><model type='e1000'/></interface>"), "restrict=on", NULL, NULL},
	{DEVICES("<interface type='bridge'><model type='vfio-pci'/></interface>"), "virtio", "vfio",
	 "interface: virtio instead of vfio-pci"},
	{DEVICES("<graphics type='vnc' port='5900'/><video><model type='qxl'/></video>"), "type=\"vga\"", "vnc",
	 "video: vga instead of qxl"},
	{DOMAIN(OS "<cpu mode='custom'><model>Skylake-Server</model></cpu>"), "mode=\"maximum\"", "Skylake",
	 "processor: the software CPU instead of Skylake-Server"},
	{DOMAIN(OS "<vcpu>16</vcpu>"), "<vcpu>2</vcpu>", NULL, "processors: 2 instead of 16"},
	{DOMAIN(OS "<features><acpi/><hyperv mode='custom'/></features>"), "<acpi/>", "hyperv",
	 "left out: feature hyperv"},
	{DOMAIN(OS "<memoryBacking><hugepages/></memoryBacking>"), NULL, "hugepages", "left out: memoryBacking"},
	{DOMAIN("<os><type machine='pc-q35-rhel9.4.0'>hvm</type></os>"), "machine=\"q35\"", "rhel",
	 "machine type: q35 instead of pc-q35-rhel9.4.0"},
	{DOMAIN("<os><type machine='pc-i440fx-2.1'>hvm</type></os>"), "machine=\"pc\"", "2.1",
	 "machine type: pc instead of pc-i440fx-2.1"},
	{DOMAIN("<os><type>hvm</type><kernel>/boot/x</kernel><initrd>/boot/y</initrd></os>"), NULL, "/boot",
	 "left out: the kernel outside"},
	{"<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:commandline><q:arg "
	 "value='-evil'/></q:commandline></domain>",
	 "<name>salvor</name>", "evil", "left out: commandline beyond libvirt's own"},
	{"<domain><memory unit='TiB'>4</memory></domain>", "<memory unit=\"KiB\">1048576</memory>", NULL,
	 "memory: 1024 MiB instead of 4194304 MiB"},
	{"<domain><memory unit='TiB'>99999999999999999999</memory></domain>", "<memory", NULL, NULL},
};

static void known_definitions_are_fitted(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct fitted fitted;
		fit(rows[i].definition, (struct fit_request){0}, &software, &fitted);
		assert_non_null(fitted.xml);
		if (rows[i].present && !strstr(fitted.xml, rows[i].present))
			fail_msg("'%s' is missing in %s", rows[i].present, fitted.xml);
		if (rows[i].absent && strstr(fitted.xml, rows[i].absent))
			fail_msg("'%s' is still in %s", rows[i].absent, fitted.xml);
		if (rows[i].noted && !strstr(fitted.notes, rows[i].noted))
			fail_msg("'%s' is not among the notes: %s", rows[i].noted, fitted.notes);
		free(fitted.xml);
	}
}

static void a_plain_machine_is_made_around_disks(void **state)
{
	struct fitted fitted;
	(void)state;
	fit("", (struct fit_request){0}, &software, &fitted);
	assert_non_null(strstr(fitted.xml, "machine=\"q35\""));
	assert_non_null(strstr(fitted.xml, "/run/overlay/vda.qcow2"));
	assert_null(strstr(fitted.xml, "<interface"));
	free(fitted.xml);
}

static const char *find_disk(const char *xml, const char *overlay, const char *target)
{
	const char *disk = strstr(xml, overlay), *end = disk ? strstr(disk, "</disk>") : NULL;
	const char *at = disk ? strstr(disk, target) : NULL;
	return at && at < end ? at : NULL;
}

/* A person names disks as he likes; libvirt wants letters, and the first disk is what is booted. */
static void disks_with_names_of_their_own_get_targets(void **state)
{
	static const struct fit_disk named[] = {
		{.name = "system", .nbd_socket = "/run/nbd", .overlay = "/run/overlay/system.qcow2"},
		{.name = "vda", .nbd_socket = "/run/nbd", .overlay = "/run/overlay/vda.qcow2"},
		{.name = "vd-logs", .nbd_socket = "/run/nbd", .overlay = "/run/overlay/vd-logs.qcow2"},
	};
	struct fitted fitted;
	(void)state;
	fit("", (struct fit_request){.disks = named, .n_disks = ARRAY_LENGTH(named)}, &software, &fitted);
	assert_non_null(find_disk(fitted.xml, "system.qcow2", "dev=\"vdb\""));
	assert_non_null(find_disk(fitted.xml, "/vda.qcow2", "dev=\"vda\""));
	assert_non_null(find_disk(fitted.xml, "vd-logs.qcow2", "dev=\"vdc\""));
	assert_non_null(strstr(fitted.notes, "disk system: is vdb to the machine"));
	free(fitted.xml);
}

static void a_network_that_is_asked_for_is_restricted(void **state)
{
	struct fitted fitted;
	(void)state;
	fit(DEVICES("<interface type='bridge'><model type='virtio'/></interface>"),
	    (struct fit_request){.network = true}, &software, &fitted);
	assert_null(strstr(fitted.xml, "<link"));
	assert_non_null(strstr(fitted.xml, "user,id=salvor0,restrict=on"));
	assert_non_null(strstr(fitted.xml, "value=\"salvor0\""));
	free(fitted.xml);
}

static void a_watched_machine_tells_more(void **state)
{
	struct fitted fitted;
	(void)state;
	fit(DEVICES("<panic model='hyperv'/>"), (struct fit_request){0}, &software, &fitted);
	assert_null(strstr(fitted.xml, "panic"));
	assert_null(strstr(fitted.xml, "isa-debug"));
	assert_non_null(strstr(fitted.xml, "<on_crash>destroy</on_crash>"));
	free(fitted.xml);
	fit(DEVICES("<panic model='hyperv'/>"),
	    (struct fit_request){.watched = true, .firmware_socket = "/run/firmware"}, &software, &fitted);
	assert_non_null(strstr(fitted.xml, "<panic model=\"isa\"/>"));
	assert_non_null(strstr(fitted.xml, "/run/firmware"));
	assert_non_null(strstr(fitted.xml, "iobase=\"0x402\""));
	assert_non_null(strstr(fitted.xml, "<on_crash>preserve</on_crash>"));
	assert_null(strstr(fitted.notes, "panic"));
	free(fitted.xml);
}

static void memory_has_a_limit(void **state)
{
	struct fitted fitted;
	(void)state;
	fit(DEVICES(""), (struct fit_request){.memory_max = UINT64_C(256) << 20}, &software, &fitted);
	assert_non_null(strstr(fitted.xml, "<memory unit=\"KiB\">262144</memory>"));
	assert_non_null(strstr(fitted.notes, "memory: 256 MiB instead of 512 MiB"));
	free(fitted.xml);
}

static void foreign_text_in_notes_is_printable(void **state)
{
	struct fitted fitted;
	(void)state;
	fit(DEVICES("<filesystem><target dir='a\xc2\x9b[2Jb&#10;c'/></filesystem>"), (struct fit_request){0}, &software,
	    &fitted);
	assert_non_null(strstr(fitted.notes, "left out: filesystem a??[2Jb?c\n"));
	free(fitted.xml);
}

static void what_is_no_machine_is_refused(void **state)
{
	static const struct {
		const char *definition;
		enum err_code code;
	} refused[] = {
		{"no xml", ERR_CORRUPT},
		{"<network/>", ERR_CORRUPT},
		{"<domain>", ERR_CORRUPT},
		{"<!DOCTYPE domain [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><domain><name>&a;</name></domain>",
		 ERR_CORRUPT},
		{"<domain><os><type arch='aarch64'>hvm</type></os></domain>", ERR_UNSUPPORTED},
		{"<domain><os><type>exe</type></os></domain>", ERR_UNSUPPORTED},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
		struct fitted fitted;
		fit(refused[i].definition, (struct fit_request){0}, &software, &fitted);
		assert_null(fitted.xml);
		assert_int_equal(fitted.code, refused[i].code);
	}
}

static void firmware_is_recognized(void **state)
{
	static const struct {
		const char *definition;
		bool uefi, secure;
	} wanted[] = {
		{"<domain/>", false, false},
		{"<domain><os firmware='efi'/></domain>", true, false},
		{"<domain><os><loader type='pflash' secure='yes'>/x</loader></os></domain>", true, true},
		{"<domain><os><loader type='rom'>/x</loader></os></domain>", false, false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
		struct fit_firmware firmware;
		AUTO(err_freep) struct err *err = NULL;
		assert_true(fit_firmware(SPAN(wanted[i].definition, strlen(wanted[i].definition)), &firmware, &err));
		assert_int_equal(firmware.uefi, wanted[i].uefi);
		assert_int_equal(firmware.secure, wanted[i].secure);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_definitions_are_fitted),
		cmocka_unit_test(a_plain_machine_is_made_around_disks),
		cmocka_unit_test(disks_with_names_of_their_own_get_targets),
		cmocka_unit_test(a_network_that_is_asked_for_is_restricted),
		cmocka_unit_test(a_watched_machine_tells_more),
		cmocka_unit_test(memory_has_a_limit),
		cmocka_unit_test(foreign_text_in_notes_is_printable),
		cmocka_unit_test(what_is_no_machine_is_refused),
		cmocka_unit_test(firmware_is_recognized),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
