#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What people get wrong, and what breaks around them: each ends in one clear sentence and the right exit status, and changes
# nothing.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require mkfs.ext4 openssl jq setpriv

failed=1
usage=2

fingerprint() { (cd "$1" && find . -type f -exec sha256sum {} + | sort | sha256sum); }

# refuse STATUS REGEX COMMAND...: expect_sentence, and the repository stays as it is.
refuse() {
	local before
	before=$(fingerprint "$repository")
	expect_sentence "$@"
	[[ $(fingerprint "$repository") == "$before" ]] || fail "the repository changed"
}

points() { salvor points --json | jq --compact-output .points; }

random_file() { openssl enc -aes-128-ctr -nosalt -pass pass:salvor -pbkdf2 -iter 1 -in /dev/zero 2>/dev/null | head --bytes "$2" >"$1" || true; }

as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups env -u SALVOR_STATE_DIR -u SALVOR_CACHE_DIR HOME="$work/nobody" "$@"; }

# without PROGRAM COMMAND...: as if it were not installed.
without() {
	local path
	path=$(command -v "$1")
	mount --bind "$work/not-a-program" "$path"
	shift
	"$@"
	umount "$path"
}

has_packs() { (($(repository_bytes "$repository") > $1)) && [[ -n $(find "$repository/p" -type f -print -quit) ]]; }

stands_still() { ! awk '/^State:/ { print $2 }' "/proc/$running/task/"*/status | grep --quiet --invert-match T; }

# start_backup: a backup that has begun to store, and stands still; it leaves its process id in $running. It runs in slices,
# so that it cannot end between two looks.
start_backup() {
	local enough=$(($(repository_bytes "$repository") + (40 << 20)))
	"$SALVOR_BIN" backup "$1" --disk "vda=$2" >"$work/running.out" 2>"$work/running.err" </dev/null &
	running=$!
	until kill -STOP $running && has_packs $enough; do
		kill -CONT $running || fail "the backup of $1 ended too early: $(cat "$work/running.err")"
		sleep 0.05
	done
	wait_until 20 "all threads to stand still" stands_still
}

# finish_backup STATUS REGEX
finish_backup() {
	local status=0
	kill -CONT "$running"
	wait "$running" || status=$?
	[[ ! -s $work/running.err ]] || say "$(cat "$work/running.err")"
	((status == $1)) || fail "the backup ended with $status, not with $1: $(cat "$work/running.err")"
	[[ -z $2 ]] || grep --quiet --extended-regexp "$2" "$work/running.err" || fail "the backup said '$(cat "$work/running.err")', nothing like '$2'"
}

wrong_repositories() {
	say "wrong passphrase, not a repository, a newer format"
	SALVOR_PASSPHRASE=wrong refuse $failed 'passphrase' salvor points
	mkdir "$work/empty"
	refuse $failed "$work/empty.*not a .*repository" salvor points --repo "$work/empty"
	refuse $failed "$work/nowhere" salvor points --repo "$work/nowhere"
	newer_format
	refuse $failed "$work/newer.*newer salvor" salvor points --repo "$work/newer"
	refuse $failed "$repository" salvor init --repo "$repository" --recovery-key "$work/other.key"
	[[ ! -e $work/other.key ]] || fail "init left a recovery key of no repository"
}

# Asks readers for version 2 (u16 at 10), with the checksum over the first 72 bytes made right.
newer_format() {
	cp -r "$repository" "$work/newer"
	chmod u+w "$work/newer/config"
	printf '\x02' | dd of="$work/newer/config" bs=1 seek=10 conv=notrunc status=none
	# shellcheck disable=SC2059 # the format is made of the checksum's bytes
	printf "$(head --bytes 72 "$work/newer/config" | sha256sum | cut -c 1-64 | sed 's/../\\x&/g')" |
		dd of="$work/newer/config" bs=1 seek=72 conv=notrunc status=none
}

unknown_names() {
	say "unknown workloads and points, with the nearest names"
	refuse $failed 'web02.*web01' salvor restore web02@latest --to "$work/restored"
	refuse $failed 'web01' salvor restore web01@2001-01-01T00:00 --to "$work/restored"
	refuse $failed '0123456789ab' salvor show 0123456789ab
	refuse $failed "'abc'" salvor show abc
	refuse $usage '.' salvor nonsense
	refuse $usage '.' salvor restore
	[[ ! -e $work/restored ]] || fail "a refused restore left files"
}

bad_disk_files() {
	say "disk files that are missing, unreadable, changing their size"
	refuse $failed "$work/missing.raw" salvor backup web01 --disk "vda=$work/missing.raw"
	refuse $failed "$work/empty" salvor backup web01 --disk "vda=$work/empty"
	chmod 600 "$disk"
	chmod -R a+rwX "$repository"
	refuse $failed "$disk" as_nobody "$SALVOR_BIN" backup web01 --disk "vda=$disk"

	local before
	before=$(points)
	start_backup changing "$big"
	truncate --size 100M "$big"
	finish_backup $failed "$big"
	random_file "$big" $((600 << 20))
	start_backup changing "$big"
	truncate --size 700M "$big"
	finish_backup $failed "$big"
	[[ $(points) == "$before" ]] || fail "a failed backup made a point"
}

bad_targets() {
	say "targets too small, in use, existing"
	local loop
	truncate --size 16M "$work/small"
	loop=$(losetup --find --show "$work/small")
	refuse $failed "$loop" salvor restore web01@latest --disk "vda=$loop" --force
	losetup --detach "$loop"
	truncate --size 64M "$work/used"
	mkfs.ext4 -q -F "$work/used"
	loop=$(losetup --find --show "$work/used")
	mkdir -p "$work/mnt"
	mount "$loop" "$work/mnt"
	refuse $failed "$loop" salvor restore web01@latest --disk "vda=$loop" --force
	umount "$work/mnt"
	losetup --detach "$loop"
	echo precious >"$work/precious"
	refuse $failed "$work/precious" salvor restore web01@latest --disk "vda=$work/precious"
	[[ $(cat "$work/precious") == precious ]] || fail "an existing file was overwritten without --force"
}

full_disks() {
	say "full disks on either side"
	mkdir -p "$work/tight"
	mount -t tmpfs -o size=20M none "$work/tight"
	refuse $failed "$work/tight" salvor restore web01@latest --to "$work/tight"
	[[ -z $(find "$work/tight" -name 'vda*') ]] || fail "a restore that found no room left something"
	umount "$work/tight"

	mount -t tmpfs -o size=100M none "$work/tight"
	expect 0 salvor init --repo "$work/tight/repository" --recovery-key "$work/tight.key"
	expect 0 salvor backup small --disk "vda=$disk" --repo "$work/tight/repository"
	expect_sentence $failed 'space|full' salvor backup big --disk "vda=$big" --repo "$work/tight/repository"
	expect 0 salvor scrub --repo "$work/tight/repository"
	expect 0 salvor restore small@latest --to "$work/from-tight" --repo "$work/tight/repository"
	cmp "$disk" "$work/from-tight/vda.raw"
	umount "$work/tight"
}

read_only_repository() {
	say "a repository that is read-only, and one that is not mounted"
	local there=$work/tight/repository
	mount -t tmpfs -o size=100M none "$work/tight"
	expect 0 salvor init --repo "$there" --recovery-key "$work/read-only.key"
	expect 0 salvor backup small --disk "vda=$disk" --repo "$there"
	mount -o remount,ro "$work/tight"
	expect_sentence $failed "$there.*read-only.*mount" salvor backup small --disk "vda=$disk" --repo "$there"
	expect 0 salvor points --repo "$there"
	expect 0 salvor scrub --level contents --repo "$there"
	expect 0 salvor restore small@latest --to "$work/from-read-only" --repo "$there"
	cmp "$disk" "$work/from-read-only/vda.raw"
	umount "$work/tight"
	expect_sentence $failed "$there.*mounted" salvor points --repo "$there"
}

two_at_once() {
	say "two backups of one workload at once"
	random_file "$big" $((700 << 20))
	start_backup busy "$big"
	refuse $failed 'busy' salvor backup busy --disk "vda=$big"
	finish_backup 0 ''
}

missing_programs() {
	say "no libvirtd, no permission, no nbdkit, no QEMU"
	refuse $failed 'libvirt' salvor backup web01
	start_libvirt
	chmod 700 /run/libvirt/libvirt-sock
	refuse $failed 'ermission|denied' as_nobody "$SALVOR_BIN" backup web01 --connect qemu:///system
	refuse $failed 'no-such-domain' salvor backup no-such-domain
	stop_libvirt
	echo "not a program" >"$work/not-a-program"
	without nbdkit refuse $failed 'nbdkit' salvor export web01@latest --socket "$work/socket"
	without qemu-system-x86_64 refuse $failed 'QEMU|qemu' salvor boot web01@latest
}

repository=$work/repository
disk=$work/disk.raw
big=$work/big.raw
random_file "$disk" $((32 << 20))
random_file "$big" $((600 << 20))
new_repository "$repository"
expect 0 salvor backup web01 --disk "vda=$disk"
mkdir "$work/nobody"
chmod 777 "$work/nobody"

wrong_repositories
unknown_names
bad_disk_files
bad_targets
full_disks
read_only_repository
two_at_once
missing_programs
