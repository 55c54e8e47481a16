#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The rig of the S3 scenarios itself: test_rig.py, with a gateway whose roles have their policies, and a bad network before it.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/s3/lib.sh
. "$tests/s3/lib.sh"
sandbox "$@"

start_gateway
start_proxy
for bucket in plain locked; do
	grant admin admin $bucket r
	grant reader reader $bucket r
	grant verifier verifier $bucket r
	grant writer writer $bucket r 0123456789abcdef
	grant collector collector $bucket r fedcba9876543210
done
curl --silent --fail --cacert "$S3_CA" --output "$work/out" "$S3_TLS_ENDPOINT" || fail "no TLS"
PROXY=http://$proxy PROXY_LOG=$work/proxy.log python3 "$tests/s3/test_rig.py"
