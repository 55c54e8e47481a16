#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A repository in a bucket, without versions and with versions and Object Lock, each role with exactly the policy that is
# documented for it: an owner makes the repository, a host that only writes backs up, and from a new machine the recovery key and
# credentials that may only read list, show, compare, check, restore and serve every point. In the locked bucket, a thief
# of the host's keys, and whoever puts delete markers, change nothing.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/s3/lib.sh
. "$tests/s3/lib.sh"
sandbox "$@"
require jq openssl nbdcopy

size=$(quick_or_full $((48 << 20)) $((1 << 30)))
seed=${SALVOR_TEST_SEED:-$RANDOM}
RANDOM=$seed
disk=$work/disk.raw

host() { env -u SALVOR_PASSPHRASE AWS_PROFILE=writer SALVOR_KEY_FILE="$work/$bucket-host.key" "$SALVOR_BIN" "$@"; }

back_up() { host backup disk --disk "vda=$disk" --json | jq --raw-output .point; }

# remember POINT: what its disk is.
remember() { cp --sparse=always "$disk" "$work/points/$1"; }

known() { find "$work/points" -mindepth 1 -printf '%f\n'; }

change_disk() {
	put_random "$disk" $((RANDOM * 512)) 3000000 random
	put_random "$disk" $((RANDOM * 1024)) 1000000 zero
}

make_repository() {
	local id
	say "bucket $bucket: the owner makes a repository, and the key of a host that only writes"
	new_s3_repository "$bucket" backups
	expect_sentence 1 "$bucket.*already" as admin salvor init --no-recovery-key
	as admin salvor key add --name host --role write --out "$work/$bucket-host.key" >&2
	id=$(as admin id8_of host)
	grant writer writer "$bucket" backups "$id"
	grant reader reader "$bucket" backups
}

host_backs_up() {
	local stored
	say "bucket $bucket: the host makes points"
	rm -rf "$work/points"
	mkdir "$work/points"
	for _ in 1 2 3; do
		point=$(back_up)
		remember "$point"
		change_disk
	done
	host backup disk --disk "vda=$work/points/$point" --json >"$work/again.json"
	stored=$(jq .bytes_stored "$work/again.json")
	((stored < 64 << 10)) || fail "an unchanged disk stored $stored bytes"
	cp --sparse=always "$work/points/$point" "$work/points/$(jq --raw-output .point "$work/again.json")"
	[[ $(host points --json | jq '.points | length') == 4 ]] || fail "the host does not see its points"
	expect 0 host status
	expect 0 host scrub --level sizes
	expect 0 host scrub --level digests
	grep --quiet 'slots of passphrases (s/) were not looked at' "$work/out" || fail "scrub did not say what it left out: $(cat "$work/out")"
	expect_sentence 1 . host restore "$point" --to "$work/stolen"
}

rescuer_brings_back() {
	local id
	say "bucket $bucket: read-only credentials, a new machine, the recovery key"
	rm -rf "$work/rescuer"
	[[ $(rescuer points --json | jq '.points | length') == 4 ]] || fail "the rescuer does not see the points"
	expect 0 rescuer status
	for id in $(known); do
		expect 0 rescuer show "$id"
		expect 0 rescuer restore "$id" --to "$work/restored"
		cmp "$work/points/$id" "$work/restored/vda.raw"
		rm -r "$work/restored"
	done
	rescuer_serves
	rescuer_believes_no_cache
	for level in sizes digests contents; do
		expect 0 rescuer scrub --level $level
	done
	expect_sentence 1 "$bucket.*backups/w/.*s3:PutObject" as reader env -u SALVOR_PASSPHRASE SALVOR_KEY_FILE="$work/$bucket-host.key" \
		"$SALVOR_BIN" backup disk --disk "vda=$disk"
}

rescuer_serves() {
	local server
	choose_rescuer
	"${rescuer[@]}" export "$point" --socket "$work/export.socket" >"$work/export.out" 2>&1 &
	server=$!
	wait_until 60 "the export" test -S "$work/export.socket"
	nbdcopy "nbd+unix:///vda?socket=$work/export.socket" "$work/copy.raw"
	kill $server
	wait $server || fail "the export failed: $(cat "$work/export.out")"
	cmp "$work/points/$point" "$work/copy.raw"
	rm "$work/copy.raw"
}

rescuer_believes_no_cache() {
	local file kept=$work/rescuer/cache/objects
	say "bucket $bucket: what the new machine has kept is damaged, and then gone"
	for file in "$kept"/*; do
		printf 'these bytes are not right' | dd of="$file" bs=1 seek=$(($(stat --format %s "$file") - 40)) conv=notrunc status=none
	done
	expect 0 rescuer restore "$point" --to "$work/restored" --verbose
	grep --quiet 'kept of c/.* is not right' "$work/err" || fail "nobody looked at what was kept: $(cat "$work/err")"
	cmp "$work/points/$point" "$work/restored/vda.raw"
	rm -r "$kept"
	expect 0 rescuer restore "$point" --to "$work/restored" --force
	cmp "$work/points/$point" "$work/restored/vda.raw"
	rm -r "$work/restored"
}

thief_changes_nothing() {
	say "bucket $bucket: a thief writes over all that the host may write, and marks it all as deleted"
	echo nothing | s3 writer each PUT "$bucket" backups/{w,p,m,l,c}/
	s3 root each DELETE "$bucket" backups/
	[[ -z $(s3 root keys "$bucket" backups/) ]] || fail "not everything is marked as deleted"
	rescuer_brings_back
	say "bucket $bucket: and the host goes on"
	change_disk
	remember "$(back_up)"
	[[ $(rescuer points --json | jq '.points | length') == 5 ]] || fail "the point of the host is not there"
}

new_random_disk "$disk" "$size"
say "a disk of $((size >> 20)) MiB, seed $seed"
start_gateway
for bucket in $S3_PLAIN $S3_LOCKED; do
	make_repository
	host_backs_up
	rescuer_brings_back
done
thief_changes_nothing
