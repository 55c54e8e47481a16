#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A machine boots from a bucket that is far away: at first reading ahead, then by the boot trace that a verification has left, and
# then from what this machine has kept, of which it fetches no chunk again.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/s3/lib.sh
. "$tests/s3/lib.sh"
sandbox "$@"
require jq qemu-system-x86_64 nbdkit

# boots WHAT: on the new machine, until it asks for a login.
boots() {
	local pid
	forget_counts
	choose_rescuer
	rm -f "$work/console"
	"${rescuer[@]}" boot web01@latest --memory 256M <>"$work/keyboard" >"$work/console" 2>"$work/err" &
	pid=$!
	wait_said $pid "$work/console" "$work/err" 'tiny login:' 240
	kill -TERM $pid
	wait $pid || fail "boot failed: $(cat "$work/err")"
	say "$1: $(counted get - requests) objects and parts, $(counted get - received) bytes, $(counted get p requests) of chunks"
}

start_gateway
start_proxy
new_s3_repository "$S3_PLAIN" far "$proxy"
grant reader reader "$S3_PLAIN" far
grant verifier verifier "$S3_PLAIN" far
mkfifo "$work/keyboard"
new_bootable_disk "$work/disk.raw" <<<'echo -n "tiny login: "; sleep 100000'
expect 0 as admin salvor backup web01 --disk "vda=$work/disk.raw"
rules delay=30
boots "the first time"
(($(counted get t requests) == 0)) || fail "a trace was read before there was one"
first=$(counted get p received)

expect 0 as verifier salvor verify web01@latest --memory 256M
[[ $(s3 root keys "$S3_PLAIN" far/t/ | wc -l) == 1 ]] || fail "verify left no trace"
expect 0 as admin salvor scrub --level contents

rm -rf "$work/rescuer"
boots "with its trace, on a new machine"
(($(counted get t requests) == 1)) || fail "the trace was not read"
(($(counted get p received) < first * 3 / 2)) || fail "the trace made it fetch $(counted get p received) bytes instead of $first"

boots "again"
(($(counted get p requests) == 0)) || fail "chunks were fetched again"
