# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# need_packages LIST...: sees to it that the Debian packages of tests/packages/LIST are installed. As root it installs what is
# missing; otherwise it names it and ends.

packages_missing() {
	local list package
	for list in "$@"; do
		while read -r package; do
			[[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
		done < <(sed -E 's/[[:space:]]*#.*//; /^$/d' "$(dirname "${BASH_SOURCE[0]}")/packages/$list")
	done
}

need_packages() {
	local missing
	mapfile -t missing < <(packages_missing "$@")
	((${#missing[@]} == 0)) && return
	if ((EUID != 0)); then
		echo "These packages are missing; as root: apt-get install ${missing[*]}" >&2
		exit 1
	fi
	echo "Installing ${#missing[@]} packages: ${missing[*]}" >&2
	# No service of a package may start because a test installed it.
	local policy=/usr/sbin/policy-rc.d own_policy=
	if [[ ! -e $policy ]]; then
		own_policy=$policy
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	local outcome=0
	apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" \
		</dev/null >/dev/null || outcome=$?
	[[ -z $own_policy ]] || rm -f "$own_policy"
	return "$outcome"
}
