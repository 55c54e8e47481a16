#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A network that loses, cuts, repeats and spoils some requests, by a seed, under every command that asks a bucket for something.
# Each backup makes a whole point or fails with a reason; every point that was ever listed stays listed and restores byte for
# byte, and its commit never changes; in the end, scrub finds nothing wrong.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/s3/lib.sh
. "$tests/s3/lib.sh"
sandbox "$@"
require jq openssl

# For each kind of bucket.
wanted=$(quick_or_full 12 1000)
seed=${SALVOR_TEST_SEED:-$(quick_or_full 5 $RANDOM)}
RANDOM=$seed
disk=$work/disk.raw

hash_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

faults() { awk '$2 != "pass"' "$work/proxy.log" | wc -l; }

# The points that were ever listed; each file has the hash of the disk.
known() { find "$points" -mindepth 1 -printf '%f\n' | sort; }

change_disk() { put_random "$disk" $((RANDOM % 64 * 65536)) 600000 random; }

# directly COMMAND...: over a good network.
directly() { SALVOR_REPO=$direct "$@"; }

complain() { fail "$* (seed $seed, round $round: '${words[*]}' ended with $status and said: $(cat "$work/err"))"; }

# over_bad_network WORD...: its words are in $work/out and $work/err, its exit status in $status.
over_bad_network() {
	words=("$@")
	status=0
	rules "seed=$RANDOM" "any chance=$((50 + RANDOM % 200))"
	timeout --signal ABRT 900 "$SALVOR_BIN" "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
	rules
	case $status in
	0 | 3) ;;
	1 | 4) [[ -s $work/err || $1 == scrub && -s $work/out ]] || complain "no reason" ;;
	*) complain "it crashed or hung" ;;
	esac
}

# ---- what every command must leave as it is ------------------------------------------------------------------------------

# The commits as they decide: the first one that was written under its name.
decisions() {
	s3 root versions "$bucket" r/c/ | awk '$3 != "marker" { first[$1] = $4 } END { for (key in first) print key, first[key] }' | sort
}

check_decisions() {
	decisions >"$work/decisions.now"
	[[ -z $(comm -23 "$work/decisions" "$work/decisions.now") ]] || complain "a decision changed"
	mv "$work/decisions.now" "$work/decisions"
}

check_point() {
	rm -rf "$work/restored"
	directly salvor restore "$1" --to "$work/restored" >/dev/null 2>"$work/after" || complain "a point does not restore: $(cat "$work/after")"
	[[ $(hash_of "$work/restored/vda.raw") == "$(cat "$points/$1")" ]] || complain "point $1 came back changed"
}

# Points that were seen before are there; a new one is what the disk was.
check_points() {
	local id
	directly salvor points --json >"$work/points.json" 2>"$work/after" || complain "points failed: $(cat "$work/after")"
	jq --raw-output '.points[].id' "$work/points.json" | sort >"$work/listed"
	[[ -z $(comm -23 <(known) "$work/listed") ]] || complain "a point has vanished"
	while read -r id; do
		[[ ! -e $points/$id ]] || continue
		hash_of "$disk" >"$points/$id"
		check_point "$id"
	done <"$work/listed"
}

# ---- the commands --------------------------------------------------------------------------------------------------------

back_up() {
	local before
	before=$(known | wc -l)
	change_disk
	over_bad_network backup disk --disk "vda=$disk" --json
	check_points
	((status == 1 || status == 4)) || (($(known | wc -l) > before)) || complain "it made no point"
}

bring_back() {
	local id
	id=$(known | shuf --head-count 1 --random-source <(yes "$RANDOM"))
	rm -rf "$work/restored"
	over_bad_network restore "$id" --to "$work/restored"
	[[ ! -e $work/restored/vda.raw || $(hash_of "$work/restored/vda.raw") == "$(cat "$points/$id")" ]] || complain "it restored something else"
	((status != 0)) || [[ -e $work/restored/vda.raw ]] || complain "it restored nothing"
}

look_for_damage() {
	over_bad_network scrub --anew --level contents
	# Bytes that were spoilt on the way look as damage does, and are remembered: the next backup stores again.
}

list_points() { over_bad_network points --json; }

add_key() {
	local file=$work/key-$round
	over_bad_network key add --name "host-$round" --role write --out "$file" --key "$recovery_key"
	((status != 0)) || directly salvor points --key "$file" >/dev/null 2>"$work/after" || complain "the new key does not open: $(cat "$work/after")"
}

make_repository() {
	local other=s3+http://$proxy/$bucket/other-$round
	over_bad_network init --repo "$other" --recovery-key "$work/other-$round.key"
	((status != 0)) || salvor points --repo "$other" --key "$work/other-$round.key" >/dev/null 2>"$work/after" ||
		complain "the new repository does not open: $(cat "$work/after")"
}

one_round() {
	case $((RANDOM % 20)) in
	[0-8]) back_up ;;
	9 | 1[0-3]) bring_back ;;
	1[45]) look_for_damage ;;
	1[67]) add_key ;;
	18) list_points ;;
	19) make_repository ;;
	esac
	check_decisions
}

check_everything() {
	local id
	words=("the end")
	for id in $(known); do
		check_point "$id"
	done
	rm -rf "$SALVOR_STATE_DIR"
	directly salvor scrub --level contents --json >"$work/out" 2>"$work/err" || complain "scrub: $(cat "$work/out")"
	jq --exit-status '.damaged == []' "$work/out" >/dev/null || complain "scrub found damage: $(cat "$work/out")"
}

# Each kind of request was hit.
check_kinds() {
	local kind
	awk '$2 != "pass" { print $4 == "GET" ? $5 ~ /[?&]versions/ ? "versions" : $5 ~ /prefix=/ ? "list" : "get" : tolower($4) }' "$work/proxy.log" |
		sort | uniq --count >"$work/kinds"
	say "$(tr --squeeze-repeats ' \n' ' ' <"$work/kinds")"
	for kind in get put list; do
		grep --quiet " $kind\$" "$work/kinds" || fail "no $kind was hit"
	done
}

first_point() {
	local id
	round=0 words=("the first backup") status=0
	id=$(directly salvor backup disk --disk "vda=$disk" --json | jq --raw-output .point)
	hash_of "$disk" >"$points/$id"
}

start_gateway
export AWS_PROFILE=admin
put_random "$disk" 0 $((4 << 20)) random
truncate --size 5M "$disk"
start_proxy
for bucket in $S3_PLAIN $S3_LOCKED; do
	rm -rf "$work/points" "$SALVOR_STATE_DIR"
	points=$work/points
	mkdir "$points"
	: >"$work/decisions"
	new_s3_repository "$bucket" r
	grant admin admin "$bucket" "other-*"
	direct=$SALVOR_REPO
	salvor key add --name host --role write,read --out "$work/$bucket-host.key" >&2
	export SALVOR_KEY_FILE=$work/$bucket-host.key
	SALVOR_REPO=$(s3_repository "$bucket" r "$proxy")
	first_point
	: >"$work/proxy.log"
	for ((round = 1; $(faults) < wanted; round++)); do
		one_round
	done
	check_everything
	unset SALVOR_KEY_FILE
	say "bucket $bucket: $(faults) faults in $round rounds, $(known | wc -l) points; seed $seed"
	[[ ${SALVOR_TEST_FULL:-} != 1 ]] || check_kinds
done
