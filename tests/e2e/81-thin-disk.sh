#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What a guest of the thin hypervisor writes, discards, zeroes and reads is right; and what it flushed is there after salvor-vmm was
# killed, and after the power of the whole host went (tests/thin/verify.c).

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
# shellcheck source=tests/thin/lib.sh
. "$tests/thin/lib.sh"

workers=4

start_worker() {
	start_thin worker 256 2 commands data
	wait_thin worker 'commands: ready' 60 "${1:-0}"
}

# work_until FLUSHES: the witness works until every worker has flushed so often, and goes on.
work_until() {
	from=$(thin_said_bytes worker)
	type_thin worker "verify work /dev/vdb $seed $workers 0"
	wait_until 120 "all workers to flush" each_flushed "$1"
}

each_flushed() {
	local worker
	thin_said worker "$from" >"$work/flushed"
	! grep --text verify: "$work/flushed" || fail "the disk is not right"
	for ((worker = 0; worker < workers; worker++)); do
		(($(grep --count "^flushed $worker " "$work/flushed") > $1)) || return
	done
}

# What each worker last said that it flushed. The last line may have been cut.
flushed() {
	local worker
	for ((worker = 0; worker < workers; worker++)); do
		head --lines -1 "$work/flushed" | awk -v worker="$worker" '$1 == "flushed" && $2 == worker { last = $3 } END { print last + 0 }'
	done | paste --serial --delimiters ' '
}

show_right() {
	say "a workload to its end"
	start_worker
	in_thin worker 120 "verify work /dev/vdb $seed $workers $1" >"$work/out" || fail "$(cat "$work/out")"
	in_thin worker 120 "verify check /dev/vdb $seed $workers $1 $1 $1 $1" >"$work/out" || fail "$(cat "$work/out")"
}

show_sigkill() {
	local from
	seed=$((seed + 1))
	say "SIGKILL of salvor-vmm, seed $seed"
	work_until 3
	kill_thin worker
	thin_said worker "$from" >"$work/flushed"
	from=$(thin_said_bytes worker)
	start_worker "$from"
	in_thin worker 120 "verify check /dev/vdb $seed $workers $(flushed)" >"$work/out" || fail "after SIGKILL: $(cat "$work/out")"
}

show_power_cut() {
	seed=$((seed + 1))
	say "power cut, seed $seed"
	work_until 3
	kill_l1
	# The check may not change what it looks at, and the next one begins with nothing.
	# shellcheck disable=SC2046 # one number for each worker
	"$work/verify" check "$work/data.raw" $seed $workers $(flushed) >"$work/out" 2>&1 || fail "after the power cut: $(cat "$work/out")"
}

seed=$RANDOM
new_command_disk "$work/commands.raw"
truncate --size 128M "$work/data.raw"
l1_disk commands "$work/commands.raw" snapshot=on
l1_disk data "$work/data.raw"
[[ ${THIN_HOST:-} != qemu ]] || l1_peer
start_l1 1536
show_right "$(quick_or_full 100 5000)"
for ((round = 0; round < $(quick_or_full 1 20); round++)); do
	show_sigkill
done
for ((round = 0; round < $(quick_or_full 1 10); round++)); do
	((round == 0)) || { start_l1 1536 && start_worker; }
	show_power_cut
done
