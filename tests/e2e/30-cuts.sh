#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest appends numbered records to two disks, record n on the first, then on the second, with fsync after each, and
# acknowledges n when both have it. It is backed up at random moments. The file systems of every point mount, their records
# have no gap, reach the last one acknowledged before the cut, and show that both disks were cut at one instant.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require mkfs.ext4 openssl jq

rounds=$(quick_or_full 5 20)

# QEMU says with its own clock when the backup jobs came to be: at that instant the guest is held, and the point is cut.
watch_cuts() {
	"${virsh[@]}" qemu-monitor-event --domain "$1" --event JOB_STATUS_CHANGE --loop >"$work/$1.events" &
}

last_cut() {
	sed --quiet 's/^event JOB_STATUS_CHANGE at \([0-9.]*\) .*"created","id":"backup-vda-.*/\1/p' "$work/$1.events" | tail -n 1
}

acknowledged_at() {
	awk -v cut="$2" '$1 < cut { last = $2 } END { print last + 0 }' "$work/$1.acknowledged"
}

# back_up_at_random_moment ROUND: notes the point, what it must contain, and what it cannot contain yet.
back_up_at_random_moment() {
	local point cut
	# The moment is to be random; nothing is waited for.
	sleep "$(printf '%d.%03d' $((RANDOM % 2)) $((RANDOM % 1000)))"
	point=$(salvor backup cuts --freeze-timeout 0 --json | jq --raw-output .point)
	wait_until 10 "QEMU's word of the cut" test "$(last_cut cuts)" != "${previous_cut:-}"
	cut=$(last_cut cuts)
	previous_cut=$cut
	echo "$point $(acknowledged_at cuts "$cut") $(($(last_acknowledged cuts) + 1))" >>"$work/points"
}

mount_and_check() {
	local disk
	for disk in vda vdb; do
		mkdir -p "$work/mnt-$disk"
		mount -o loop "$1/$disk.raw" "$work/mnt-$disk" || fail "disk $disk of point $2 does not mount"
	done
	mapfile -t last < <("$recorder" check "$work"/mnt-vd[ab]/records)
	umount "$work"/mnt-vd[ab]
	((${#last[@]} == 2)) || fail "the records of point $2 have a gap"
}

check_point() {
	local point=$1 least=$2 most=$3 last
	expect 0 salvor restore "$point" --to "$work/restored"
	mount_and_check "$work/restored" "$point"
	rm -r "$work/restored"
	say "point $point: records to ${last[0]} and ${last[1]}, acknowledged before the cut $least"
	((last[1] >= least)) || fail "record $least was acknowledged before the cut, point $point ends with ${last[1]}"
	((last[0] <= most)) || fail "record $most did not exist yet, point $point ends with ${last[0]}"
	((last[0] - last[1] == 0 || last[0] - last[1] == 1)) || fail "the disks of point $point are not of one instant: ${last[*]}"
}

recorder=$("$tests/guest/tiny")/recorder
start_libvirt
new_records_disk cuts vda
new_records_disk cuts vdb
start_tiny cuts vda vdb
follow_records cuts
watch_cuts cuts
new_repository "$work/repository"

for ((round = 1; round <= rounds; round++)); do
	back_up_at_random_moment
done
destroy_guest cuts
while read -r point least most; do
	check_point "$point" "$least" "$most"
done <"$work/points"
