#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest that writes nonsense to every port, PCI register, BAR and ring (tests/thin/hostile.c) can neither crash salvor-vmm nor reach
# outside: on this machine's own KVM where there is one, and in L1.

# A sandbox has no KVM, so it is looked for before.
[[ -n ${SALVOR_TEST_WORK:-} || ! -c /dev/kvm ]] || export THIN_KVM=1
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require socat
# shellcheck source=tests/thin/lib.sh
. "$tests/thin/lib.sh"

here() {
	say "on this machine's KVM"
	mknod -m 600 /dev/kvm c 10 232
	ip tuntap add dev "$tap" mode tap
	mkdir "$work/assail"
	(cd "$work/assail" && ASSAIL_TAP=$tap "$thin_tests/assail" "$(dirname "$SALVOR_BIN")/salvor-vmm" "$work/hostile.raw" "$1" "$seed") ||
		fail "the hostile guest won"
}

in_l1() {
	say "in L1"
	l1_add "$thin_tests/assail:/usr/bin/assail"
	l1_add "$work/hostile.raw:/srv/hostile.raw"
	start_l1 1024
	tap_l1 tap0
	l1 'mkdir /run/assail && cd /run/assail && ASSAIL_TAP=tap0 assail /usr/bin/salvor-vmm /srv/hostile.raw "$1" "$2"' "$1" "$seed" </dev/null ||
		fail "the hostile guest won"
	l1_must 'dmesg | grep -E "BUG|Oops|segfault|WARNING:" && exit 1; exit 0'
	stop_l1
}

tap=sv$RANDOM
trap 'ip link delete "$tap" 2>/dev/null' EXIT
seed=${SALVOR_TEST_SEED:-$RANDOM}
say "seed $seed"
new_hostile_disk "$work/hostile.raw"
[[ -z ${THIN_KVM:-} ]] || here "$(quick_or_full 20 600)"
in_l1 "$(quick_or_full 20 600)"
