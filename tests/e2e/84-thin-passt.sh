#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest of the thin hypervisor, on real KVM in L1, has its network from a real passt: its address by DHCP, and files both ways,
# in frames of 1,500 bytes and in those of 64 KiB that passt sends to whoever takes them.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
# shellcheck source=tests/thin/lib.sh
. "$tests/thin/lib.sh"

thin_passt=/run/passt/sock
size=$(quick_or_full 20000000 200000000)

start_passt() {
	l1_must 'mkdir -m 777 /run/passt && passt --quiet --socket "$1" --pid /run/passt/pid </dev/null' "$thin_passt"
}

# What the guest calls its gateway is L1's own loopback.
serve_file() {
	l1_must 'head -c "$1" /dev/urandom >/run/sent
		socat -u FILE:/run/sent TCP-LISTEN:9000,bind=127.0.0.1,reuseaddr >/dev/null 2>&1 </dev/null &
		socat -u TCP-LISTEN:9001,bind=127.0.0.1,reuseaddr CREATE:/run/received >/dev/null 2>&1 </dev/null &' "$size"
}

received() { in_thin passt 20 'echo $(cat /sys/class/net/$card/statistics/rx_bytes /sys/class/net/$card/statistics/rx_packets)'; }

# there_and_back MTU
there_and_back() {
	local before after
	say "there and back by an MTU of $1"
	serve_file
	before=$(received)
	in_thin passt 300 "ip link set \$card mtu $1; cat </dev/tcp/\$gateway/9000 >/tmp/file && cat /tmp/file >/dev/tcp/\$gateway/9001; rm /tmp/file"
	wait_until 20 "the file to be back as it was" l1 'cmp /run/sent /run/received'
	after=$(received)
	frame=$(awk '{ print int(($3 - $1) / ($4 - $2)) }' <<<"$before $after")
	say "$frame bytes a frame"
}

[[ ${THIN_HOST:-} != qemu ]] || skip "QEMU's guests are on TAP interfaces"
l1_disk bookworm "$("$tests/guest/debian")/disk.raw" snapshot=on
start_l1 2048
start_passt
start_thin passt 512 1 bookworm
log_in_thin passt 180
in_thin passt 60 'card=$(ls /sys/class/net | grep ^e); gateway=; until [ -n "$gateway" ]; do sleep 0.2; gateway=$(ip route | sed -n "s/^default via \([0-9.]*\) .*/\1/p"); done'
there_and_back 1500
there_and_back 65520
((frame > 1514)) || fail "passt sends no frames that are larger than those of Ethernet"
stop_thin passt 90
stop_l1
