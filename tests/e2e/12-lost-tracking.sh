#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Every way of losing track of what changed. Each time the point is what an offline copy of the disks is, byte for byte; the command
# says what it did; and the backup after it is an increment again. No operating system is needed for that: QEMU writes to the
# machine's disks when its monitor is told to, and marks it in the bitmaps as it does for a guest.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require qemu-img qemu-io cmp jq

vda=
declare -A formats=([vda]=qcow2)

# ---- the machine -------------------------------------------------------------------------------------------------------------

qmp() { "${virsh[@]}" qemu-monitor-command lost "$1"; }

on() { "${virsh[@]}" start lost; }

# QEMU ends in order, and stores its bitmaps: without --graceful a slow one would be killed after ten seconds.
off() { "${virsh[@]}" destroy lost --graceful; }

is_off() { [[ $("${virsh[@]}" domstate lost) == "shut off" ]]; }

crash() {
	kill -KILL "$(cat /run/libvirt/qemu/lost.pid)"
	wait_until 30 "libvirt to notice" is_off
}

# write DISK OFFSET LENGTH: new bytes, as a driver in the guest would write them.
write() {
	local number command
	number=$(($(printf '%d' "'${1#vd}") - 97))
	for command in "write -P $((RANDOM % 255 + 1)) $2 $3" flush; do
		"${virsh[@]}" qemu-monitor-command lost --hmp "qemu-io -d /machine/peripheral/virtio-disk$number/virtio-backend \"$command\""
	done
}

# write_offline FILE FORMAT OFFSET LENGTH
write_offline() { qemu-io -f "$2" -c "write -P $((RANDOM % 255 + 1)) $3 $4" "$1" >/dev/null; }

# new_image NAME FORMAT SIZE [OPTION...]: with something in it; its path goes to $image.
new_image() {
	image=$guests/$1
	qemu-img create -q -f "$2" "${@:4}" "$image" "$3"
	write_offline "$image" "$2" 256k 192k
	chown libvirt-qemu "$image"
}

# add_disk DISK FORMAT FILE [OPTION...]
add_disk() {
	formats[$1]=$2
	"${virsh[@]}" attach-disk lost "$3" "$1" --driver qemu --subdriver "$2" --config "${@:4}"
}

remove_disk() {
	unset "formats[$1]"
	"${virsh[@]}" detach-disk lost "$1" --config
}

checkpoint() { "${virsh[@]}" checkpoint-list lost --name | grep '^salvor-'; }

bitmaps() { qmp '{"execute":"query-named-block-nodes","arguments":{"flat":true}}' | jq --raw-output '.return[]["dirty-bitmaps"] // [] | .[].name'; }

# ---- backups -----------------------------------------------------------------------------------------------------------------

image_of() { "${virsh[@]}" domblklist lost | awk -v disk="$1" '$1 == disk { print $2 }'; }

expect_same() {
	local disk
	expect 0 salvor restore "$1" --to "$work/restored"
	for disk in "${!formats[@]}"; do
		qemu-img convert -U -f "${formats[$disk]}" -O raw "$(image_of "$disk")" "$work/$disk.raw"
		cmp "$work/$disk.raw" "$work/restored/$disk.raw" || fail "disk $disk of point $1 is not what it was"
	done
	rm -r "$work/restored"
}

# back_up MODE REASON [STATUS]
back_up() {
	local said
	expect "${3:-0}" salvor backup lost --freeze-timeout 0 --json
	mv "$work/out" "$work/backup"
	said=$(jq --raw-output '"\(.mode) \(.fallback_reason)"' "$work/backup")
	[[ $said == "$1 $2" ]] || fail "expected '$1 $2', and it was '$said': $(cat "$work/backup" "$work/err")"
	expect_same "$(jq --raw-output .point "$work/backup")"
}

# What was lost is found again: only what changes is read, and no bitmap of ours is left over in an image.
expect_tracked() {
	write vda 512k 64k
	back_up incremental null
	(($(jq .bytes_scanned "$work/backup") == 65536)) || fail "more was read than had changed: $(cat "$work/backup")"
	[[ $(bitmaps | grep '^salvor-' | sort -u) == "$(checkpoint)" ]] || fail "left in the images: $(bitmaps)"
}

# said TEXT: the last backup told a person so.
said() { [[ $(jq --raw-output .attention "$work/backup") == *"$1"* ]] || fail "it said '$(cat "$work/backup")', nothing like '$1'"; }

# ---- scenarios ---------------------------------------------------------------------------------------------------------------

scenario_bitmaps() {
	say "a bitmap that is lost"
	off
	qemu-img bitmap --remove "$vda" "$(checkpoint)"
	write_offline "$vda" qcow2 1M 64k
	on
	back_up full bitmap-missing
	expect_tracked
	say "a QEMU that was killed: its guest crashed, and its bitmaps are not to be trusted"
	write vda 2M 64k
	off
	on
	write vda 3M 64k
	crash
	back_up full untracked
	on
	back_up full bitmap-inconsistent
	expect_tracked
	say "a bitmap that libvirt has forgotten"
	"${virsh[@]}" checkpoint-delete lost "$(checkpoint)" --metadata
	write vda 1M 128k
	back_up full bitmap-missing
	expect_tracked
}

scenario_other_programs() {
	local node
	say "another program's checkpoint, which is left alone"
	"${virsh[@]}" checkpoint-create-as lost other.1 >/dev/null
	expect_tracked
	[[ $("${virsh[@]}" checkpoint-list lost --name) == *other.1* ]] || fail "another program's checkpoint is gone"
	say "a bitmap of ours that another program switched off"
	node=$(qmp '{"execute":"query-named-block-nodes","arguments":{"flat":true}}' | jq --raw-output \
		'.return[] | select(.["dirty-bitmaps"]) | .["node-name"]')
	qmp '{"execute":"block-dirty-bitmap-disable","arguments":{"node":"'"$node"'","name":"'"$(checkpoint)"'"}}' >/dev/null
	write vda 4M 64k
	back_up full bitmap-inconsistent
	expect_tracked
	"${virsh[@]}" checkpoint-delete lost other.1
}

scenario_replaced() {
	say "another image in its place"
	off
	new_image other.qcow2 qcow2 8M
	mv "$image" "$vda"
	on
	back_up full image-replaced
	expect_tracked
	say "an older copy put back into the same file, from after the last cut: its bitmap tells what differs from that cut"
	write vda 1M 64k
	off
	cp "$vda" "$work/copy"
	on
	write vda 2M 64k
	off
	cat "$work/copy" >"$vda"
	on
	back_up incremental null
	expect_tracked
	say "an older copy from before the last cut: libvirt has a checkpoint that the image has not, and the image one that libvirt has not"
	off
	cp "$vda" "$work/copy"
	on
	expect_tracked
	off
	cat "$work/copy" >"$vda"
	on
	back_up full bitmap-missing
	expect_tracked
}

scenario_states() {
	say "shut off, and tracked again thereafter"
	write vda 6M 64k
	off
	write_offline "$vda" qcow2 1M 64k
	back_up full untracked
	on
	back_up incremental null
	expect_tracked
	say "paused"
	"${virsh[@]}" suspend lost
	expect_tracked
	expect 3 salvor backup lost --json
	[[ $("${virsh[@]}" domstate lost) == paused ]] || fail "the guest does not stand still any more"
	"${virsh[@]}" resume lost
}

begins_cut_or_ended() { compgen -G "/var/lib/libvirt/qemu/salvor/salvor-*/*.monitor" || ! kill -0 "$1"; }
has_cut_or_ended() { (($(checkpoint | wc -l) == 2)) || ! kill -0 "$1"; }

# Held when QEMU begins to serve the disks. Succeeds when the guest was switched off before the point was made.
power_off_in_the_middle() {
	local pid status=0
	"$SALVOR_BIN" backup lost --freeze-timeout 0 --full >"$work/held" 2>&1 &
	pid=$!
	until begins_cut_or_ended $pid >/dev/null 2>&1; do
		sleep 0.01
	done
	kill -STOP $pid && wait_until 30 "the cut" has_cut_or_ended $pid && off
	kill -CONT $pid
	wait $pid || status=$?
	((status == 0)) || return 0
	on
	return 1
}

scenario_power_off() {
	say "switched off during the backup"
	wait_until 120 "the right moment" power_off_in_the_middle
	[[ $(cat "$work/held") == *"was switched off while the backup "*"; run it again" ]] || fail "it said '$(cat "$work/held")'"
	back_up full untracked
	on
	expect_tracked
}

scenario_disks() {
	say "a disk added: only it is read whole"
	new_image vdb.qcow2 qcow2 4M
	add_disk vdb qcow2 "$image" --live
	back_up full untracked
	(($(jq .bytes_scanned "$work/backup") == 192 * 1024)) || fail "more was read than the new disk: $(cat "$work/backup")"
	write vdb 1M 64k
	back_up incremental null
	say "disks without bitmaps: read whole, and only what differs is stored"
	off
	new_image vdc.raw raw 4M
	add_disk vdc raw "$image"
	new_image vdd.qcow2 qcow2 4M -o compat=0.10
	add_disk vdd qcow2 "$image"
	on
	back_up full untracked
	write vdc 2M 64k
	write vdd 2M 64k
	back_up full untracked
	(($(jq .bytes_changed "$work/backup") <= 2 * 65536)) || fail "more was stored than differs: $(cat "$work/backup")"
	say "disks removed"
	off
	remove_disk vdc
	remove_disk vdd
	on
	back_up incremental null 3
	said "disk 'vdc', which the last point has"
	back_up incremental null
	say "a disk grown while it runs, and while it is shut off"
	"${virsh[@]}" blockresize lost vda 10M
	write vda 9M 64k
	back_up full size-changed
	expect_tracked
	off
	qemu-img resize -q "$vda" 12M
	on
	write vda 11M 64k
	back_up full size-changed
	expect_tracked
}

scenario_backing_file() {
	say "an image whose backing file was written to"
	new_image base.qcow2 qcow2 4M
	qemu-img create -q -f qcow2 -F qcow2 -b "$image" "$guests/vdc.qcow2"
	chown libvirt-qemu "$guests/vdc.qcow2"
	off
	add_disk vdc qcow2 "$guests/vdc.qcow2"
	on
	back_up full untracked
	write vdc 1M 64k
	back_up incremental null
	off
	write_offline "$image" qcow2 2M 64k
	on
	back_up full image-replaced
	expect_tracked
}

scenario_two_repositories() {
	local first=$SALVOR_REPO second
	say "two repositories that protect one guest"
	new_repository "$work/second"
	second=$SALVOR_REPO
	write vda 1M 64k
	back_up full null
	for SALVOR_REPO in "$first" "$second" "$second" "$first" "$first"; do
		write vda 3M 64k
		write vdb 3M 64k
		back_up incremental null
	done
	(($(checkpoint | wc -l) == 2)) || fail "the checkpoints are: $(checkpoint)"
}

scenario_names() {
	local disk=$guests/lost-vda.qcow2
	say "a workload of files whose disks are not named, with and without libvirt"
	expect 0 salvor backup archive --disk "vda=$guests/vdc.raw"
	expect_sentence 1 "'archive' was protected as disk files until now: name them with --disk.*no domain of this name" salvor backup archive
	LIBVIRT_DEFAULT_URI="qemu+unix:///system?socket=$work/nowhere" \
		expect_sentence 1 "'archive' was protected as disk files until now.*libvirt does not answer" salvor backup archive
	say "a workload that goes on as one of another engine"
	off
	expect 3 salvor backup lost --disk "vda=$disk" --json
	[[ $(jq --raw-output .attention "$work/out") == "the name was another workload's before"*"by the engine 'libvirt'"* ]] ||
		fail "it said '$(cat "$work/out")'"
	expect 0 salvor backup lost --disk "vda=$disk"
	on
}

scenario_migration() {
	say "migrated to another host, and back"
	start_other_libvirt
	migrate lost
	expect_sentence 1 "it was migrated away: back it up on the host where it runs" salvor backup lost --freeze-timeout 0
	virsh --quiet --connect "$other_libvirt" destroy lost
	on
	expect 0 salvor backup lost --freeze-timeout 0 --json
	expect_same "$(jq --raw-output .point "$work/out")"
	expect_tracked
}

start_libvirt
new_image lost-vda.qcow2 qcow2 8M
vda=$image
start_guest lost 64 "" "" vda
new_repository "$work/repository"
back_up full null
expect_tracked
scenario_bitmaps
scenario_other_programs
scenario_replaced
scenario_states
scenario_power_off
scenario_disks
scenario_backing_file
scenario_two_repositories
scenario_names
scenario_migration
destroy_guest lost
