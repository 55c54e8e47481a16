#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# verify passes what boots, by agent, by console and by screen, and fails what does not, each failure told from the others, in
# bounded time, with evidence that a person can read and a receipt that proves it. Nothing of the machines stays.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require jq pgrep qemu-system-x86_64 nbdkit

failed=1
damaged=4
memory=256M

# ---- guests ------------------------------------------------------------------------------------------------------------------

# new_guest NAME <INIT: a bootable disk, $work/NAME.raw, and its point.
new_guest() {
	new_bootable_disk "$work/$1.raw"
	back_up "$1" "$work/$1.raw"
}

# changed_guest NAME FROM DD_OPTION...: the disk of another with zeros in a place.
changed_guest() {
	local name=$1 from=$2
	shift 2
	cp "$work/$from.raw" "$work/$name.raw"
	dd if=/dev/zero of="$work/$name.raw" conv=notrunc status=none "$@"
	back_up "$name" "$work/$name.raw"
}

back_up() { salvor backup "$1" --disk "vda=$2" >&2; }

# ---- verifying ---------------------------------------------------------------------------------------------------------------

verify() { salvor verify --memory $memory --evidence "$work/evidence" "$@"; }

# passes POINT REGEX [OPTION...]
passes() {
	local point=$1 regex=$2
	shift 2
	expect 0 verify "$point" "$@"
	say "$(cat "$work/out")"
	grep --quiet --extended-regexp "passed, .*($regex).* after [0-9]" "$work/out" || fail "$point did not pass by '$regex': $(cat "$work/out")"
}

# fails STATUS POINT REGEX [OPTION...]
fails() {
	local status=$1 point=$2 regex=$3
	shift 3
	expect "$status" verify "$point" "$@"
	say "$(cat "$work/out")"
	grep --quiet --extended-regexp "FAILED, .*($regex)" "$work/out" || fail "$point did not fail by '$regex': $(cat "$work/out")"
	(($(wc -l <"$work/out") == 1)) || fail "$point failed by more than one line"
	if grep --quiet --text --perl-regexp '[\x00-\x09\x0b-\x1f\x7f]' "$work/out" "$work/err"; then
		fail "control characters reached the terminal"
	fi
}

# evidence NAME REGEX: there is a picture, and the log of the console has it.
evidence() {
	local log picture
	log=$(find "$work/evidence" -name "$1-*.log")
	picture=$(find "$work/evidence" -name "$1-*.png")
	grep --quiet --text --extended-regexp "$2" "$log" || fail "the log of $1 has nothing like '$2'"
	[[ $(od --address-radix n --format x1 --read-bytes 8 "$picture") == " 89 50 4e 47 0d 0a 1a 0a" ]] || fail "the picture of $1 is no PNG"
	(($(stat --format %s "$picture") > 200)) || fail "the picture of $1 is too small to show anything"
}

nothing_left() {
	wait_until 20 "QEMU to go" no_process qemu-system
	wait_until 20 "nbdkit to go" no_process nbdkit
	[[ -z $(find "$TMPDIR" -maxdepth 1 -name 'salvor-run-*') ]] || fail "an overlay stayed"
	[[ -z $(find /run/salvor -mindepth 1 -maxdepth 1) ]] || fail "a folder of a machine stayed"
}

no_process() { ! pgrep "$1"; }

# receipt_of POINT JQ_EXPRESSION: what the newest receipt of a point says.
receipt_of() { salvor receipt show "$1" --json | jq --raw-output "$2"; }

# QEMU has the overlays open, and they have no name any more.
machine_runs() { pgrep qemu-system && [[ -z $(find /run/salvor -name overlays) ]]; }

# start_verify POINT OPTION...: in the background, until a machine runs; its process id is in $running.
start_verify() {
	"$SALVOR_BIN" verify --memory $memory "$@" >"$work/running.out" 2>"$work/running.err" </dev/null &
	running=$!
	wait_until 60 "a machine to run" machine_runs
}

# ---- scenes ------------------------------------------------------------------------------------------------------------------

by_console() {
	say "a system that asks for a login, with colours that must not reach the terminal"
	new_guest healthy <<-'END'
		echo -e '\033[31mtiny system\033[0m \033]0;title\007is up'
		echo -n 'tiny login: '
		sleep 100000
	END
	passes healthy@latest "the console said 'tiny login:'"
	evidence healthy 'Linux version'
	[[ $(receipt_of healthy@latest '.verdict + " " + .sign + " " + .standing') == "passed console member" ]] ||
		fail "the receipt says $(receipt_of healthy@latest .)"
}

by_agent() {
	say "a Debian system whose guest agent answers"
	back_up debian "$debian/disk.raw"
	memory=768M passes debian@latest 'the guest agent answered' --agent
	[[ $(receipt_of debian@latest .sign) == agent ]] || fail "the receipt says $(receipt_of debian@latest .)"
}

panicking() {
	say "a kernel that panics"
	new_guest panicking <<<'echo the init of this system ends'
	fails $failed panicking@latest 'the kernel panicked .*Attempted to kill init'
	evidence panicking 'Kernel panic - not syncing: Attempted to kill init'
	evidence panicking 'Call Trace'
	[[ $(receipt_of panicking@latest .verdict) == failed ]] || fail "the receipt says $(receipt_of panicking@latest .)"
}

wiped() {
	say "a boot loader that was wiped"
	changed_guest wiped healthy bs=512 count=1
	fails $failed wiped@latest 'no disk of the machine can be booted .*not a bootable disk'
	evidence wiped 'No bootable device'
}

several_at_once() {
	say "several at once: one that switches itself off, one that waits for the password of its disk"
	new_guest off <<<'poweroff -f'
	new_guest locked <<<'echo -n "Please unlock disk cryptroot: "; sleep 100000'
	expect $failed verify --newest off locked --jobs 2 --json
	[[ $(jq --raw-output '.results[] | .workload + " " + .verdict' "$work/out" | sort) == $'locked failed\noff failed' ]] ||
		fail "verify said $(cat "$work/out")"
	jq --exit-status '.results[] | select(.workload == "off") | .reason | test("switched itself off")' "$work/out" >&2 ||
		fail "the guest that switched itself off: $(cat "$work/out")"
	jq --exit-status '.results[] | select(.workload == "locked") | .reason | test("password")' "$work/out" >&2 ||
		fail "the guest that waits for a password: $(cat "$work/out")"
	[[ $(jq '[.results[] | select(.receipt | startswith("v/"))] | length' "$work/out") == 2 ]] || fail "receipts are missing"
}

read_only_repository() {
	say "a repository that cannot be written to: told before anything boots; the receipt goes into a file"
	mount --bind "$repository" "$repository"
	mount --options remount,bind,ro "$repository"
	expect_sentence $failed "$repository.*--receipt" verify wiped@latest
	fails $failed wiped@latest 'no disk' --receipt "$work/wiped.receipt"
	umount "$repository"
	expect_sentence $failed 'wiped.receipt is there already' verify wiped@latest --receipt "$work/wiped.receipt"
	changed_receipts
}

# However a receipt was changed, it is told.
changed_receipts() {
	local size at
	expect 0 salvor receipt show "$work/wiped.receipt"
	size=$(stat --format %s "$work/wiped.receipt")
	for ((at = 0; at < size; at += size / $(quick_or_full 20 500) + 1)); do
		cp "$work/wiped.receipt" "$work/changed.receipt"
		flip "$work/changed.receipt" $at
		expect $damaged salvor receipt show "$work/changed.receipt"
	done
}

# flip FILE OFFSET: another byte there.
flip() {
	local byte
	byte=$(od --address-radix n --format u1 --skip-bytes "$2" --read-bytes 1 "$1")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

no_room() {
	say "no room for what the guest writes: nothing is said of the point"
	mkdir "$work/tight"
	mount -t tmpfs -o size=20M none "$work/tight"
	TMPDIR=$work/tight expect $failed verify healthy@latest
	grep --quiet "not verified, .*$work/tight has room for" "$work/out" || fail "verify said $(cat "$work/out")"
	grep --quiet '1 of 1 point could not be verified' "$work/err" || fail "verify said $(cat "$work/err")"
	mount --options remount,size=70M none "$work/tight"
	new_guest writing <<-'END'
		for module in /modules/*; do insmod $module; done
		until [ -b /dev/vda ]; do sleep 0.1; done
		dd if=/dev/urandom of=/dev/vda bs=1M seek=64 count=90 conv=fsync
		echo -n 'login: '
	END
	TMPDIR=$work/tight expect $failed verify writing@latest
	grep --quiet 'not verified, the disk is full' "$work/out" || fail "verify said $(cat "$work/out")"
	salvor receipt list writing --json | jq --exit-status '.receipts == []' >&2 || fail "a point that was not verified has a receipt"
	umount "$work/tight"
}

# As after a power cut, which takes the private folder of a run along, and not what is on a disk; one that is in use stays.
left_overlays() {
	say "overlays that a power cut left"
	mkdir "$TMPDIR/salvor-run-left" "$TMPDIR/salvor-run-used"
	touch "$TMPDIR/salvor-run-left/vda.qcow2"
	flock "$TMPDIR/salvor-run-used" "$SALVOR_BIN" verify --memory $memory wiped@latest >"$work/out" 2>&1 || true
	[[ ! -e $TMPDIR/salvor-run-left ]] || fail "overlays that nobody uses stayed: $(cat "$work/out")"
	rmdir "$TMPDIR/salvor-run-used" || fail "a folder that is in use was removed"
}

interrupted() {
	local signal status=0
	for signal in TERM KILL; do
		say "SIG$signal while a machine runs"
		start_verify healthy@latest --expect 'never said'
		kill -$signal $running
		wait $running || status=$?
		[[ $signal != TERM ]] || ((status == 130)) || fail "it ended with $status after SIGTERM: $(cat "$work/running.err")"
		nothing_left
	done
}

first_is_done() { ls "$work"/between/wiped-*.log; }

# What is complete by then is told.
interrupted_between() {
	say "SIGTERM when one of two is done"
	local status=0
	start_verify wiped@latest healthy@latest --expect 'never said' --jobs 1 --json --evidence "$work/between"
	wait_until 120 "the first to be done" first_is_done
	wait_until 60 "the second to run" machine_runs
	kill -TERM $running
	wait $running || status=$?
	((status == 130)) || fail "it ended with $status after SIGTERM: $(cat "$work/running.err")"
	[[ $(jq --raw-output '(.results[] | .workload + " " + .verdict), .error.code' "$work/running.out") == $'wiped failed\ncancelled' ]] ||
		fail "it said $(cat "$work/running.out")"
	nothing_left
}

# As in some containers. What ended and stays in the list of processes, libvirt waits for.
where_nobody_reaps() {
	say "a process 1 that cares for no orphans"
	{
		echo "('$SALVOR_BIN' verify healthy@latest --memory $memory; ps -eo comm,stat; touch '$work/alone.end') >'$work/alone' 2>&1 &"
		echo 'exec sleep infinity'
	} >"$work/alone.sh"
	unshare --pid --fork --mount --propagation "$(propagation)" --mount-proc --kill-child bash "$work/alone.sh" &
	wait_until 300 "verify to end" test -e "$work/alone.end"
	kill -KILL $! && wait $! || true
	grep --quiet "passed, the console said 'tiny login:'" "$work/alone" || fail "verify said $(cat "$work/alone")"
	! grep --quiet '^qemu-system.* Z' "$work/alone" || fail "a QEMU stayed: $(cat "$work/alone")"
}

damaged_repository() {
	say "a point whose pack is damaged"
	local pack
	cp -r "$repository" "$work/damaged"
	new_guest torn <<<'echo -n "login: "; sleep 100000' >&2
	for pack in $(cd "$repository" && find p -type f | sort); do
		[[ -e $work/damaged/$pack ]] || chmod u+w "$repository/$pack"
		[[ -e $work/damaged/$pack ]] || flip "$repository/$pack" $((1 << 16))
	done
	rm -rf "$work/damaged"
	fails $damaged torn@latest 'the point is damaged: .*p/'
	expect $damaged salvor scrub --level contents
}

# ---- the long ones -----------------------------------------------------------------------------------------------------------

by_other_signs() {
	say "a Debian system, by console; a screen that is accepted; an expression of one's own"
	memory=768M passes debian@latest "the console said '.*login:'" --expect 'login:'
	passes healthy@latest 'the screen' --expect 'never said' --accept-screen
	passes healthy@latest "the console said 'tiny system is up'" --expect 'system is (up|down)$'
}

other_failures() {
	say "restarting again and again, emergency mode, no root, no sign of life in time"
	new_guest restarting <<<'echo about to restart; sleep 1; reboot -f'
	fails $failed restarting@latest 'restarts again and again: 3 times'
	evidence restarting 'about to restart'
	new_guest emergency <<<'echo "You are in emergency mode. After logging in, type journalctl -xb"; sleep 100000'
	fails $failed emergency@latest 'emergency mode'
	new_guest rootless <<<'echo -n "(initramfs) "; sleep 100000'
	fails $failed rootless@latest 'did not find its root file system'
	fails $failed healthy@latest "no sign of life in 20 s: nothing on the console like 'never said'" --expect 'never said' --timeout 20
}

other_wiped_loaders() {
	say "a boot loader without its first part; without its second"
	changed_guest beheaded healthy bs=440 count=1
	fails $failed beheaded@latest 'the boot loader was started and got no further' --timeout 100
	changed_guest gutted healthy bs=512 seek=1 count=2000
	fails $failed gutted@latest "the boot loader was started and got no further .*'GRUB" --timeout 100
}

hanging_qemu() {
	say "a QEMU that does not answer any more"
	start_verify healthy@latest --expect 'never said' --timeout 5
	pkill --signal STOP qemu-system
	wait $running && fail "a machine that hangs passed"
	grep --quiet 'not verified, QEMU did not answer any more' "$work/running.out" || fail "verify said $(cat "$work/running.out")"
	nothing_left
}

debian=$("$tests/guest/debian")
repository=$work/repository
new_repository "$repository" >&2
by_console
panicking
wiped
several_at_once
[[ -n ${SALVOR_TEST_STORE:-} ]] || read_only_repository # a bucket is not mounted
no_room
left_overlays
interrupted
interrupted_between
where_nobody_reaps
by_agent
if [[ $(quick_or_full quick full) == full ]]; then
	by_other_signs
	other_failures
	other_wiped_loaders
	hanging_qemu
fi
[[ -n ${SALVOR_TEST_STORE:-} ]] || damaged_repository # nor are its objects damaged by hand
nothing_left
