#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A disk of random, repeated, compressible, zero and never-written ranges comes back byte for byte, as raw and as qcow2; it takes
# hardly more space than the source; and a second backup of it, unchanged, stores next to nothing.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"

size=$(quick_or_full $((768 << 20)) $((8 << 30)))
slack=$((64 << 10))

disk=$work/disk.raw
seed=${SALVOR_TEST_SEED:-$RANDOM}
say "a disk of $((size >> 20)) MiB, seed $seed"
RANDOM=$seed
new_random_disk "$disk" "$size"
say "it occupies $(($(space "$disk") >> 20)) MiB"

new_repository "$work/repository"
point=$(salvor backup disk --disk "vda=$disk" --json | jq --raw-output .point)

say "restoring it as raw"
expect 0 salvor restore "$point" --to "$work/raw"
cmp "$disk" "$work/raw/vda.raw"
(($(space "$work/raw/vda.raw") * 100 <= $(space "$disk") * 105)) ||
	fail "the restored disk occupies $(space "$work/raw/vda.raw") bytes, its source $(space "$disk")"
rm -r "$work/raw"

say "restoring it as qcow2"
expect 0 salvor restore "$point" --to "$work/qcow2" --format qcow2
qemu-img compare -f raw -F qcow2 "$disk" "$work/qcow2/vda.qcow2" >&2
rm -r "$work/qcow2"

say "backing it up again, unchanged"
before=$(repository_bytes "$work/repository")
stored=$(salvor backup disk --disk "vda=$disk" --json | jq .bytes_stored)
((stored < slack)) || fail "an unchanged disk stored $stored bytes"
grown=$(($(repository_bytes "$work/repository") - before))
((grown < slack)) || fail "an unchanged disk made the repository grow by $grown bytes"
