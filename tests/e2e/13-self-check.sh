#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A change map that leaves out what changed is found by the self-check within the runs that its sampling promises, a person is told,
# and the point of the same run is right. No operating system is needed for that, see 12-lost-tracking.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require qemu-img qemu-io cmp jq dd

# As many chunks that hold data as each run reads again.
sampled=24
chunk=65536

qmp() { "${virsh[@]}" qemu-monitor-command liar "$1"; }

on() { "${virsh[@]}" start liar; }

off() { "${virsh[@]}" destroy liar; }

# new_disk DISK CHUNKS: that many of random bytes, and as much room again.
new_disk() {
	head --bytes $(($2 * chunk)) /dev/urandom >"$work/content"
	truncate --size $((2 * $2 * chunk)) "$work/content"
	qemu-img convert -f raw -O qcow2 "$work/content" "$guests/liar-$1.qcow2"
	rm "$work/content"
}

# write_in DISK_NUMBER OFFSET LENGTH: as a driver in the guest.
write_in() {
	local command
	for command in "write -P $((RANDOM % 255 + 1)) $2 $3" flush; do
		"${virsh[@]}" qemu-monitor-command liar --hmp "qemu-io -d /machine/peripheral/virtio-disk$1/virtio-backend \"$command\""
	done
}

# change_in_file DISK CHUNK: turns over a byte of the image's file, where that chunk lies in it.
change_in_file() {
	local file=$guests/liar-$1.qcow2 at
	at=$(qemu-img map --output json "$file" |
		jq --argjson offset $(($2 * chunk)) 'map(select(.start <= $offset and $offset < .start + .length))[0] | .offset + $offset - .start')
	printf '%b' "\\x$(printf '%02x' $((255 - $(od --address-radix n --format u1 --skip-bytes "$at" --read-bytes 1 "$file"))))" |
		dd of="$file" bs=1 seek="$at" conv=notrunc status=none
}

# expect_same POINT
expect_same() {
	local disk
	expect 0 salvor restore "$1" --to "$work/restored"
	for disk in vda vdb; do
		qemu-img convert -U -f qcow2 -O raw "$guests/liar-$disk.qcow2" "$work/$disk.raw"
		cmp "$work/$disk.raw" "$work/restored/$disk.raw" || fail "disk $disk of point $1 is not what it was"
	done
	rm -r "$work/restored"
}

# back_up STATUS MODE REASON [OPTION...]
back_up() {
	local said
	expect "$1" salvor backup liar --freeze-timeout 0 --json "${@:4}"
	mv "$work/out" "$work/backup"
	said=$(jq --raw-output '"\(.mode) \(.fallback_reason)"' "$work/backup")
	[[ $said == "$2 $3" ]] || fail "expected '$2 $3', and it was '$said': $(cat "$work/backup" "$work/err")"
}

# expect_alarm DISK: the last backup raised it, its point is right and says so, and the next one is an increment.
expect_alarm() {
	local point
	point=$(jq --raw-output .point "$work/backup")
	[[ $(jq --raw-output .attention "$work/backup") == "disk '$1' had changed at byte "* ]] || fail "it said '$(cat "$work/backup")'"
	expect_same "$point"
	expect 0 salvor show "$point" --json
	[[ $(jq --raw-output .fallback_reason "$work/out") == tracking-wrong ]] || fail "the point says '$(cat "$work/out")'"
	write_in 0 0 $chunk
	back_up 0 incremental null
	expect_same "$(jq --raw-output .point "$work/backup")"
}

scenario_cleared() {
	local node
	say "a bitmap is cleared while the guest runs: of so few chunks, all are read again"
	write_in 1 $((5 * chunk + 512)) 512
	node=$(qmp '{"execute":"query-named-block-nodes","arguments":{"flat":true}}' |
		jq --raw-output '.return[] | select(.drv == "qcow2" and (.file | endswith("-vdb.qcow2"))) | .["node-name"]')
	qmp '{"execute":"block-dirty-bitmap-clear","arguments":{"node":"'"$node"'","name":"'"$(checkpoint)"'"}}' >/dev/null
	back_up 3 full tracking-wrong
	expect_alarm vdb
}

checkpoint() { "${virsh[@]}" checkpoint-list liar --name | grep '^salvor-'; }

found() {
	status=0
	salvor backup liar --freeze-timeout 0 --json >"$work/backup" 2>"$work/err" || status=$?
	((status == 3))
}

# One wrong chunk among twice as many as are read again: each run finds it or not like a coin, and 40 of them never all miss it.
scenario_sampled() {
	local runs=1 status
	say "a chunk of the image's file changes while the guest is shut off"
	off
	change_in_file vda $((sampled + 3))
	on
	until found; do
		((status == 0)) || fail "a backup ended with $status: $(cat "$work/err")"
		((runs < 40)) || fail "not found in $runs runs"
		runs=$((runs + 1))
	done
	say "found in run $runs"
	expect_alarm vda
}

scenario_compared() {
	say "a full read compares everything"
	back_up 0 full forced --full
	off
	change_in_file vda 7
	on
	back_up 3 full tracking-wrong --full
	expect_alarm vda
}

scenario_exchanged() {
	say "two disks of one size exchange their contents, bitmaps and all, in the same two files"
	off
	cp "$guests/liar-vda.qcow2" "$work/copy"
	cat "$guests/liar-vdb.qcow2" >"$guests/liar-vda.qcow2"
	cat "$work/copy" >"$guests/liar-vdb.qcow2"
	on
	back_up 3 full tracking-wrong
	expect_alarm vda
}

start_libvirt
new_disk vda $((2 * sampled))
new_disk vdb $sampled
start_guest liar 64 "" "" vda vdb
new_repository "$work/repository"
back_up 0 full null
back_up 0 incremental null
scenario_cleared
scenario_sampled
scenario_compared
off
qemu-img resize -q "$guests/liar-vdb.qcow2" $((4 * sampled * chunk))
on
back_up 0 full size-changed
scenario_exchanged
destroy_guest liar
