# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Machines on real KVM where there is none: QEMU's software processor emulates SVM with nested paging, and in it runs the
# appliance of etc/appliance, called L1 here. What L1 hosts is called a guest. Sourced behind tests/lib.sh.
#
#	this machine ── QEMU, software processor ──► L1: the appliance, real KVM ── salvor-vmm ──► a guest
#
# A scenario names L1's disks (l1_disk), starts it (start_l1), and does everything in it by l1 COMMAND. A guest is spoken to as a
# person would: it has a serial line, whose words go to a file in L1, and into which one can type.

thin_tests=$tests/thin
l1_address=127.$((RANDOM % 200 + 20)).$((RANDOM % 250)).$((RANDOM % 250 + 1))
l1_disks=()
l1_additions=()

# ---- L1 ------------------------------------------------------------------------------------------------------------------------

# l1_disk SERIAL FILE [OPTION]: one more disk of L1's, /dev/disk/by-serial/SERIAL there. A raw file; "snapshot=on" as an option keeps
# it as it is.
l1_disk() {
	l1_disks+=(-drive "file=$2,if=none,id=$1,format=raw,discard=unmap,detect-zeroes=off${3:+,$3}"
		-device "virtio-blk-pci,drive=$1,serial=$1")
}

# l1_add FILE:PLACE: one more file in L1.
l1_add() { l1_additions+=(--add "$1"); }

make_appliance() {
	require qemu-system-x86_64 depmod modprobe passt ip
	[[ -x $(dirname "$SALVOR_BIN")/salvor-vmm ]] || skip "salvor-vmm is not built"
	SALVOR_APPLIANCE_CACHE=$cache/appliance "$(dirname "$tests")/etc/appliance/build" --salvor "$(dirname "$(dirname "$SALVOR_BIN")")" \
		--add "$thin_tests/serve:/usr/bin/serve" "${l1_additions[@]}" "$work/appliance"
}

# start_l1 [MEMORY_MIB]: until it takes commands. It may be started again after kill_l1, with the same disks.
start_l1() {
	[[ -e $work/appliance/initrd ]] || make_appliance
	rm -f "$work/l1.console"
	qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -accel tcg,thread=multi,tb-size=512 \
		-machine pc,hpet=off -cpu EPYC,+svm,+npt -smp 2 -m "${1:-3072}" \
		-kernel "$work/appliance/vmlinuz" -initrd "$work/appliance/initrd" \
		-append "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off salvor.address=10.0.2.15/24 salvor.gateway=10.0.2.2 salvor.bridge=10.7.0.1/24 salvor.run=serve" \
		-netdev "user,id=net,hostfwd=tcp:$l1_address:7000-:7000" -device virtio-net-pci,netdev=net,romfile= \
		-device virtio-rng-pci -serial "file:$work/l1.console" "${l1_disks[@]}" 2>"$work/l1.errors" &
	l1_pid=$!
	wait_until 60 "L1 to start" l1_listens_or_ended
	kill -0 "$l1_pid" 2>/dev/null || fail "L1 ended: $(cat "$work/l1.errors" "$work/l1.console")"
}

l1_listens_or_ended() { grep --quiet --text "serve: listening" "$work/l1.console" || ! kill -0 "$l1_pid"; }

# A power cut.
kill_l1() {
	kill -KILL "$l1_pid"
	wait "$l1_pid" 2>/dev/null || true
}

stop_l1() {
	l1 'sync; poweroff -f' >/dev/null 2>&1 &
	wait "$l1_pid" || true
}

# l1 COMMAND [WORD...]: runs it by L1's shell, with the words as $1 and so on, and what is in standard input, if that is no terminal.
# Prints what it says, and returns what it returns.
l1() {
	local input answer command status line
	input=$(mktemp "$work/input.XXXXXX")
	answer=$(mktemp "$work/answer.XXXXXX")
	[[ -t 0 ]] || cat >"$input"
	command=$(printf '%q ' "${@:2}")
	command=$(printf 'set -- %s\n%s' "$command" "$1" | base64 --wrap 0)
	exec {line}<>"/dev/tcp/$l1_address/7000" || fail "L1 cannot be reached: $(tail --lines 20 "$work/l1.console")"
	{ printf '%s %s\n' "$(stat --format %s "$input")" "$command" && cat "$input"; } >&"$line"
	cat <&"$line" >"$answer"
	exec {line}>&-
	status=$(tail --bytes 4 "$answer")
	head --bytes -4 "$answer"
	rm "$answer" "$input"
	[[ $status =~ ^\ *[0-9]+$ ]] || fail "L1 did not end '$1': $(tail --lines 20 "$work/l1.console")"
	return $((status))
}

# The same, and it must go well.
l1_must() { l1 "$@" </dev/null || fail "in L1: $1: status $?"; }

# ---- guests' disks -------------------------------------------------------------------------------------------------------------

# new_command_disk FILE: a disk that boots, by its own boot loader, to a shell on the serial line, within seconds. /dev/vdb and on
# are its other disks; verify is there.
new_command_disk() {
	guest_program verify
	new_bootable_disk "$1" "$work/verify" <<-'END'
		mount -t sysfs none /sys
		for module in /modules/*; do
			insmod "$module"
		done
		echo "commands: ready"
		while :; do
			setsid -c sh </dev/ttyS0 >/dev/ttyS0 2>&1
		done
	END
}

# guest_program NAME: compiles tests/thin/NAME.c, for any Linux, as $work/NAME.
guest_program() {
	[[ -x $work/$1 ]] || gcc -std=gnu17 -D_GNU_SOURCE -O2 -static -Wall -Wextra -o "$work/$1" "$thin_tests/$1.c"
}

# new_tools_disk FILE: an ext4 with verify, for guests that have everything else.
new_tools_disk() {
	guest_program verify
	mkdir -p "$work/tools"
	cp "$work/verify" "$work/tools/"
	truncate --size 16M "$1"
	mkfs.ext4 -q -F -d "$work/tools" "$1"
}

# ---- guests --------------------------------------------------------------------------------------------------------------------

# Whichever hosts them, a guest has in L1 below /run/guests: NAME.log, what its serial line said; NAME.line, a socket to type
# into; NAME.agent, the socket of its guest agent; NAME.pid.

declare -A guest_asked

# wait_guest NAME REGEX SECONDS [FROM_BYTE]: until the guest says it.
wait_guest() {
	l1 'n=0; until tail -c "+$4" "/run/guests/$1.log" 2>/dev/null | grep -aqE "$2"; do
			kill -0 "$(cat "/run/guests/$1.pid")" 2>/dev/null || { echo "ended"; exit 1; }
			[ $n -lt $(($3 * 5 * 5)) ] || { echo "waited in vain"; exit 2; }
			n=$((n + 1)); sleep 0.2
		done' "$1" "$2" "$3" "$((${4:-0} + 1))" </dev/null >"$work/waited" ||
		fail "guest $1, '$2': $(cat "$work/waited"); it said: $(guest_said "$1" | tail --lines 30)"
}

guest_said() { l1 'tail -c "+$2" "/run/guests/$1.log"' "$1" "$((${2:-0} + 1))" </dev/null | tr --delete '\r'; }

guest_said_bytes() { l1 'stat -c %s "/run/guests/$1.log"' "$1" </dev/null; }

# type_guest NAME TEXT: with a line feed.
type_guest() { l1 'socat -t 0.2 -u - "UNIX-CONNECT:/run/guests/$1.line"' "$1" <<<"$2"; }

# in_guest_shell NAME SECONDS COMMAND: by the shell on its serial line. Prints what it says; what it ends with is returned.
in_guest_shell() {
	local from mark=$((++guest_asked[$1])) status
	from=$(guest_said_bytes "$1")
	type_guest "$1" "echo \"<\"$mark; $3; echo \"<\$?>\"$mark."
	wait_guest "$1" "<[0-9]+>$mark\\." "$2" "$from"
	guest_said "$1" "$from" >"$work/guest.said"
	status=$(sed --quiet --regexp-extended "s/.*<([0-9]+)>$mark\\..*/\\1/p" "$work/guest.said")
	sed --regexp-extended "1,/^<$mark\$/d; /<[0-9]+>$mark\\./,\$d" "$work/guest.said"
	return "$status"
}

# ask_agent NAME JSON: the guest agent's answer.
ask_agent() { l1 'head -n 1 | socat -t 20 - "UNIX-CONNECT:/run/guests/$1.agent" | head -n 1' "$1" <<<"$2"; }

# ---- guests of QEMU ------------------------------------------------------------------------------------------------------------

# The peer: the same guests on the same KVM. Scenarios run with it instead of salvor-vmm where THIN_HOST=qemu, which tells a fault
# of salvor-vmm from one of the rig.

# start_qemu_guest NAME MEMORY_MIB VCPUS DISK...: disks of L1, by serial number. Its network is tap0, if there is one.
start_qemu_guest() {
	l1_must 'mkdir -p /run/guests /peer
		[ -e /peer/qemu ] || mount -o ro /dev/disk/by-serial/peer /peer || exit
		name=$1 memory=$2 vcpus=$3 disks= network=
		shift 3
		for disk in "$@"; do
			disks="$disks -drive file=/dev/disk/by-serial/$disk,if=none,id=$disk,format=raw,cache=none,discard=unmap
				-device virtio-blk-pci,disable-legacy=on,drive=$disk"
		done
		[ ! -e /sys/class/net/tap0 ] || network="-netdev tap,id=net,ifname=tap0,script=no,downscript=no
			-device virtio-net-pci,disable-legacy=on,netdev=net,romfile=,mac=52:54:00:00:00:01"
		exec setsid /peer/qemu -nodefaults -no-user-config -display none -enable-kvm -cpu host -machine pc -m "$memory" -smp "$vcpus" \
			$disks $network -device virtio-rng-pci -device virtio-serial-pci \
			-chardev "socket,id=agent,path=/run/guests/$name.agent,server=on,wait=off" \
			-device virtserialport,chardev=agent,name=org.qemu.guest_agent.0 \
			-chardev "socket,id=line,path=/run/guests/$name.line,server=on,wait=off,logfile=/run/guests/$name.log" -serial chardev:line \
			-monitor "unix:/run/guests/$name.monitor,server=on,wait=off" \
			-pidfile "/run/guests/$name.pid" -daemonize' "$@"
}
