#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A machine that libvirt hosted and 'salvor backup' protected goes on, on the thin hypervisor, straight from the repository. It writes only
# to its overlay, which stays when salvor-vmm is killed and L1 loses its power.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
# shellcheck source=tests/thin/lib.sh
. "$tests/thin/lib.sh"

# The quick one is nothing but a shell, the full one is Debian.
make_point() {
	start_libvirt
	if [[ ${SALVOR_TEST_FULL:-} == 1 ]]; then
		new_debian web01
	else
		new_command_disk "$work/web01.raw"
		qemu-img convert -f raw -O qcow2 "$work/web01.raw" "$guests/web01-vda.qcow2"
	fi
	start_debian web01
	wait_text "$guests/web01.log" "$ready" 120
	new_repository "$work/srv/repository"
	# Without an agent, as in the shell, the point is one of a power cut, and that is said.
	salvor backup web01 --freeze-timeout 5 >&2 || (($? == 3))
	destroy_guest web01
	stop_libvirt
}

# L1 may only read the repository; overlays are on a disk of their own.
give_to_l1() {
	truncate --size 1G "$work/srv.raw" "$work/state.raw"
	mkfs.ext4 -q -F -d "$work/srv" "$work/srv.raw"
	mkfs.ext4 -q -F "$work/state.raw"
	l1_disk srv "$work/srv.raw" readonly=on
	l1_disk state "$work/state.raw"
}

start_it() {
	start_l1 2048
	l1_must 'mkdir -p /srv && mount -o ro /dev/disk/by-serial/srv /srv && mkdir -p /run/guests &&
		mount /dev/disk/by-serial/state /run/guests'
}

# salvor_in_l1 WORD...
salvor_in_l1() {
	l1_must 'export SALVOR_REPO=/srv/repository SALVOR_PASSPHRASE="$1"; shift; salvor "$@"' "$SALVOR_PASSPHRASE" "$@"
}

become_root() { [[ ${SALVOR_TEST_FULL:-} != 1 ]] || log_in_thin web01 180; }

# Debian keeps a note in a file; the shell, whose file system is in memory, in the last sector of the first megabyte.
note=$((RANDOM * 32768 + RANDOM))
if [[ ${SALVOR_TEST_FULL:-} == 1 ]]; then
	ready='login: '
	write_note="echo $note >/note; sync"
	read_note="grep -q $note /note"
else
	ready='commands: ready'
	write_note="echo $note | dd of=/dev/vda bs=512 seek=2047 conv=fsync,notrunc"
	read_note="dd if=/dev/vda bs=512 skip=2047 count=1 | busybox grep -q $note"
fi

mkdir "$work/srv"
make_point
give_to_l1
start_it
salvor_in_l1 vm create web01 --from web01@latest
salvor_in_l1 vm start web01
wait_thin web01 "$ready" 180
become_root
in_thin web01 60 "$write_note"
say "SIGKILL of salvor-vmm"
kill_thin web01
from=$(thin_said_bytes web01)
wait_until 30 "the machine to be stopped" eval 'salvor_in_l1 vm list | grep stopped'
salvor_in_l1 vm start web01
wait_thin web01 "$ready" 180 "$from"
from=
become_root
in_thin web01 60 "$read_note" || fail "what was flushed is not there after SIGKILL"
say "power cut"
kill_l1
start_it
from=$(thin_said_bytes web01)
salvor_in_l1 vm start web01
wait_thin web01 "$ready" 180 "$from"
if [[ ${SALVOR_TEST_FULL:-} != 1 ]]; then
	in_thin web01 60 "$read_note" || fail "what was flushed is not there after the power cut"
fi
stop_l1
e2fsck -f -n "$work/srv.raw" >/dev/null || fail "the repository's disk was written to"
