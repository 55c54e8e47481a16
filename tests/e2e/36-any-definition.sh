#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A machine whose definition has all that libvirt allows and no host has at once is backed up as it is, and its point boots: what
# cannot be had here is left out, and named. The definitions are in e2e/definitions; none is ever started as it is.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require qemu-system-x86_64 nbdkit

# define NAME: the definition of that name, whose disk is in $guests.
define() {
	sed "s|@folder@|$guests|" "$tests/e2e/definitions/$1.xml" >"$work/$1.xml"
	"${virsh[@]}" define "$work/$1.xml" >&2
}

# passes NAME: a backup of the domain, and its point boots.
passes() {
	say "$1"
	define "$1"
	expect 0 salvor backup "$1"
	expect 0 salvor verify "$1@latest" --memory 256M --evidence "$work/evidence"
	cat "$work/out" "$work/err" >&2
	grep --quiet "passed, .*the console said 'tiny login:'" "$work/out" || fail "$1 did not pass by its console"
}

# named NAME TEXT...: each is in a note of the machine.
named() {
	local name=$1 text
	shift
	for text in "$@"; do
		grep --quiet --fixed-strings "$name: $text" "$work/err" || fail "no note of $name names '$text'"
	done
}

start_libvirt
new_repository "$work/repository" >&2
new_bootable_disk "$guests/q35.raw" <<<'echo -n "tiny login: "; sleep 100000'
passes q35
named q35 'left out: maxMemory' 'left out: memoryBacking' 'left out: iothreads' 'left out: cputune' 'left out: numatune' \
	'left out: the NUMA cells' 'left out: feature hyperv' 'left out: feature kvm' 'left out: commandline' \
	'processor: the software CPU instead of Skylake-Server' 'interface: virtio instead of usb-net' \
	'left out: lun sde' 'left out: cdrom sdb' 'left out: disk vdb' 'left out: filesystem shared' 'left out: smartcard' \
	'left out: tpm' 'left out: hostdev 0000:06:02.0' 'left out: redirdev' 'left out: watchdog' 'left out: shmem' \
	'left out: memory nvdimm' 'left out: iommu' 'left out: vsock' 'network: isolated'

mv "$guests/q35.raw" "$guests/i440fx.raw"
passes i440fx
named i440fx 'left out: floppy fda' 'left out: cdrom hdc' 'left out: the NUMA cells' 'left out: hostdev usb' 'left out: parallel' \
	'left out: sound ac97' 'left out: watchdog ib700' 'video: vga instead of vmvga' 'network: isolated'
