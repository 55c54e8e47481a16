#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What storage/backend.h promises, of real buckets: one without versions, and one that keeps them.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/s3/lib.sh
. "$tests/s3/lib.sh"
sandbox "$@"

start_gateway
s3 root PUT /versioned </dev/null
s3 root PUT '/versioned?versioning' <<-END
	<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>
END
AWS_PROFILE=root S3_VERSIONED=versioned "$SALVOR_BUILD/tests/test_storage_backend"
