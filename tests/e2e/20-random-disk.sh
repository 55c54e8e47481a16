#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A disk of random, repeated, compressible, zero and never-written ranges comes back byte for byte, as raw and as qcow2; it takes
# hardly more space than the source; and a second backup of it, unchanged, stores next to nothing.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"

size=$(quick_or_full $((768 << 20)) $((8 << 30)))
slack=$((64 << 10))

random_bytes() { openssl enc -aes-128-ctr -nosalt -pass "pass:$RANDOM$RANDOM" -pbkdf2 -iter 1 -in /dev/zero 2>/dev/null | head --bytes "$1" || true; }

# put OFFSET LENGTH KIND
put() {
	case $3 in
	random) random_bytes "$2" ;;
	repeated) yes "one chunk like the other " | head --bytes $((64 << 10)) >"$work/block" && while cat "$work/block"; do :; done ;;
	compressible) seq --separator ' ' $((RANDOM * 1000)) 99999999 ;;
	zero) cat /dev/zero ;;
	never) return ;;
	esac 2>/dev/null | head --bytes "$2" | dd of="$disk" bs=1M seek="$1" oflag=seek_bytes iflag=fullblock conv=notrunc status=none || true
}

# Ranges of a few MiB, at places that are aligned to nothing but a sector.
fill() {
	local kinds=(random repeated compressible zero never) offset=0 length
	truncate --size "$size" "$disk"
	while ((offset < size)); do
		length=$(((RANDOM * 1024 + RANDOM % 1024) / 4 / 512 * 512 * (size / (256 << 20)) + 512))
		((length <= size - offset)) || length=$((size - offset))
		put $offset $length "${kinds[RANDOM % 5]}"
		offset=$((offset + length))
	done
}

disk=$work/disk.raw
seed=${SALVOR_TEST_SEED:-$RANDOM}
say "a disk of $((size >> 20)) MiB, seed $seed"
RANDOM=$seed
fill
say "it occupies $(($(space "$disk") >> 20)) MiB"

new_repository "$work/repository"
point=$(salvor backup disk --disk "vda=$disk" --json | jq --raw-output .point)

say "restoring it as raw"
expect 0 salvor restore "$point" --to "$work/raw"
cmp "$disk" "$work/raw/vda.raw"
(($(space "$work/raw/vda.raw") * 100 <= $(space "$disk") * 105)) ||
	fail "the restored disk occupies $(space "$work/raw/vda.raw") bytes, its source $(space "$disk")"
rm -r "$work/raw"

say "restoring it as qcow2"
expect 0 salvor restore "$point" --to "$work/qcow2" --format qcow2
qemu-img compare -f raw -F qcow2 "$disk" "$work/qcow2/vda.qcow2" >&2
rm -r "$work/qcow2"

say "backing it up again, unchanged"
before=$(repository_bytes "$work/repository")
stored=$(salvor backup disk --disk "vda=$disk" --json | jq .bytes_stored)
((stored < slack)) || fail "an unchanged disk stored $stored bytes"
grown=$(($(repository_bytes "$work/repository") - before))
((grown < slack)) || fail "an unchanged disk made the repository grow by $grown bytes"
