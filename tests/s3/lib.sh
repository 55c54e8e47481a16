# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A real S3 service for scenarios, with a bad network before it. Sourced behind tests/lib.sh; see tests/s3/gateway for the names
# that start_gateway sets.

s3_tests=$tests/s3
s3_proxy=${SALVOR_BUILD:-$(dirname "$tests")/build/release}/tests/s3_proxy

start_gateway() {
	require ceph-mon ceph-osd radosgw radosgw-admin ceph ceph-authtool monmaptool curl python3
	"$s3_tests/gateway" "$work/gateway" >"$work/gateway.env"
	# shellcheck source=/dev/null
	. "$work/gateway.env"
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION AWS_CA_BUNDLE
	export AWS_EC2_METADATA_DISABLED=true
}

# s3 PROFILE METHOD PATH…: one request, as tests/s3/client.py says.
s3() { "$s3_tests/client.py" "$@"; }

# s3_repository BUCKET PREFIX [ADDRESS]: its URL, for an address such as $proxy or that of the service.
s3_repository() { echo "s3+http://${3:-${S3_ENDPOINT#http://}}/$1/$2"; }

# grant PROFILE ROLE BUCKET PREFIX [ID8]: what etc/s3/ROLE.json allows, besides what it may already.
grant() {
	local policy
	policy=$(sed -e "s|BUCKET|$3|g; s|PREFIX|$4|g; s|ID8|${5:-}|g" "$(dirname "$tests")/etc/s3/$2.json")
	allow "$1" "$2-$3-${4//\*/any}-${5:-any}" "$policy"
}

# allow PROFILE NAME POLICY; an empty one takes it back.
allow() {
	local action=PutUserPolicy document=
	if [[ -n $3 ]]; then
		document="&PolicyDocument=$(jq --null-input --raw-output --arg text "$3" '$text | @uri')"
	else
		action=DeleteUserPolicy
	fi
	s3 root POST "/?Action=$action&PolicyName=$2&UserName=$1$document" </dev/null >"$work/policy.out" 2>&1 ||
		fail "no policy $2: $(cat "$work/policy.out")"
}

# id8_of NAME: of that member of the repository, as the names of what it writes begin.
id8_of() { salvor key list --json | jq --raw-output --exit-status --arg name "$1" '.keys[] | select(.name == $name) | .id'; }

# as PROFILE COMMAND...
as() { AWS_PROFILE=$1 "${@:2}"; }

# ---- the bad network -------------------------------------------------------------------------------------------------------

# start_proxy: $proxy is its address, $work/proxy.log what it did.
start_proxy() {
	require "$s3_proxy"
	"$s3_proxy" "${S3_ENDPOINT#http://}" "$work/proxy.log" >"$work/proxy.address" &
	wait_until 10 "the proxy to listen" test -s "$work/proxy.address"
	proxy=$(cat "$work/proxy.address")
}

# rules LINE...: what the network does from now on; tests/s3/proxy/rules.h says how to say it. No line: nothing.
rules() {
	printf '%s\n' "$@" | curl --silent --show-error --fail-with-body --data-binary @- "http://$proxy/-/rules" || fail "rules: $*"
}

# counted KIND CLASS COLUMN: requests, sent or received since forget_counts; "-" stands for every kind or class.
counted() {
	curl --silent "http://$proxy/-/counts" | awk -v kind="$1" -v class="$2" -v column="$3" '
		BEGIN { at = column == "requests" ? 3 : column == "sent" ? 4 : 5 }
		(kind == "-" || $1 == kind) && (class == "-" || $2 == class) { sum += $at }
		END { printf "%d\n", sum }'
}

forget_counts() { curl --silent --data '' "http://$proxy/-/reset"; }

# ---- repositories ----------------------------------------------------------------------------------------------------------

# new_s3_repository BUCKET PREFIX [ADDRESS]: made by the profile admin, with the recovery key in $work/BUCKET-PREFIX.key; the
# passphrase is in the environment.
new_s3_repository() {
	grant admin admin "$1" "$2"
	SALVOR_REPO=$(s3_repository "$@")
	recovery_key=$work/$1-$2.key
	export SALVOR_REPO SALVOR_PASSPHRASE='correct horse battery staple'
	as admin salvor init --recovery-key "$recovery_key"
}

# rescuer WORD...: the command on a new machine: nothing of this one's state and caches, the recovery key, credentials that only
# read. Behind choose_rescuer, "${rescuer[@]}" is the same as the words of a process that can be killed.
rescuer() {
	choose_rescuer
	"${rescuer[@]}" "$@"
}

choose_rescuer() {
	rescuer=(env --ignore-environment PATH="$PATH" LC_ALL="$LC_ALL" HOME="$work/rescuer" SALVOR_CONFIG="$SALVOR_CONFIG"
		SALVOR_STATE_DIR="$work/rescuer/state" SALVOR_CACHE_DIR="$work/rescuer/cache" SALVOR_KEY_FILE="$recovery_key"
		SALVOR_REPO="$SALVOR_REPO" AWS_SHARED_CREDENTIALS_FILE="$AWS_SHARED_CREDENTIALS_FILE" AWS_PROFILE=reader
		AWS_EC2_METADATA_DISABLED=true "$SALVOR_BIN")
}
