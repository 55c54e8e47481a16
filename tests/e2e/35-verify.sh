#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# verify passes what boots, by agent, by console and by screen, and fails what does not, each failure told from the others, in
# bounded time, with evidence that a person can read and a receipt that proves it. Nothing of the machines stays.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require sfdisk mkfs.ext4 jq pgrep qemu-system-x86_64 nbdkit

failed=1
damaged=4
memory=256M

# ---- guests ------------------------------------------------------------------------------------------------------------------

# What the Debian guest is made of, and the boot loader of its disk, which loads /vmlinuz and /initrd.img from the partition.
make_initrd() {
	local root=$work/initrd name
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,proc,sys}
	cp "$debian/busybox" "$root/bin/"
	for name in sh mount echo sleep reboot poweroff cat; do
		ln -s busybox "$root/bin/$name"
	done
	{
		echo '#!/bin/busybox sh'
		echo 'export PATH=/bin'
		echo 'mount -t devtmpfs none /dev'
		echo 'mount -t proc none /proc'
		cat
	} >"$root/init"
	chmod 755 "$root/init"
	(cd "$root" && find . | "$debian/busybox" cpio -o -H newc 2>/dev/null | gzip -1)
}

# new_guest NAME <INIT: a bootable disk, $work/NAME.raw, whose system is that script, and its point.
new_guest() {
	local disk=$work/$1.raw files=$work/files
	rm -rf "$files"
	mkdir "$files"
	cp "$debian/vmlinuz" "$files/vmlinuz"
	make_initrd >"$files/initrd.img"
	truncate --size 64M "$disk"
	echo 'start=2048, type=83, bootable' | sfdisk --quiet --label dos "$disk"
	dd if="$debian/disk.raw" of="$disk" bs=440 count=1 conv=notrunc status=none
	dd if="$debian/disk.raw" of="$disk" bs=512 skip=1 seek=1 count=2047 conv=notrunc status=none
	mkfs.ext4 -q -F -L guest-root -O ^metadata_csum_seed,^orphan_file -E offset=$((1 << 20)) -d "$files" "$disk" 62M
	back_up "$1" "$disk"
}

back_up() { salvor backup "$1" --disk "vda=$2" >&2; }

# ---- verifying ---------------------------------------------------------------------------------------------------------------

verify() { salvor verify --memory $memory --evidence "$work/evidence" "$@"; }

# passes POINT REGEX [OPTION...]
passes() {
	local point=$1 regex=$2
	shift 2
	expect 0 verify "$point" "$@"
	say "$(cat "$work/out")"
	grep --quiet --extended-regexp "passed, .*($regex).* after [0-9]" "$work/out" || fail "$point did not pass by '$regex': $(cat "$work/out")"
}

# fails STATUS POINT REGEX [OPTION...]
fails() {
	local status=$1 point=$2 regex=$3
	shift 3
	expect "$status" verify "$point" "$@"
	say "$(cat "$work/out")"
	grep --quiet --extended-regexp "FAILED, .*($regex)" "$work/out" || fail "$point did not fail by '$regex': $(cat "$work/out")"
	(($(wc -l <"$work/out") == 1)) || fail "$point failed by more than one line"
	if grep --quiet --text --perl-regexp '[\x00-\x09\x0b-\x1f\x7f]' "$work/out" "$work/err"; then
		fail "control characters reached the terminal"
	fi
}

# evidence NAME REGEX: there is a picture, and the log of the console has it.
evidence() {
	local log=$work/evidence/$1-*.log picture=$work/evidence/$1-*.png
	# shellcheck disable=SC2086 # a pattern
	grep --quiet --text --extended-regexp "$2" $log || fail "the log of $1 has nothing like '$2'"
	# shellcheck disable=SC2086
	[[ $(od --address-radix n --format x1 --read-bytes 8 $picture) == " 89 50 4e 47 0d 0a 1a 0a" ]] || fail "the picture of $1 is no PNG"
	# shellcheck disable=SC2086
	(($(stat --format %s $picture) > 200)) || fail "the picture of $1 is too small to show anything"
}

nothing_left() {
	wait_until 20 "QEMU to go" no_process qemu-system
	wait_until 20 "nbdkit to go" no_process nbdkit
	[[ -z $(find "${TMPDIR:-/var/tmp}" -maxdepth 1 -name 'salvor-run-*') ]] || fail "an overlay stayed"
	[[ -z $(find /run/salvor -mindepth 1 -maxdepth 1) ]] || fail "a folder of a machine stayed"
}

no_process() { ! pgrep "$1"; }

# ---- scenes ------------------------------------------------------------------------------------------------------------------

by_console() {
	say "a system that asks for a login, with colours that must not reach the terminal"
	new_guest healthy <<-'END'
		echo -e '\033[31mtiny system\033[0m \033]0;title\007is up'
		echo -n 'tiny login: '
		sleep 100000
	END
	passes healthy@latest "the console said 'tiny login:'"
	evidence healthy 'Linux version'
}

panicking() {
	say "a kernel that panics"
	new_guest panicking <<<'echo the init of this system ends'
	fails $failed panicking@latest 'the kernel panicked .*Attempted to kill init'
	evidence panicking 'Kernel panic - not syncing: Attempted to kill init'
	evidence panicking 'Call Trace'
}

wiped() {
	say "a boot loader that was wiped"
	cp "$work/healthy.raw" "$work/wiped.raw"
	dd if=/dev/zero of="$work/wiped.raw" bs=512 count=1 conv=notrunc status=none
	back_up wiped "$work/wiped.raw"
	fails $failed wiped@latest 'no disk of the machine can be booted .*not a bootable disk'
	evidence wiped 'No bootable device'
}

debian=$("$tests/guest/debian")
new_repository "$work/repository" >&2
by_console
panicking
wiped
nothing_left
