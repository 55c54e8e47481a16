#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest with an agent is held still for the cut and never longer: also when its agent sleeps through the request, and when the
# process that asked is killed in that very moment. And what somebody else thawed is not called frozen.

SALVOR_BIN=${SALVOR_BUILD:-$(dirname "$0")/../../build/dev}/tests/engine_driver
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require virsh
copies=$work/copies
patience=3

is_thawed() { agent engF '{"execute":"guest-fsfreeze-status"}' | grep --quiet '"thawed"'; }
is_frozen() { agent engF '{"execute":"guest-fsfreeze-status"}' | grep --quiet '"frozen"'; }

# In the background, what $! names is the program itself.
cut_with() { exec "$SALVOR_BIN" libvirt engF "" "$copies" "$1" "$work" 1073741824 "$patience"; }
take_cut() { (cut_with "$1"); }

expect_consistency() { grep --quiet "^consistency $1\$" "$work/cut" || fail "not '$1': $(cat "$work/cut")"; }

scenario_frozen() {
	say "frozen"
	take_cut keep >"$work/cut" || fail "a cut failed: $(cat "$work/cut")"
	expect_consistency "2 "
	is_thawed || fail "the guest stayed frozen"
}

is_asleep() { ! "${virsh[@]}" qemu-agent-command engF --timeout 1 '{"execute":"guest-ping"}'; }

# put_to_sleep SECONDS
put_to_sleep() {
	local script="kill -STOP \$(pidof qemu-ga); sleep $1; kill -CONT \$(pidof qemu-ga)"
	agent engF "{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"/bin/sh\",\"arg\":[\"-c\",\"$script\"]}}"
	wait_until 10 "the agent to fall asleep" is_asleep
}

# The agent reads what it is asked only when it goes on.
scenario_asleep() {
	say "an agent that sleeps through it"
	put_to_sleep 15
	take_cut keep >"$work/cut" || fail "a cut failed: $(cat "$work/cut")"
	expect_consistency "3 the guest agent did not answer in $patience s"
	wait_until 60 "the guest to be thawed" is_thawed
}

is_asking() { grep --quiet --line-regexp freeze /proc/"$1"/task/*/comm; }

# Ctrl-C is heard while the agent sleeps, and what it does when it wakes up is undone.
scenario_interrupted() {
	say "interrupted while the agent sleeps"
	local driver patience=3600 status=0
	put_to_sleep 60
	cut_with drop >"$work/cut" 2>&1 &
	driver=$!
	wait_until 60 "the question to the agent" is_asking "$driver"
	kill -TERM "$driver"
	wait "$driver" || status=$?
	[[ $status == 1 ]] || fail "ended with $status: $(cat "$work/cut")"
	grep --quiet '^error cancelled: ' "$work/cut" || fail "no interruption: $(cat "$work/cut")"
	is_asleep || fail "the agent was waited for"
	wait_until 300 "the guard to be done" has_no_guard
	is_thawed || fail "the guest stayed frozen"
}

has_no_guard() { ! pgrep --exact engine_driver >/dev/null; }

# Succeeds when the killed process had the guest frozen.
kill_while_frozen() {
	local driver frozen=1
	cut_with drop >"$work/cut" 2>&1 &
	driver=$!
	while kill -0 "$driver" 2>/dev/null; do
		if is_frozen; then
			kill -KILL "$driver" && frozen=0
			break
		fi
	done
	wait "$driver" || true
	return $frozen
}

scenario_killed() {
	say "killed while the guest is frozen"
	wait_until 120 "a kill in the right moment" kill_while_frozen
	wait_until 30 "the guest to be thawed" is_thawed
	take_cut drop >"$work/cut" || fail "a cut failed: $(cat "$work/cut")"
}

thaw_some() { agent engF '{"execute":"guest-fsfreeze-thaw"}' | grep --quiet '"return":[1-9]'; }

# Succeeds when it was thawed behind the back of who had it frozen.
thaw_behind_its_back() {
	local driver thawed=1
	cut_with drop >"$work/cut" 2>&1 &
	driver=$!
	while kill -0 "$driver" 2>/dev/null && ((thawed != 0)); do
		if is_frozen && thaw_some; then thawed=0; fi
	done
	wait "$driver" || fail "a cut failed: $(cat "$work/cut")"
	return $thawed
}

scenario_thawed_by_another() {
	say "thawed by somebody else"
	wait_until 120 "a thaw in the right moment" thaw_behind_its_back
	expect_consistency "3 somebody else thawed the guest before the cut stood, so the point is as after a power cut"
}

start_libvirt
mkdir "$copies"
new_debian engF
start_debian engF
wait_agent engF
scenario_frozen
scenario_asleep
scenario_interrupted
scenario_killed
scenario_thawed_by_another
destroy_guest engF
