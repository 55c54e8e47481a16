#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A host that only writes: with everything found on it, nothing of a disk can be read, and still its increments are increments.
# With the recovery key, on another machine, the repository alone brings everything back.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require mkfs.ext4 jq nbdinfo

# What is in the guest's disk and must not be found anywhere: the first bytes of every record.
secret=salvorrd

as_host() { env -u SALVOR_PASSPHRASE SALVOR_KEY_FILE="$work/host.key" "$SALVOR_BIN" "$@"; }

# Another machine: nothing of this one's state and caches, only the repository, in another place, and the recovery key.
as_rescuer() {
	env --ignore-environment PATH="$PATH" HOME="$work/rescuer" SALVOR_CONFIG="$SALVOR_CONFIG" SALVOR_STATE_DIR="$work/rescuer/state" \
		SALVOR_CACHE_DIR="$work/rescuer/cache" SALVOR_KEY_FILE="$work/repository.key" SALVOR_REPO="$work/moved" "$SALVOR_BIN" "$@"
}

back_up_as_host() { as_host backup web01 --freeze-timeout 0 --json >"$work/backup.json"; }

expect_mode() {
	[[ $(jq --raw-output .mode "$work/backup.json") == "$1" ]] || fail "the backup was not $1: $(cat "$work/backup.json")"
}

start_libvirt
new_records_disk web01 vda
start_tiny web01 vda
follow_records web01
new_repository "$work/repository"
salvor key add --name host --role write --out "$work/host.key" >&2

say "the host makes a full backup, and increments"
back_up_as_host
expect_mode full
for _ in 1 2 3; do
	wait_records web01 50
	acknowledged=$(last_acknowledged web01)
	back_up_as_host
	expect_mode incremental
	(($(jq .bytes_scanned "$work/backup.json") < (64 << 20))) || fail "an increment read nearly everything: $(cat "$work/backup.json")"
done
point=$(jq --raw-output .point "$work/backup.json")
destroy_guest web01

say "the host sees structure, names and sizes"
as_host points --json | jq --exit-status '.points | length == 4' >/dev/null || fail "the host does not see its points"
as_host show "$point" --json | jq --exit-status '.streams[] | select(.name == "vda") | .size == 1073741824' >/dev/null ||
	fail "the host does not see the disk's size"

say "the host reads nothing"
expect_sentence 1 '.' as_host restore "$point" --to "$work/stolen"
[[ ! -e $work/stolen/vda.raw ]] || fail "the host restored a disk"
expect_sentence 1 '.' as_host export "$point" --socket "$work/stolen.socket"
expect_sentence 1 '.' as_host boot "$point"
grep --recursive --files-with-matches --text "$secret" "$work/repository" "$SALVOR_STATE_DIR" \
	"$SALVOR_CACHE_DIR" "$work/host.key" "$HOME" >"$work/found" 2>/dev/null || true
[[ ! -s $work/found ]] || fail "bytes of the disk lie open in: $(cat "$work/found")"
expect 0 grep --count --text "$secret" "$guests/web01-vda.qcow2"

say "the recovery key and the repository bring everything back"
mv "$work/repository" "$work/moved"
rm -rf "$SALVOR_STATE_DIR" "$SALVOR_CACHE_DIR" "$work/host.key"
expect 0 as_rescuer restore "$point" --to "$work/restored"
mkdir "$work/mnt"
mount -o loop "$work/restored/vda.raw" "$work/mnt"
last=$("$("$tests/guest/tiny")/recorder" check "$work/mnt/records")
umount "$work/mnt"
((last >= acknowledged)) || fail "record $acknowledged was acknowledged before the last backup, the point ends with $last"
