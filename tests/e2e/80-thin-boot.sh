#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The thin hypervisor, on real KVM in L1, hosts disk images of Debian that know nothing of it: from their own boot loader to the
# login, with network, guest agent, restart and power-off.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
# shellcheck source=tests/thin/lib.sh
. "$tests/thin/lib.sh"

show_agent() {
	wait_until 120 "the guest agent of $1" thin_agent_answers "$1"
	[[ $(ask_thin_agent "$1" '{"execute": "guest-fsfreeze-freeze"}') =~ '"return": '[1-9] ]] || fail "$1 froze nothing"
	[[ $(ask_thin_agent "$1" '{"execute": "guest-fsfreeze-status"}') == *frozen* ]] || fail "$1 is not frozen"
	[[ $(ask_thin_agent "$1" '{"execute": "guest-fsfreeze-thaw"}') =~ '"return": '[1-9] ]] || fail "$1 thawed nothing"
}

# A file goes from L1 to the guest and back. The guest before had the same address, and another card.
show_network() {
	l1_must '/usr/bin/ip neighbour flush dev br0'
	in_thin "$1" 60 'card=$(ls /sys/class/net | grep ^e); ip link set $card up; ip address add 10.7.0.2/24 dev $card'
	l1_must 'ping -c 3 10.7.0.2'
	l1_must 'head -c 3000000 /dev/urandom >/run/sent
		socat -u FILE:/run/sent TCP-LISTEN:9000,reuseaddr >/dev/null 2>&1 </dev/null &
		socat -u TCP-LISTEN:9001,reuseaddr CREATE:/run/received >/dev/null 2>&1 </dev/null &'
	in_thin "$1" 120 'cat </dev/tcp/10.7.0.1/9000 >/tmp/file && cat /tmp/file >/dev/tcp/10.7.0.1/9001; rm /tmp/file'
	wait_until 20 "the file to be back as it was" l1 'cmp /run/sent /run/received'
}

# debian RELEASE MEMORY_MIB VCPUS
debian() {
	local name=$1-$2-$3 from
	say "$1 with $2 MiB and $3 vCPUs"
	start_thin "$name" "$2" "$3" "$1"
	log_in_thin "$name" 180
	[[ $(in_thin "$name" 20 nproc) == "$3" ]] || fail "$name has not $3 processors"
	show_agent "$name"
	show_network "$name"
	if [[ ${SALVOR_TEST_FULL:-} == 1 ]]; then
		from=$(thin_said_bytes "$name")
		type_thin "$name" reboot
		wait_thin "$name" 'login: ' 180 "$from"
	fi
	stop_thin "$name" 90
}

# The parts that do not need a whole Debian.
show_restart() {
	local from
	start_thin commands 256 2 commands
	wait_thin commands 'commands: ready' 60
	from=$(thin_said_bytes commands)
	type_thin commands 'reboot -f'
	wait_thin commands 'commands: ready' 60 "$from"
	type_thin commands 'poweroff -f'
	wait_thin_end commands 30
}

l1_disk bookworm "$("$tests/guest/debian")/disk.raw" snapshot=on
if [[ ${SALVOR_TEST_FULL:-} == 1 ]]; then
	l1_disk trixie "$("$tests/guest/debian" trixie)/disk.raw" snapshot=on
fi
new_command_disk "$work/commands.raw"
l1_disk commands "$work/commands.raw"
[[ ${THIN_HOST:-} != qemu ]] || l1_peer
start_l1 "$(quick_or_full 2048 6144)"
tap_l1 tap0

show_restart
debian bookworm 512 1
if [[ ${SALVOR_TEST_FULL:-} == 1 ]]; then
	debian trixie 512 1
	for release in bookworm trixie; do
		debian "$release" 256 1
		debian "$release" 4096 2
	done
fi
stop_l1
