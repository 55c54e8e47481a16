#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A running guest is backed up, and each call to libvirt and to QEMU's NBD server fails once, in a run of its own, or the process
# is killed there; see tests/faults. The guest goes on and sees no error, no backup job stays, and the next backup brings its disk back
# byte for byte. In quick rounds a few of these, which the seed chooses.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require mkfs.ext4 openssl jq

faults=${SALVOR_BUILD:-$(dirname "$0")/../../build/release}/tests/faults.so
[[ -e $faults ]] || skip "$faults is not built"
seed=${SALVOR_TEST_SEED:-$(quick_or_full 3 $RANDOM)}
rounds=$(quick_or_full 8 100000)
killed=137

random_bytes() { openssl enc -aes-128-ctr -nosalt -pass "pass:$1" -pbkdf2 -iter 1 -in /dev/zero 2>/dev/null | head --bytes "$2" || true; }

complain() {
	fail "$* (seed $seed; under $fault: status $status, $(cat "$work/fault" 2>/dev/null); it said: $(cat "$work/err"))"
}

# under_fault FAULT: backs the guest up.
under_fault() {
	fault=$1
	rm -f "$work/fault"
	status=0
	# In a shell of its own, which says "Killed" to nobody.
	(env LD_PRELOAD="$faults" ${fault:+SALVOR_FAULT="$fault"} SALVOR_FAULT_UNDER="$work/repository:$work/state" \
		SALVOR_FAULT_LOG="$work/fault" timeout --signal ABRT 600 "$SALVOR_BIN" backup "$guest" --freeze-timeout "$freeze" \
		>"$work/out" 2>"$work/err" </dev/null || exit $?) 2>/dev/null || status=$?
}

# The calls of an increment: the first backup has been.
list_faults() {
	local kind calls n
	under_fault ""
	((status == 0)) || complain "it fails when only counted"
	while read -r _ kind calls; do
		[[ $kind == libvirt || $kind == nbd || $kind == thread ]] || continue
		for ((n = 1; n <= calls; n++)); do
			printf '%s\n' "$kind:$n" "$kind:$n:on" "$kind:$n:kill"
			[[ $kind != libvirt ]] || echo "$kind:$n:lost"
		done
	done < <(grep ^calls "$work/fault") | shuf --random-source=<(random_bytes "$seed" 1000000)
}

no_job() { ! "${virsh[@]}" backup-dumpxml "$guest"; }

guest_runs() { [[ $("${virsh[@]}" domstate "$guest") == running ]]; }

guest_thawed() { [[ $(agent "$guest" '{"execute":"guest-fsfreeze-status"}') == *thawed* ]]; }

check_guest() {
	wait_until 60 "the backup job to be ended" no_job
	wait_until 60 "$guest to run, and not $("${virsh[@]}" domstate "$guest" --reason)" guest_runs
	((freeze == 0)) || wait_until 60 "$guest to be thawed" guest_thawed
	! grep --quiet "I/O error" "$guests/$guest.log" || complain "the guest saw an error"
}

check_ended() {
	case $status in
	0 | 3) ;;
	1) [[ $(grep --count --invert-match ' as of .*(point ' "$work/err") == 1 ]] || complain "it did not say one sentence" ;;
	"$killed") [[ $fault == *kill ]] || complain "it died" ;;
	*) complain "it crashed or hung" ;;
	esac
}

# While it stands still, its disk is what the next point must be.
check_next_backup() {
	local outcome=0
	"${virsh[@]}" suspend "$guest"
	salvor backup "$guest" --freeze-timeout 0 >"$work/next" 2>&1 || outcome=$?
	((outcome == 0 || outcome == 3)) || complain "the next backup failed: $(cat "$work/next")"
	salvor restore "$guest" --to "$work/restored" >/dev/null
	qemu-img compare -q -U -F qcow2 "$work/restored/vda.raw" "$guests/$guest-vda.qcow2" || complain "the next point is not the disk"
	rm -r "$work/restored"
	"${virsh[@]}" resume "$guest"
}

try_all() {
	local chosen tried=0
	say "$guest, seed $seed"
	salvor backup "$guest" --freeze-timeout "$freeze" >/dev/null
	list_faults >"$work/all"
	while ((tried < rounds)) && read -r chosen <&3; do
		under_fault "$chosen"
		check_ended
		check_guest
		check_next_backup
		((tried += 1))
	done 3<"$work/all"
	salvor scrub --json | jq --exit-status '.damaged == []' >/dev/null || fail "scrub found damage"
	say "$tried faults of $(wc -l <"$work/all")"
}

start_libvirt
new_repository "$work/repository"
salvor key add --name host --role write,read --out "$work/host.key" >/dev/null
export SALVOR_KEY_FILE=$work/host.key
guest=tiny freeze=0
new_records_disk tiny vda
start_tiny tiny vda
follow_records tiny
try_all
wait_records tiny 1
destroy_guest tiny
if [[ ${SALVOR_TEST_FULL:-} == 1 ]]; then
	guest=debian freeze=30
	new_debian debian
	start_debian debian
	wait_agent debian
	try_all
	destroy_guest debian
fi
