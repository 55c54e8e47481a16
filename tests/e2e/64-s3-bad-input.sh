#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What people get wrong about a bucket, and what breaks around it: each ends in one clear sentence that names the bucket and the key, and
# in the right exit status, and loses nothing.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/s3/lib.sh
. "$tests/s3/lib.sh"
sandbox "$@"
require jq openssl

failed=1
usage=2
attention=3
interrupted=130
look=3
damaged=4
clock=${SALVOR_BUILD:-$(dirname "$0")/../../build/release}/tests/s3_clock.so
disk=$work/disk.raw

fingerprint() { s3 root versions "$S3_PLAIN" r/ | sha256sum; }

# changes_nothing PART: runs that part, and the repository stays as it is.
changes_nothing() {
	local before
	before=$(fingerprint)
	"$@"
	[[ $(fingerprint) == "$before" ]] || fail "the repository changed"
}

# in_bad_network RULE STATUS REGEX COMMAND...
in_bad_network() {
	rules "$1"
	SALVOR_REPO=$bad expect_sentence "${@:2}"
	rules
}

with_keys() { env -u AWS_PROFILE -u AWS_SHARED_CREDENTIALS_FILE HOME="$work/nobody" AWS_ACCESS_KEY_ID="$1" AWS_SECRET_ACCESS_KEY="$2" "${@:3}"; }

wrong_urls() {
	local url
	say "addresses that are none, or nobody's"
	for url in s3:// s3://UPPER/x s3+http://$proxy s3+ftp://$proxy/plain/r s3+https:///plain 's3://plain/../r'; do
		expect_sentence $usage . salvor points --repo "$url"
	done
	expect_sentence $failed '127\.255\.1\.1' salvor points --repo s3+http://127.255.1.1:9/plain/r
	expect_sentence $failed 'no-such-host\.invalid' salvor points --repo s3+http://no-such-host.invalid/plain/r
	expect_sentence $failed 'nobucket.*no such bucket' salvor points --repo "$(s3_repository nobucket r)"
	grant admin admin plain nothing
	expect_sentence $failed 'plain/nothing.*not a .*repository' salvor points --repo "$(s3_repository plain nothing)"
}

wrong_credentials() {
	say "no credentials, wrong ones, expired ones"
	expect_sentence $failed 'AWS_ACCESS_KEY_ID|credentials' env -u AWS_PROFILE -u AWS_SHARED_CREDENTIALS_FILE HOME="$work/nobody" "$SALVOR_BIN" points
	expect_sentence $failed 'plain.*NOBODY' with_keys NOBODY the-secret "$SALVOR_BIN" points
	expect_sentence $failed 'plain.*secret' with_keys READER another-secret "$SALVOR_BIN" points
	AWS_PROFILE=nobody expect_sentence $usage 'nobody' salvor points
	in_bad_network status=400:ExpiredToken $failed 'plain.*expired' salvor points
	in_bad_network status=403:InvalidAccessKeyId $failed 'plain.*key' salvor points
}

# What the reader may not do, but for one action. "List" and "Read" are as the policies name their parts.
missing_rights() {
	local policy
	say "no permission for one verb"
	AWS_PROFILE=stranger expect_sentence $failed "plain.*s3:GetObject" salvor points
	policy=$(sed -e 's|BUCKET|plain|; s|PREFIX|r|' "$(dirname "$tests")/etc/s3/reader.json")
	allow stranger part "$(jq 'del(.Statement[] | select(.Sid == "List"))' <<<"$policy")"
	AWS_PROFILE=stranger expect_sentence $failed "plain.*s3:ListBucket" salvor points
	allow stranger part "$(jq 'del(.Statement[] | select(.Sid == "Read"))' <<<"$policy")"
	AWS_PROFILE=stranger expect_sentence $failed "plain.*r/config.*s3:GetObject" salvor points
	allow stranger part ''
	AWS_PROFILE=reader expect_sentence $failed "plain.*r/w/.*s3:PutObject" salvor backup disk --disk "vda=$disk"
	grant reader reader plain other
	AWS_PROFILE=reader expect_sentence $failed "plain.*s3:PutObject" salvor init --no-recovery-key --repo "$(s3_repository plain other)"
}

# The bucket is root's, but what the writers put there is theirs.
owner_of_the_bucket() {
	say "the bucket's owner cannot read what a writer wrote"
	AWS_PROFILE=root expect_sentence $failed "plain.*r/config.*s3:GetObject" salvor points
}

wrong_services() {
	say "another region, pages for people, no TLS, a certificate of a stranger"
	in_bad_network status=301:PermanentRedirect $failed 'plain.*elsewhere-1' salvor points
	in_bad_network status=307:TemporaryRedirect $failed 'plain.*elsewhere-1' salvor points
	in_bad_network html $failed "plain|$proxy" salvor points
	in_bad_network status=200 $failed "plain|$proxy" salvor points
	in_bad_network status=404:NoSuchKey $failed 'plain' salvor points
	in_bad_network status=404 $failed 'plain.*host and port' salvor points
	rules 'status=404 times=2'
	SALVOR_REPO=$bad expect 0 salvor points
	rules
	in_bad_network status=418:ImATeapot $failed 'plain.*418' salvor points
	in_bad_network status=501:NotImplemented $failed 'plain' salvor points
	expect_sentence $failed 'certificate' salvor points --repo "s3+https://${S3_TLS_ENDPOINT#https://}/plain/r"
	expect_sentence $failed 'speak TLS' salvor points --repo "s3+https://${S3_ENDPOINT#http://}/plain/r"
	AWS_CA_BUNDLE=$work/nowhere.pem expect_sentence $failed 'nowhere.pem' salvor points --repo "s3+https://${S3_TLS_ENDPOINT#https://}/plain/r"
	AWS_CA_BUNDLE=$S3_CA expect 0 salvor points --repo "s3+https://${S3_TLS_ENDPOINT#https://}/plain/r"
}

with_clock() { LD_PRELOAD=$clock SALVOR_TEST_CLOCK=$(($1 * 86400)) "$SALVOR_BIN" "${@:2}"; }

# The requests are signed all the same; and what was made last stays the newest.
clock_off() {
	local days
	say "a clock that is a day off"
	for days in -1 1; do
		expect 0 with_clock $days points
	done
	expect_sentence $attention 'the point before is of' with_clock -1 backup disk --disk "vda=$disk" --quiet
	expect 0 with_clock 1 backup disk --disk "vda=$disk"
	expect $attention salvor status
	grep --quiet 'of the future' "$work/err" || fail "status says nothing of the future: $(cat "$work/err")"
	expect $attention salvor backup disk --disk "vda=$disk" --json
	[[ $(jq --raw-output .point "$work/out") == "$(salvor show disk@latest --json | jq --raw-output .id)" ]] || fail "the newest point is not the one that was made last"
	expect 0 salvor status
	expect 0 salvor backup disk --disk "vda=$disk"
}

# What is under way is not brought to its end first.
interrupted_restore() {
	local pid status=0
	say "a restore from far away that is interrupted"
	forget_counts
	SALVOR_REPO=$bad SALVOR_CACHE_DIR=$work/cold "$SALVOR_BIN" restore disk@latest --to "$work/restored" --limit-rate 100K 2>"$work/err" &
	pid=$!
	wait_until 60 "it to have begun" eval '(($(counted get - requests) >= 10))'
	kill -TERM $pid
	wait $pid || status=$?
	((status == interrupted)) || fail "it ended with $status: $(cat "$work/err")"
	[[ ! -e $work/restored/vda.raw ]] || fail "it was written in spite of it"
	rm -rf "$work/restored" "$work/cold"
}

full_cache() {
	say "no room for the cache, and nothing to write it to"
	mkdir -p "$work/tight"
	mount -t tmpfs -o size=64K none "$work/tight"
	head --bytes 64K /dev/zero >"$work/tight/full" || true
	SALVOR_CACHE_DIR=$work/tight expect 0 salvor points
	SALVOR_CACHE_DIR=$work/tight expect 0 salvor restore disk@latest --to "$work/restored"
	cmp "$disk" "$work/restored/vda.raw"
	rm -r "$work/restored"
	umount "$work/tight"
	SALVOR_CACHE_DIR=/proc/nowhere expect 0 salvor points
}

# The newest commit is there, but lists do not have it yet.
lagging_lists() {
	local newest
	say "a listing that lags, objects deleted behind our back"
	newest=$(s3 root keys plain r/c/ | awk 'END { print $2 }')
	rules "hide=${newest}<"
	SALVOR_REPO=$bad expect $look salvor points
	grep --quiet 'host.*is there, but the list' "$work/err" || fail "it is not said whose commit is not listed: $(cat "$work/err")"
	SALVOR_REPO=$bad expect 0 salvor backup disk --disk "vda=$disk"
	rules
	SALVOR_REPO=$bad expect 0 salvor points
	s3 root keys plain r/c/ | grep " $newest " >"$work/out" || fail "a commit that was not listed was made anew"
}

deleted_objects() {
	local key
	put_random "$disk" 0 $((1 << 20)) random
	expect 0 salvor backup gone --disk "vda=$disk"
	key=$(s3 root versions plain r/p/ | awk '{ print $1 }' | sort | tail -n 1)
	s3 admin GET "/plain/$key" >"$work/object" 2>/dev/null
	s3 root DELETE "/plain/$key" </dev/null 2>/dev/null
	expect $damaged salvor restore gone@latest --to "$work/restored"
	grep --quiet "${key#r/}" "$work/err" || fail "the object is not named: $(cat "$work/err")"
	expect $damaged salvor scrub --level sizes
	grep --quiet "${key#r/}" "$work/out" || fail "the object is not named: $(cat "$work/out")"
	s3 admin PUT "/plain/$key" <"$work/object" 2>/dev/null
	rm -rf "$work/restored"
	expect 0 salvor restore gone@latest --to "$work/restored"
	cmp "$disk" "$work/restored/vda.raw"
}

no_conditions() {
	local single
	say "a service without conditional writes"
	single=$(s3_repository plain single "$proxy")
	grant admin admin plain single
	rules ignore-condition
	expect_sentence $failed 'plain.*--single-writer' salvor init --recovery-key "$work/single.key" --repo "$single"
	expect 0 salvor init --recovery-key "$work/single.key" --repo "$single" --single-writer
	expect 0 salvor key add --name host --role write --out "$work/single-host.key" --repo "$single" --key "$work/single.key"
	expect 0 salvor backup disk --disk "vda=$disk" --repo "$single" --key "$work/single-host.key"
	expect 0 salvor restore disk@latest --to "$work/single" --repo "$single" --key "$work/single.key"
	cmp "$disk" "$work/single/vda.raw"
	rules
}

# What the service refuses, or what stands before it, is no damage: nothing is given up, and nothing remembered.
trouble_is_no_damage() {
	local answer
	say "packs that the service does not give"
	for answer in 418:ImATeapot 407 403:InvalidObjectState 404:NoSuchBucket 501:NotImplemented; do
		rules "status=$answer kind=get match=/r/p/"
		SALVOR_REPO=$bad expect $failed salvor restore disk@latest --to "$work/restored"
		SALVOR_REPO=$bad expect $failed salvor scrub --level digests
		rules
		rm -rf "$work/restored"
	done
	expect 0 salvor scrub
}

# What was in the way of a new object is deleted before anybody can look at it.
refused_and_gone() {
	say "an object that is refused, and not there"
	new_s3_repository "$S3_LOCKED" refused
	salvor key add --name host --role write --out "$work/refused.key" --key "$recovery_key"
	rules 'status=412:PreconditionFailed kind=put times=1'
	expect 0 salvor backup disk --disk "vda=$disk" --repo "$(s3_repository "$S3_LOCKED" refused "$proxy")" --key "$work/refused.key"
	rules
}

put_random "$disk" 0 $((4 << 20)) random
mkdir "$work/nobody"
start_gateway
start_proxy
new_s3_repository plain r
grant reader reader plain r
export AWS_PROFILE=admin
salvor key add --name host --role write,read --out "$work/host.key"
bad=$(s3_repository plain r "$proxy")
export SALVOR_KEY_FILE=$work/host.key
expect 0 salvor backup disk --disk "vda=$disk"

for part in wrong_urls wrong_credentials missing_rights owner_of_the_bucket wrong_services; do
	changes_nothing $part
done
clock_off
interrupted_restore
full_cache
lagging_lists
trouble_is_no_damage
deleted_objects
no_conditions
refused_and_gone
