#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the command stores, the second reader, which shares no line with it, brings back byte for byte: a random disk, as it changes,
# by a host that only writes. And where one bit of the repository is wrong, it says which object is damaged, and makes no file.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require qemu-img jq shuf od
/usr/bin/python3 -c 'import cryptography, zstandard' || skip "the second reader needs python3-cryptography and python3-zstandard"

reader=$tests/reader/reader.py
repository=$work/repository
size=$(quick_or_full $((96 << 20)) $((1 << 30)))
disk=$work/disk.raw
seed=${SALVOR_TEST_SEED:-$RANDOM}
say "a disk of $((size >> 20)) MiB, seed $seed"
RANDOM=$seed
new_random_disk "$disk" "$size"

as_host() { env -u SALVOR_PASSPHRASE SALVOR_KEY_FILE="$work/host.key" "$SALVOR_BIN" "$@"; }

back_up() { as_host backup disk --disk "vda=$disk" --disk "vdb=$work/disk.qcow2" --json | jq --raw-output .point; }

new_repository "$repository"
salvor key add --name host --role write --out "$work/host.key" >&2
qemu-img convert -f raw -O qcow2 "$disk" "$work/disk.qcow2"
first=$(back_up)
cp --sparse=always "$disk" "$work/first.raw"
for _ in 1 2 3; do
	put_random "$disk" $((RANDOM * 512)) 1000000 random
	put_random "$disk" $((RANDOM * 1024)) 1000000 zero
done
second=$(back_up)

read_point() { "$reader" "$repository" --key "$repository.key" --restore "$@"; }

session_of() { "$reader" "$repository" --key "$repository.key" | awk -v point="$1" '$2 == point { print $1 }'; }

# both_restore POINT SOURCE
both_restore() {
	rm -rf "$work/by-reader" "$work/by-command"
	mkdir "$work/by-reader"
	expect 0 read_point "$(session_of "$1")" "$work/by-reader"
	expect 0 salvor restore "$1" --to "$work/by-command"
	cmp "$2" "$work/by-reader/vda"
	cmp "$2" "$work/by-command/vda.raw"
	cmp "$work/first.raw" "$work/by-reader/vdb"
	cmp "$work/first.raw" "$work/by-command/vdb.raw"
}

say "both readers bring back both points"
both_restore "$first" "$work/first.raw"
both_restore "$second" "$disk"

# flip_bit FILE: a random one, in a file of its own.
flip_bit() {
	local at byte
	cp "$1" "$work/object"
	mv --force "$work/object" "$1"
	at=$(((RANDOM * 32768 + RANDOM) % $(stat --format %s "$1")))
	byte=$(od --address-radix n --format u1 --skip-bytes $at --read-bytes 1 "$1")
	chmod 600 "$1"
	printf '%b' "\\x$(printf %02x $((byte ^ (1 << RANDOM % 8))))" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
}

# In the session of the second point, so that nothing else can be read in its place.
session=$(session_of "$second")
mv "$repository" "$work/whole"
for _ in $(seq "$(quick_or_full 1 10)"); do
	for kind in config k "l/$session" "c/$session" "p/$session" "m/$session"; do
		rm -rf "$repository" "$work/damaged"
		mkdir "$work/damaged"
		cp --recursive --link "$work/whole" "$repository"
		object=$(find "$repository/$kind" -type f | shuf --head-count 1)
		flip_bit "$object"
		say "a bit is flipped in ${object#"$repository"/}"
		status=0
		read_point "$session" "$work/damaged" 2>"$work/err" || status=$?
		((status == 4 || (status == 1 && $(wc -l <"$work/err") == 1))) || fail "the reader ended with $status: $(cat "$work/err")"
		say "$(cat "$work/err")"
		(($(wc -l <"$work/err") == 1)) || fail "the reader said not one sentence but: $(cat "$work/err")"
		[[ ! -e $work/damaged/vda || ! -e $work/damaged/vdb ]] || fail "all was restored"
	done
done
