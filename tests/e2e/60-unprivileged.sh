#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# An ordinary user without any libvirtd restores, exports, and boots two points at once. After SIGKILL of salvor no QEMU stays.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require setpriv nbdinfo nbdcopy pgrep jq

user=1000

# Becomes salvor: the process id of the background job is salvor's own.
exec_as_user() {
	exec setpriv --reuid $user --regid $user --clear-groups env -u SALVOR_STATE_DIR -u SALVOR_CACHE_DIR \
		HOME="$work/user" TMPDIR="$work/user" XDG_RUNTIME_DIR="$work/user/run" "$SALVOR_BIN" "$@"
}

as_user() { (exec_as_user "$@"); }

no_process() { ! pgrep --uid $user "$1"; }

# boot_as_user NAME: leaves its process id in $booted.
boot_as_user() {
	mkfifo "$work/$1.keyboard"
	exec_as_user boot web01@latest <>"$work/$1.keyboard" >"$work/$1.console" 2>"$work/$1.err" &
	booted=$!
}

make_points() {
	start_libvirt
	new_debian web01
	start_debian web01
	wait_text "$guests/web01.log" 'login:' 120
	new_repository "$work/repository"
	salvor backup web01 >&2
	destroy_guest web01
	stop_libvirt
	mkdir -p "$work/user/run"
	chown -R $user:$user "$work/repository" "$work/user"
}

make_points
cd "$work/user"

say "restore"
expect 0 as_user restore web01@latest --to "$work/user/restored"
[[ $(stat --format %u "$work/user/restored/vda.raw") == "$user" ]] || fail "the restored disk is not the user's"

say "export"
exec_as_user export web01@latest --disk vda --socket "$work/user/socket" >"$work/uri" 2>"$work/export.err" &
export=$!
wait_said $export "$work/uri" "$work/export.err" '^nbd' 60
nbdcopy "$(head -n 1 "$work/uri")" "$work/exported.raw"
cmp "$work/exported.raw" "$work/user/restored/vda.raw"
rm -r "$work/user/restored" "$work/exported.raw"
kill -INT $export
wait $export || (($? == 130)) || fail "export ended with an error: $(cat "$work/export.err")"
wait_until 20 "nbdkit to go" no_process nbdkit

say "two boots at once"
boot_as_user first
first=$booted
boot_as_user second
second=$booted
wait_said "$first" "$work/first.console" "$work/first.err" 'login:' 240
wait_said "$second" "$work/second.console" "$work/second.err" 'login:' 240

say "SIGKILL of one, SIGTERM to the other"
kill -KILL "$first"
kill -TERM "$second"
wait "$second" || fail "boot ended with an error after SIGTERM: $(cat "$work/second.err")"
wait_until 20 "QEMU to go" no_process qemu
wait_until 20 "nbdkit to go" no_process nbdkit
