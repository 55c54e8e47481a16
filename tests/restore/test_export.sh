#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A disk of a point over NBD, read by other people's programs: its bytes and holes, by many at once; damage is an error to the reader
# and a sentence to us, however often it is read; and nothing stays, not even after SIGKILL.

set -euo pipefail

fail() { echo "FAILED: $*" >&2 && exit 1; }

for program in nbdkit nbdcopy nbdinfo qemu-img qemu-io cmp; do
	command -v $program >/dev/null || { echo "skipped: the program '$program' is not installed" >&2 && exit 77; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/salvor-export.XXXXXX")
export SALVOR_STATE_DIR=$work/state SALVOR_CACHE_DIR=$work/cache SALVOR_CONFIG=$work/config SALVOR_PASSPHRASE='correct horse battery staple'
export SALVOR_REPO=$work/repository
unset SALVOR_KEY_FILE SALVOR_PASSPHRASE_FILE
touch "$SALVOR_CONFIG"
server=
trap '[[ -z $server ]] || kill $server 2>/dev/null; rm -rf "$work"' EXIT

# A sanitizer's library must be loaded before the plugin that needs it, by nbdkit too.
sanitizer=$(ldd "$SALVOR_BIN" | awk '/lib(asan|tsan)\.so/ { print $3 }')

wait_until() {
	local deadline=$((EPOCHSECONDS + 60)) what=$1
	shift
	until "$@"; do
		((EPOCHSECONDS < deadline)) || fail "waited in vain for $what"
		sleep 0.05
	done 2>/dev/null
}

said() { grep --quiet -- "$1" "$work/$2"; }

serve() {
	true >"$work/uris"
	true >"$work/err"
	env ${sanitizer:+LD_PRELOAD="$sanitizer" ASAN_OPTIONS=detect_leaks=0:abort_on_error=1} \
		"$SALVOR_BIN" export "disks@latest" --socket "$work/socket" "$@" >"$work/uris" 2>"$work/err" &
	server=$!
	wait_until "the server ($(cat "$work/err"))" said '^nbd' uris
}

nobody_serves() { [[ ! -e $work/socket ]] && ! pgrep --full "^nbdkit .*$work/socket" >/dev/null; }

# stop SIGNAL [STATUS]: where it is given, it is what the command must end with.
stop() {
	local status=0
	kill -"$1" $server
	wait $server 2>/dev/null || status=$?
	server=
	[[ -z ${2:-} || $status == "$2" ]] || fail "the export ended with $status, not with $2"
	wait_until "nbdkit to end and its socket to go" nobody_serves
}

# name SIZE: two data areas, of 1 MiB and of 100 bytes that end in the middle of a chunk, the rest never written.
make_disk() {
	truncate --size "$2" "$work/$1.raw"
	dd if=/dev/urandom of="$work/$1.raw" bs=64K seek=16 count=16 conv=notrunc status=none
	dd if=/dev/urandom of="$work/$1.raw" bs=1 seek=$((20 << 20)) count=100 conv=notrunc status=none
}

make_disk vda $((64 << 20))
make_disk vdb $(((33 << 20) + 512))
"$SALVOR_BIN" init --recovery-key "$work/recovery.key"
"$SALVOR_BIN" backup disks --disk "vda=$work/vda.raw" --disk "vdb=$work/vdb.raw"

echo "--- bytes and holes" >&2
serve
for disk in vda vdb; do
	uri="nbd+unix:///$disk?socket=$work/socket"
	grep --quiet --fixed-strings --line-regexp "$uri" "$work/uris" || fail "$disk was not announced: $(cat "$work/uris")"
	nbdcopy --requests=32 --connections=4 "$uri" "$work/copy"
	cmp "$work/$disk.raw" "$work/copy" || fail "$disk came back otherwise"
	qemu-img compare -f raw -F raw "$work/$disk.raw" "$uri" >&2
	size=$(stat --format %s "$work/$disk.raw")
	nbdinfo --map --json "$uri" | python3 -c '
import json, sys
extents, size = json.load(sys.stdin), int(sys.argv[1])
assert sum(extent["length"] for extent in extents) == size, extents
data = [(extent["offset"], extent["length"]) for extent in extents if extent["type"] == 0]
assert data == [(1 << 20, 1 << 20), (20 << 20, 1 << 16)], extents
assert all(extent["type"] == 3 for extent in extents if (extent["offset"], extent["length"]) not in data), extents' "$size"
done
! nbdinfo "nbd+unix:///vdc?socket=$work/socket" >/dev/null 2>&1 || fail "a disk is served that is not there"
! qemu-io -f raw -c 'write 0 512' "nbd+unix:///vda?socket=$work/socket" >/dev/null 2>&1 || fail "the disk can be written to"

echo "--- many readers at once" >&2
readers=()
for reader in 1 2 3 4; do
	nbdcopy "nbd+unix:///vda?socket=$work/socket" "$work/copy$reader" &
	readers+=($!)
done
for reader in "${readers[@]}"; do
	wait "$reader" || fail "a reader failed"
done
for reader in 1 2 3 4; do
	cmp "$work/vda.raw" "$work/copy$reader" || fail "reader $reader got something else"
done

echo "--- who asks for the socket, and how it ends" >&2
! "$SALVOR_BIN" export disks@latest --socket "$work/socket" 2>"$work/refused" || fail "a socket was served twice"
grep --quiet "is there already" "$work/refused" || fail "said '$(cat "$work/refused")'"
tr '\0' '\n' <"/proc/$(pgrep --full "^nbdkit .*$work/socket")/cmdline" | grep --quiet horse && fail "the passphrase is on a command line"
stop TERM 0
serve --disk vdb
nbdinfo --size "nbd+unix:///?socket=$work/socket" >/dev/null || fail "the only disk is not the default"
stop KILL

echo "--- interrupted while it starts" >&2
mkdir "$work/programs"
mkfifo "$work/hangs"
printf '#!/bin/sh\necho >%s\nkill -STOP $$\n' "$work/hangs" >"$work/programs/nbdkit"
chmod +x "$work/programs/nbdkit"
for signal in TERM INT; do
	# A shell's background has no SIGINT.
	PATH=$work/programs:$PATH env --default-signal=INT "$SALVOR_BIN" export disks@latest --socket "$work/socket" 2>"$work/err" &
	server=$!
	read -r _ <"$work/hangs"
	stop $signal 130
	said interrupted err || fail "said '$(cat "$work/err")'"
done

echo "--- a damaged pack" >&2
pack=$(find "$work/repository" -type f -size +512k | head -n 1)
dd if=/dev/zero of="$pack" bs=1K seek=300 count=400 conv=notrunc status=none
serve
for _ in $(seq 600); do echo 'read -q 1M 1M'; done >"$work/commands"
! nbdcopy "nbd+unix:///vda?socket=$work/socket" "$work/copy" 2>/dev/null || fail "damage was not told"
qemu-io -r -f raw "nbd+unix:///vda?socket=$work/socket" <"$work/commands" >"$work/reads" 2>&1 || true
(($(grep --count 'read failed: Input/output error' "$work/reads") == 600)) || fail "a read of damaged blocks succeeded or hung"
nbdcopy "nbd+unix:///vdb?socket=$work/socket" "$work/copy" 2>/dev/null || true
wait_until "the sentence about the damage" said "pack" err
(($(wc -l <"$work/err") < 100)) || fail "the same sentence comes again and again"
"$SALVOR_BIN" scrub >/dev/null 2>&1 && fail "scrub found nothing"
stop TERM 4

echo "--- what a scrub found is told at once" >&2
serve
said "is hurt, as a scrub of" err || fail "nobody warned: $(cat "$work/err")"
stop TERM 0
cat "$work/err" >&2
