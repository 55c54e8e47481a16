#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The backup is killed with SIGKILL at random moments, of a disk file and of a running guest in turn. After each, all earlier
# points restore (some each time, all of them now and then), scrub finds nothing wrong, the guest goes on, and the next backup succeeds and uses what was stored.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require mkfs.ext4 jq openssl

rounds=$(quick_or_full 6 100)
disk=$work/disk.raw
disk_bytes=$((128 << 20))
change_bytes=$((64 << 20))
# Packs that were not finished when the process died, and what a run writes beside packs.
waste=$((80 << 20))

# Puts new random bytes into half of the disk, so that every backup has much to store.
change_disk() {
	openssl enc -aes-128-ctr -nosalt -pass "pass:$RANDOM$RANDOM" -pbkdf2 -iter 1 -in /dev/zero 2>/dev/null | head --bytes $change_bytes |
		dd of="$disk" bs=1M seek=$((RANDOM % 64)) iflag=fullblock conv=notrunc status=none || true
}

back_up_disk() { salvor backup disk --disk "vda=$disk" --json; }

back_up_guest() { salvor backup guest --freeze-timeout 0 --json; }

# kill_during COMMAND: at a moment up to as late as a whole run takes.
kill_during() {
	local victim moment=$((RANDOM % longest_ms + 10))
	SALVOR_REPO=$SALVOR_REPO "$SALVOR_BIN" "$@" >/dev/null 2>&1 </dev/null &
	victim=$!
	sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
	kill -KILL $victim 2>/dev/null || true
	wait $victim 2>/dev/null || true
	say "killed after $moment ms"
}

milliseconds() {
	local start=${EPOCHREALTIME/./}
	"$@" >/dev/null
	echo $(((${EPOCHREALTIME/./} - start) / 1000))
}

# The points of both workloads, and the hash of every disk that was backed up whole.
remember_disk() {
	local point
	point=$(jq --raw-output .point "$work/backup.json")
	echo "$point $(sha256sum <"$disk" | cut -d ' ' -f 1)" >>"$work/points"
}

check_restore() {
	expect 0 salvor restore "$1" --to "$work/restored"
	[[ $(sha256sum <"$work/restored/vda.raw" | cut -d ' ' -f 1) == "$2" ]] || fail "point $1 came back changed"
	rm -r "$work/restored"
}

# The newest, some others, and in every tenth round of many and in the last one all of them.
choose_points() {
	if ((rounds > 10 && (round % 10 == 0 || round == rounds))); then
		cat "$work/points"
	else
		tail -n 1 "$work/points"
		head -n -1 "$work/points" | shuf -n 2
	fi
}

check_earlier_points() {
	local point hash
	while read -r point hash; do
		check_restore "$point" "$hash"
	done < <(choose_points)
	salvor scrub --json | jq --exit-status '.damaged == []' >/dev/null || fail "scrub found damage after a kill"
}

kill_disk_backup() {
	local before after
	change_disk
	before=$(repository_bytes "$SALVOR_REPO")
	longest_ms=$disk_ms
	kill_during backup disk --disk "vda=$disk"
	check_earlier_points
	back_up_disk >"$work/backup.json" || fail "the backup after the kill failed"
	after=$(repository_bytes "$SALVOR_REPO")
	((after - before <= change_bytes + waste)) ||
		fail "$((change_bytes >> 20)) MiB changed, and the repository grew by $(((after - before) >> 20)) MiB: nothing was used again"
	remember_disk
	check_earlier_points
}

kill_guest_backup() {
	longest_ms=$guest_ms
	kill_during backup guest --freeze-timeout 0
	wait_records guest 1
	check_earlier_points
	back_up_guest >"$work/backup.json" || fail "the backup of the guest after the kill failed"
}

start_libvirt
new_records_disk guest vda
start_tiny guest vda
follow_records guest
new_repository "$work/repository"

truncate --size $disk_bytes "$disk"
change_disk
disk_ms=$(milliseconds back_up_disk)
back_up_disk >"$work/backup.json"
remember_disk
guest_ms=$(milliseconds back_up_guest)

for ((round = 1; round <= rounds; round++)); do
	say "round $round of $rounds"
	if ((round % 2)); then kill_disk_backup; else kill_guest_backup; fi
done
destroy_guest guest
[[ $(jq --raw-output .mode "$work/backup.json") == incremental ]] || say "the last backup of the guest read everything"
