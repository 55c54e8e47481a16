# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the end-to-end scenarios stand on. A scenario begins with
#
#	. "$(dirname "$0")/../lib.sh"
#	sandbox "$@"
#
# and runs from there on as root in namespaces of its own: with a /dev without KVM, a libvirt that no other test and no user of
# this machine sees, and a process tree that ends with it, so that nothing it starts can stay. Its folder is $work, which goes
# when it ends. A scenario that cannot run here says why and exits with 77.
#
# Environment: SALVOR_BIN (the command under test), SALVOR_TEST_FULL=1 (all rounds, not the quick ones), SALVOR_TEST_CACHE,
# SALVOR_TEST_STORE (plain or locked: new_repository makes its repositories in that bucket of tests/s3/gateway).

set -euo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SALVOR_TEST_CACHE:-/var/cache/salvor-test}
SALVOR_BIN=${SALVOR_BIN:-$(dirname "$tests")/build/release/bin/salvor}
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C.UTF-8
virsh=(virsh --quiet --connect qemu:///system)

# ---- saying ------------------------------------------------------------------------------------------------------------------

say() { echo "--- $*" >&2; }

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

skip() {
	echo "skipped: $*" >&2
	exit 77
}

require() {
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || skip "the program '$program' is not installed"
	done
}

# quick_or_full QUICK FULL: how many rounds.
quick_or_full() {
	if [[ ${SALVOR_TEST_FULL:-} == 1 ]]; then echo "$2"; else echo "$1"; fi
}

# ---- the sandbox -------------------------------------------------------------------------------------------------------------

# Inside a chroot the root is no mount point, and its mounts cannot be made private as a whole.
propagation() {
	if unshare --mount true 2>/dev/null; then echo private; else echo unchanged; fi
}

sandbox() {
	if [[ -n ${SALVOR_TEST_WORK:-} ]]; then
		work=$SALVOR_TEST_WORK
		trap 'exit 130' INT
		trap 'exit 143' TERM
		make_sandbox
		return
	fi
	((EUID == 0)) || skip "only root can make namespaces and devices"
	require unshare setpriv mount losetup
	[[ -x $SALVOR_BIN ]] || skip "$SALVOR_BIN is not built"
	local status=0 propagation
	propagation=$(propagation)
	unshare --mount --propagation "$propagation" true || skip "this machine does not allow mount namespaces"
	work=$(mktemp -d "${TMPDIR:-/var/tmp}/salvor-test.XXXXXX")
	chmod 755 "$work"
	trap 'rm -rf "$work"' EXIT
	# Ctrl-C is for the scenario, which cannot have it if it is ignored here. However this shell ends, the sandbox ends with it.
	trap : INT
	SALVOR_TEST_WORK=$work setpriv --pdeathsig KILL unshare --mount --propagation "$propagation" --pid --fork --kill-child \
		--mount-proc "$0" "$@" || status=$?
	exit $status
}

make_sandbox() {
	local folder
	make_dev
	make_qemu_user
	export TMPDIR=$work/tmp
	mkdir -m 1777 "$TMPDIR"
	for folder in /run/salvor /run/libvirt /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
		mkdir -p $folder
		mount -t tmpfs -o mode=755 none $folder
	done
	# Asking QEMU what it can takes seconds; the answer is kept between scenarios.
	mkdir -p "$cache/libvirt-capabilities" /var/cache/libvirt/qemu/capabilities
	mount --bind "$cache/libvirt-capabilities" /var/cache/libvirt/qemu/capabilities
	export HOME=$work/home XDG_RUNTIME_DIR=$work/home/run
	export SALVOR_STATE_DIR=$work/state SALVOR_CACHE_DIR=$work/cache SALVOR_CONFIG=$work/salvor.conf
	unset SALVOR_REPO SALVOR_KEY_FILE SALVOR_PASSPHRASE SALVOR_PASSPHRASE_FILE
	mkdir "$HOME"
	mkdir -m 700 "$XDG_RUNTIME_DIR"
	copy_command
	touch "$SALVOR_CONFIG"
}

# The programs and the plugin, where every user of a scenario may go: they may have been built below /root.
copy_command() {
	local built
	built=$(dirname "$(dirname "$SALVOR_BIN")")
	mkdir -p "$work/command/bin" "$work/command/lib"
	cp "$built"/bin/salvor* "$work/command/bin/"
	cp "$SALVOR_BIN" "$work/command/bin/"
	cp -r "$built/lib/salvor" "$work/command/lib/"
	SALVOR_BIN=$work/command/bin/${SALVOR_BIN##*/}
}

# A /dev of our own: without KVM, whose presence says nothing about guests booting on it, and with loop devices.
make_dev() {
	local n
	mount -t tmpfs -o mode=755 none /dev
	mkdir /dev/pts /dev/shm /dev/net
	mount -t devpts -o newinstance,ptmxmode=666,mode=620 none /dev/pts
	mount -t tmpfs none /dev/shm
	mknod -m 666 /dev/null c 1 3
	mknod -m 666 /dev/zero c 1 5
	mknod -m 666 /dev/full c 1 7
	mknod -m 666 /dev/random c 1 8
	mknod -m 666 /dev/urandom c 1 9
	mknod -m 666 /dev/tty c 5 0
	mknod -m 666 /dev/net/tun c 10 200
	mknod -m 600 /dev/loop-control c 10 237
	for ((n = 0; n < 64; n++)); do
		mknod -m 600 /dev/loop$n b 7 $n
	done
	ln -s pts/ptmx /dev/ptmx
	ln -s /proc/self/fd /dev/fd
	ln -s fd/0 /dev/stdin
	ln -s fd/1 /dev/stdout
	ln -s fd/2 /dev/stderr
}

# ---- disks -------------------------------------------------------------------------------------------------------------------

random_bytes() { openssl enc -aes-128-ctr -nosalt -pass "pass:$RANDOM$RANDOM" -pbkdf2 -iter 1 -in /dev/zero 2>/dev/null | head --bytes "$1" || true; }

# put_random FILE OFFSET LENGTH KIND
put_random() {
	case $4 in
	random) random_bytes "$3" ;;
	repeated) yes "one chunk like the other " | head --bytes $((64 << 10)) >"$work/block" && while cat "$work/block"; do :; done ;;
	compressible) seq --separator ' ' $((RANDOM * 1000)) 99999999 ;;
	zero) cat /dev/zero ;;
	never) return ;;
	esac 2>/dev/null | head --bytes "$3" | dd of="$1" bs=1M seek="$2" oflag=seek_bytes iflag=fullblock conv=notrunc status=none || true
}

# new_random_disk FILE SIZE: ranges of all these kinds, of a few MiB for each 256 MiB, at places that are aligned to nothing but a
# sector.
new_random_disk() {
	local disk=$1 size=$2 kinds=(random repeated compressible zero never) offset=0 length
	truncate --size "$size" "$disk"
	while ((offset < size)); do
		length=$(((RANDOM * 1024 + RANDOM % 1024) * (size >> 20) / 1024 / 512 * 512 + 512))
		((length <= size - offset)) || length=$((size - offset))
		put_random "$disk" $offset $length "${kinds[RANDOM % 5]}"
		offset=$((offset + length))
	done
}

# ---- libvirt -----------------------------------------------------------------------------------------------------------------

# The user as whom Debian's libvirt runs QEMU. It comes with libvirt-daemon-system; the daemon alone does not start without it.
make_qemu_user() {
	local file
	id libvirt-qemu >/dev/null 2>&1 && return
	for file in passwd group; do
		cp /etc/$file "$work/$file"
		mount --bind "$work/$file" /etc/$file
	done
	echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin' >>"$work/passwd"
	echo 'libvirt-qemu:x:64055:' >>"$work/group"
}

start_libvirt() {
	require libvirtd virsh qemu-system-x86_64 qemu-img
	cat >/etc/libvirt/qemu.conf <<-END
		security_driver = "none"
		namespaces = []
		cgroup_controllers = []
		stdio_handler = "file"
	END
	cat >/etc/libvirt/libvirtd.conf <<-END
		auth_unix_rw = "none"
		auth_unix_ro = "none"
		log_outputs = "3:file:$work/libvirtd.log"
	END
	libvirtd --config /etc/libvirt/libvirtd.conf --pid-file "$work/libvirtd.pid" 2>>"$work/libvirtd.log" &
	libvirtd_pid=$!
	# The guests' disks and logs, in a place that QEMU's user may enter.
	guests=$work/guests
	mkdir -m 777 "$guests"
	wait_until 60 "libvirt to answer" "${virsh[@]}" version
}

stop_libvirt() {
	kill "$libvirtd_pid"
	wait "$libvirtd_pid" || true
}

# Another host's libvirt, which sees the same disks; $other_libvirt is its URI.
start_other_libvirt() {
	mkdir "$work/other"
	other_libvirt="qemu+unix:///system?socket=$work/other/libvirt-sock"
	cat >"$work/other/libvirtd.conf" <<-END
		auth_unix_rw = "none"
		unix_sock_dir = "$work/other"
		host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
		log_outputs = "3:file:$work/other/log"
	END
	# shellcheck disable=SC2016
	unshare --mount --uts --propagation "$(propagation)" bash -c '
		hostname other
		for folder in /run/libvirt /var/lib/libvirt /var/log/libvirt; do
			mount --bind $folder $folder
			mount --make-private $folder
			mount -t tmpfs -o mode=755 none $folder
		done
		exec libvirtd --config "$1/libvirtd.conf" --pid-file "$1/pid"' - "$work/other" 2>>"$work/other/log" &
	wait_until 60 "the other libvirt to answer" virsh --connect "$other_libvirt" version
}

# migrate NAME [OPTION...]: to the other libvirt.
migrate() {
	"${virsh[@]}" migrate --live --unsafe --migrateuri tcp://127.0.0.1 "${@:2}" "$1" "$other_libvirt"
}

# ---- guests ------------------------------------------------------------------------------------------------------------------

# new_debian NAME: a copy of the Debian guest's disk, $guests/NAME-vda.qcow2.
new_debian() {
	local parts
	parts=$("$tests/guest/debian")
	qemu-img convert -f raw -O qcow2 "$parts/disk.raw" "$guests/$1-vda.qcow2"
}

# new_records_disk NAME DISK: an empty ext4 for the tiny guest, $guests/NAME-DISK.qcow2.
new_records_disk() {
	local raw=$work/$1-$2.raw
	truncate --size 1G "$raw"
	mkfs.ext4 -q -F -O ^metadata_csum_seed,^orphan_file "$raw"
	qemu-img convert -f raw -O qcow2 "$raw" "$guests/$1-$2.qcow2"
	rm "$raw"
}

# new_bootable_disk FILE [PROGRAM...] <INIT: a disk that starts Debian's kernel with a busybox, the programs, and the script from
# standard input. The boot loader is that of the Debian guest: it starts /vmlinuz with /initrd.img from the first partition.
new_bootable_disk() {
	local disk=$1 parts files=$work/files
	shift
	require sfdisk mkfs.ext4
	parts=$("$tests/guest/debian")
	rm -rf "$files"
	mkdir "$files"
	cp "$parts/vmlinuz" "$files/vmlinuz"
	make_initrd "$parts" "$@" >"$files/initrd.img"
	truncate --size 160M "$disk"
	echo 'start=1MiB, size=62MiB, type=83, bootable' | sfdisk --quiet --label dos "$disk"
	dd if="$parts/disk.raw" of="$disk" bs=440 count=1 conv=notrunc status=none
	dd if="$parts/disk.raw" of="$disk" bs=512 skip=1 seek=1 count=2047 conv=notrunc status=none
	mkfs.ext4 -q -F -L guest-root -O ^metadata_csum_seed,^orphan_file -E offset=$((1 << 20)) -d "$files" "$disk" 62M
}

# make_initrd PARTS [PROGRAM...] <INIT: a system that is nothing but a busybox, the programs and the script, in the kernel's initial
# RAM disk.
make_initrd() {
	local parts=$1 root=$work/initrd name
	shift
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,proc,sys}
	cp "$parts/busybox" "$@" "$root/bin/"
	cp -r "$parts/modules" "$root/modules"
	for name in sh mount echo sleep reboot poweroff cat dd insmod; do
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
	(cd "$root" && find . | "$parts/busybox" cpio -o -H newc 2>/dev/null | gzip -1)
}

# start_guest NAME MEMORY_MIB BOOT_XML DEVICES_XML DISK...: its disks are $guests/NAME-DISK.qcow2, its console goes to $guests/NAME.log, and
# what it acknowledges comes out of the pipe $guests/NAME-records.out.
start_guest() {
	local name=$1 memory=$2 boot=$3 devices=$4 disk disks=
	shift 4
	for disk in "$@"; do
		chown libvirt-qemu "$guests/$name-$disk.qcow2"
		disks+="<disk type='file'><driver name='qemu' type='qcow2'/><source file='$guests/$name-$disk.qcow2'/>
			<target dev='$disk' bus='virtio'/></disk>"
	done
	rm -f "$guests/$name-records".{in,out}
	mkfifo -m 666 "$guests/$name-records".{in,out}
	cat >"$work/$name.xml" <<-END
		<domain type='qemu'>
			<name>$name</name>
			<memory unit='MiB'>$memory</memory>
			<vcpu>1</vcpu>
			<os><type arch='x86_64' machine='pc'>hvm</type>$boot</os>
			<features><acpi/></features>
			<devices>
				$disks
				<interface type='user'><model type='virtio'/></interface>
				<serial type='pty'><log file='$guests/$name.log'/></serial>
				$devices
				<channel type='pipe'><source path='$guests/$name-records'/><target type='virtio' name='salvor.recorder'/></channel>
				<video><model type='vga'/></video>
			</devices>
		</domain>
	END
	"${virsh[@]}" define "$work/$name.xml" >&2
	"${virsh[@]}" start "$name" >&2
}

# start_debian NAME: from its own boot loader, with the guest agent.
start_debian() {
	start_guest "$1" 768 "<boot dev='hd'/>" "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>" vda
}

# start_tiny NAME DISK...: Debian's kernel and a busybox; the recorder runs on all its disks.
start_tiny() {
	local name=$1
	shift
	start_tiny_as "" "$name" "$@"
	wait_text "$guests/$name.log" "recording to" 60
}

# start_writer NAME: the same guest, with one disk, which writes when it is told to.
start_writer() {
	start_tiny_as writer "$1" vda
	wait_text "$guests/$1.log" "writing to" 60
}

# write_in_guest NAME MIB: new random bytes in a new file, with fsync.
write_in_guest() {
	local reply
	echo "$2" >"$guests/$1-records.in"
	read -r reply <"$guests/$1-records.out"
	[[ $reply == "done" ]] || fail "guest $1 did not write but said '$reply'"
}

start_tiny_as() {
	local words=$1 name=$2 parts
	shift 2
	parts=$("$tests/guest/tiny")
	cp "$parts/vmlinuz" "$parts/initrd" "$guests/"
	start_guest "$name" 192 "<kernel>$guests/vmlinuz</kernel><initrd>$guests/initrd</initrd>
		<cmdline>console=ttyS0 quiet $words</cmdline>" "" "$@"
}

agent() { "${virsh[@]}" qemu-agent-command "$1" "$2" 2>/dev/null; }

wait_agent() { wait_until 180 "the guest agent of $1 to answer" agent "$1" '{"execute":"guest-ping"}'; }

# The agent forgets a process once it said that it has exited, so the answer is kept.
agent_exited() {
	agent "$1" '{"execute":"guest-exec-status","arguments":{"pid":'"$2"'}}' >"$work/$1.status"
	jq --exit-status .return.exited "$work/$1.status"
}

# in_guest NAME COMMAND: runs a shell command through the guest agent and prints its output.
in_guest() {
	local request pid
	request=$(jq --null-input --arg command "$2" \
		'{execute:"guest-exec",arguments:{path:"/bin/sh",arg:["-c",$command],"capture-output":true}}')
	pid=$(agent "$1" "$request" | jq .return.pid)
	wait_until 120 "'$2' to end in $1" agent_exited "$1" "$pid"
	jq --raw-output '.return["out-data"] // "" | @base64d' "$work/$1.status"
	[[ $(jq .return.exitcode "$work/$1.status") == 0 ]] || fail "in guest $1, '$2' failed: $(cat "$work/$1.status")"
}

destroy_guest() {
	"${virsh[@]}" destroy "$1" >/dev/null 2>&1 || true
	"${virsh[@]}" undefine "$1" --checkpoints-metadata --nvram >/dev/null 2>&1 || true
}

# follow_records NAME: notes in $work/NAME.acknowledged when which record was acknowledged, "seconds number" a line.
follow_records() {
	local name=$1 number
	while IFS= read -r number; do
		echo "$EPOCHREALTIME $number"
	done <"$guests/$name-records.out" >"$work/$name.acknowledged" &
	wait_until 60 "the first record of $name" test -s "$work/$name.acknowledged"
}

acknowledged_beyond() { (($(last_acknowledged "$1") > $2)); }

# wait_records NAME COUNT: until so many more are acknowledged.
wait_records() {
	wait_until 60 "more records of $1" acknowledged_beyond "$1" $(($(last_acknowledged "$1") + $2 - 1))
}

last_acknowledged() { tail -n 1 "$work/$1.acknowledged" | cut -d ' ' -f 2; }

# ---- waiting -----------------------------------------------------------------------------------------------------------------

# wait_until SECONDS WHAT COMMAND...: the seconds are those of a quiet machine, and a busy one gets five times as many: they
# only end what would never end.
wait_until() {
	local deadline=$((EPOCHSECONDS + 5 * $1)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		((EPOCHSECONDS < deadline)) || fail "waited in vain for $what"
		sleep 0.1
	done
}

# wait_text FILE REGEX SECONDS
wait_text() { wait_until "$3" "'$2' in $1" grep --quiet --text --extended-regexp "$2" "$1"; }

said_or_ended() { grep --quiet --text "$3" "$2" || ! kill -0 "$1"; }

# wait_said PID OUTPUT ERRORS TEXT SECONDS: until the process has written it; one that ends before will never do so.
wait_said() {
	wait_until "$5" "'$4' in $2" said_or_ended "$1" "$2" "$4"
	grep --quiet --text "$4" "$2" || fail "it ended without '$4' and said: $(cat "$3")"
}

# ---- salvor ------------------------------------------------------------------------------------------------------------------

salvor() { "$SALVOR_BIN" "$@"; }

# new_repository FOLDER: with the recovery key in FOLDER.key; the passphrase is in the environment. Where it really is, is in
# SALVOR_REPO.
new_repository() {
	export SALVOR_PASSPHRASE='correct horse battery staple' SALVOR_REPO=$1
	[[ -z ${SALVOR_TEST_STORE:-} ]] || use_bucket "${1##*/}"
	salvor init --recovery-key "$1.key"
}

# Its rights are those of an administrator: what the roles may has scenarios of its own.
use_bucket() {
	# shellcheck source=tests/s3/lib.sh
	. "$tests/s3/lib.sh"
	[[ -n ${S3_ENDPOINT:-} ]] || start_gateway
	grant admin admin "$SALVOR_TEST_STORE" "$1"
	export AWS_PROFILE=admin
	SALVOR_REPO=$(s3_repository "$SALVOR_TEST_STORE" "$1")
}

# expect STATUS COMMAND...: its standard output goes to $work/out, its standard error to $work/err.
expect() {
	local expected=$1 status=0
	shift
	"$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
	if ((status != expected)); then
		cat "$work/out" "$work/err" >&2
		fail "'$*' ended with $status, not with $expected"
	fi
}

# expect_sentence STATUS REGEX COMMAND...: says exactly one line, which names the object.
expect_sentence() {
	local status=$1 regex=$2
	shift 2
	expect "$status" "$@"
	say "$(cat "$work/err")"
	(($(wc -l <"$work/err") == 1)) || fail "'$*' said not one sentence but: $(cat "$work/err")"
	grep --quiet --extended-regexp "$regex" "$work/err" || fail "'$*' said '$(cat "$work/err")', nothing like '$regex'"
}

# space FILE: the bytes that a file occupies.
space() { echo $(($(stat --format '%b * %B' "$1"))); }

# repository_bytes FOLDER: of the repository that new_repository made there.
repository_bytes() {
	if [[ -z ${SALVOR_TEST_STORE:-} ]]; then
		du --summarize --bytes "$1" | cut -f 1
	else
		s3 admin keys "$SALVOR_TEST_STORE" "${1##*/}/" | awk '{ sum += $1 } END { print sum }'
	fi
}
