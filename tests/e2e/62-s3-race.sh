#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Eight writers race to create the same object, again and again, in a bucket without versions and in one with versions and Object
# Lock: exactly one wins each time, and all read the winner's bytes. On a bad network, where some never learn how it ended, never do two win.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/s3/lib.sh
. "$tests/s3/lib.sh"
sandbox "$@"

rounds=$(quick_or_full 20 100)
race=${SALVOR_BUILD:-$(dirname "$0")/../../build/release}/tests/s3_race
[[ -x $race ]] || skip "$race is not built"

start_gateway
start_proxy
for bucket in $S3_PLAIN $S3_LOCKED; do
	new_s3_repository "$bucket" race
	say "bucket $bucket: $rounds races"
	as admin "$race" "$SALVOR_REPO" 8 "$rounds"
	say "bucket $bucket: $rounds races on a bad network"
	rules 'lose kind=put chance=150' 'drop kind=put chance=50' 'repeat kind=put chance=150' 'lose chance=30'
	as admin "$race" "$(s3_repository "$bucket" race "$proxy")" 8 "$rounds" unsure
	rules
done
for action in lose drop repeat; do
	grep --quiet " $action " "$work/proxy.log" || fail "the network never did '$action'"
done
