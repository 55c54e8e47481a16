#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest with an agent is held still for the cut and never longer: also when its agent sleeps through the request, and when the
# process that asked is killed in that very moment.

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

# The agent reads what it is asked only when it goes on.
scenario_asleep() {
	say "an agent that sleeps through it"
	# shellcheck disable=SC2016
	agent engF '{"execute":"guest-exec","arguments":{"path":"/bin/sh","arg":["-c","kill -STOP $(pidof qemu-ga); sleep 15; kill -CONT $(pidof qemu-ga)"]}}'
	wait_until 10 "the agent to fall asleep" is_asleep
	take_cut keep >"$work/cut" || fail "a cut failed: $(cat "$work/cut")"
	expect_consistency "3 the guest agent did not answer in $patience s"
	wait_until 60 "the guest to be thawed" is_thawed
}

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

start_libvirt
mkdir "$copies"
new_debian engF
start_debian engF
wait_agent engF
scenario_frozen
scenario_asleep
scenario_killed
destroy_guest engF
