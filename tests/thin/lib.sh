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
#
# Three faults of QEMU's emulation are kept away (seen in 7.2, below target/i386/tcg). By them guests crash, deadlock, or stand still with
# registers that are L1's, whoever hosts them:
#
#	-cx16            cmpxchg16b works out the flags from those of long ago, and what is none of them ends in EFLAGS (translate.c
#	                 does not update cc_op); no kernel uses what CPUID does not tell of
#	-smp 1           where KVM injects an interrupt, helper_vmrun() leaves its vector in exception_index, and a kick by another
#	                 processor makes the guest take it again, with interrupts off or not
#	nohz=off         helper_vmrun() changes interrupt_request without the lock, by which an interrupt of L1's may be lost: a
#	highres=off      periodic tick brings it back, one that was to come once does not
start_l1() {
	[[ -e $work/appliance/initrd ]] || make_appliance
	rm -f "$work/l1.console"
	qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -accel tcg,thread=multi,tb-size=512 \
		-machine pc,hpet=off -cpu EPYC,+svm,+npt,-cx16 -smp 1 -m "${1:-3072}" \
		-kernel "$work/appliance/vmlinuz" -initrd "$work/appliance/initrd" \
		-append "console=ttyS0 quiet panic=-1 highres=off nohz=off no_timer_check mitigations=off salvor.address=10.0.2.15/24 salvor.gateway=10.0.2.2 salvor.bridge=10.7.0.1/24 salvor.run=serve" \
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
		busybox stty -F /dev/ttyS0 columns 200 rows 50 -echo
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

# new_hostile_disk FILE: the disk of the hostile guest (hostile.S); its seed is written by who starts it.
new_hostile_disk() {
	local parts=$work/hostile sectors
	mkdir -p "$parts"
	gcc -m32 -std=gnu17 -ffreestanding -fno-pie -fno-stack-protector -fcf-protection=none -mno-sse -mno-mmx -Os -Wall -Wextra \
		-c -o "$parts/hostile.o" "$thin_tests/hostile.c"
	gcc -m32 -DHOSTILE_SECTORS=40 -c -o "$parts/start.o" "$thin_tests/hostile.S"
	ld -m elf_i386 -T "$thin_tests/hostile.ld" --oformat binary -o "$1" "$parts/start.o" "$parts/hostile.o"
	sectors=$((($(stat --format %s "$1") + 511) / 512))
	((sectors <= 41)) || fail "the hostile guest has $sectors sectors, more than it loads"
	truncate --size 4M "$1"
}

# tap_l1 NAME: an interface of L1's bridge, for a guest. (The shell's own ip makes none.)
tap_l1() { l1_must '/usr/bin/ip tuntap add dev "$1" mode tap && ip link set "$1" master br0 up' "$1"; }

# ---- guests --------------------------------------------------------------------------------------------------------------------

# Thin guests, for short. They are machines of 'salvor vm' in L1. Its state folder is /run/guests, so a guest has /run/guests/machines/NAME with serial.log,
# agent, pid and more (hypervisor/machines/machines.h).
#
# With THIN_HOST=qemu L1 has them hosted by QEMU, on the same KVM: that tells a fault of salvor-vmm from one of the rig. The folder
# then has serial.log, line (a socket to type into), agent and pid.

declare -A thin_asked

# new_thin NAME MEMORY_MIB VCPUS DISK...: disks of L1, by serial number. Its network card is on passt, where $thin_passt is its
# socket in L1; else on tap0, if there is one.
new_thin() {
	[[ ${THIN_HOST:-} != qemu ]] || return 0
	l1_must 'name=$1 memory=$2 vcpus=$3 network=${4:+--passt $4} disks=
		shift 4
		for disk in "$@"; do
			disks="$disks --disk /dev/disk/by-serial/$disk"
		done
		[ -n "$network" ] || [ ! -e /sys/class/net/tap0 ] || network="--tap tap0"
		salvor vm create "$name" --memory "${memory}M" --vcpus "$vcpus" $disks $network' "${@:1:3}" "${thin_passt:-}" "${@:4}"
}

# start_thin NAME MEMORY_MIB VCPUS DISK...: made, if it is not, and started.
start_thin() {
	if [[ ${THIN_HOST:-} == qemu ]]; then
		start_peer "$@"
		return
	fi
	l1 '[ -e "/run/guests/machines/$1" ]' "$1" </dev/null || new_thin "$@"
	l1_must 'salvor vm start "$1"' "$1"
}

thin_runs() { l1 'read -r pid rest <"/run/guests/machines/$1/pid" && [ -d "/proc/$pid" ]' "$1" </dev/null; }

# Whoever hosts it ends at once, as it is.
kill_thin() {
	l1_must 'read -r pid rest <"/run/guests/machines/$1/pid" && kill -KILL "$pid" && while [ -d "/proc/$pid" ]; do sleep 0.1; done' "$1"
}

# stop_thin NAME SECONDS: by the power button.
stop_thin() {
	if [[ ${THIN_HOST:-} == qemu ]]; then
		l1_must 'echo system_powerdown | socat -t 1 - "UNIX-CONNECT:/run/guests/machines/$1/monitor" >/dev/null' "$1"
		wait_thin_end "$1" "$2"
	else
		l1_must 'salvor vm stop "$1" --timeout "$2"' "$1" "$((5 * $2))"
	fi
}

# wait_thin NAME REGEX SECONDS [FROM_BYTE]: until the guest says it.
wait_thin() {
	l1 'cd "/run/guests/machines/$1" || exit
		read -r pid rest <pid
		end=$(($(date +%s) + 5 * $3))
		until tail -c "+$4" serial.log 2>/dev/null | grep -aqE "$2"; do
			[ -d "/proc/$pid" ] || { sleep 0.2; tail -c "+$4" serial.log | grep -aqE "$2" && exit; echo "it ended"; exit 1; }
			[ "$(date +%s)" -lt $end ] || { echo "waited in vain"; exit 1; }
			sleep 0.2
		done' "$1" "$2" "$3" "$((${4:-0} + 1))" </dev/null >"$work/waited" ||
		fail "guest $1, '$2': $(cat "$work/waited"). It said: $(thin_said "$1" | tail --lines 30); of it was said: $(thin_log "$1")"
}

# wait_thin_end NAME SECONDS
wait_thin_end() {
	l1 'read -r pid rest <"/run/guests/machines/$1/pid"
		end=$(($(date +%s) + 5 * $2))
		while [ -d "/proc/$pid" ]; do
			[ "$(date +%s)" -lt $end ] || exit 1
			sleep 0.2
		done' "$1" "$2" </dev/null || fail "guest $1 does not end; it said: $(thin_said "$1" | tail --lines 30)"
}

# What it said on its serial line, from that byte on.
thin_said() { l1 'tail -c "+$2" "/run/guests/machines/$1/serial.log"' "$1" "$((${2:-0} + 1))" </dev/null | tr --delete '\r'; }

thin_said_bytes() { l1 'stat -c %s "/run/guests/machines/$1/serial.log"' "$1" </dev/null; }

# What salvor-vmm said of it.
thin_log() { l1 'cat "/run/guests/machines/$1/log" 2>/dev/null' "$1" </dev/null; }

# type_thin NAME TEXT: with a line feed. QEMU takes 16 characters at a time, and forgets the rest of a line that is hung up.
type_thin() {
	l1 'cd "/run/guests/machines/$1" || exit
		if [ -S line ]; then
			{ cat; sleep 2; } | socat -u - UNIX-CONNECT:line
		else
			{ echo "{\"do\": \"console\"}"; cat; sleep 0.5; } | socat -t 0.2 - UNIX-CONNECT:control >/dev/null
		fi' "$1" <<<"$2"
}

# in_thin NAME SECONDS COMMAND: by the shell on its serial line. Prints what it says; what it ends with is returned.
in_thin() {
	local from mark=$((${thin_asked[$1]:-0} + 1)) status
	thin_asked[$1]=$mark
	from=$(thin_said_bytes "$1")
	type_thin "$1" "echo \"<\"$mark; $3; echo \"<\$?>\"$mark."
	wait_thin "$1" "<[0-9]+>$mark\\." "$2" "$from"
	thin_said "$1" "$from" >"$work/thin.said"
	status=$(sed --quiet --regexp-extended "s/.*<([0-9]+)>$mark\\..*/\\1/p" "$work/thin.said")
	sed --regexp-extended "0,/<$mark\$/d; /<[0-9]+>$mark\\./,\$d" "$work/thin.said"
	return "$status"
}

# log_in_thin NAME SECONDS: to a Debian guest, as root, until its shell listens.
log_in_thin() {
	wait_thin "$1" 'login: ' "$2"
	type_thin "$1" root
	wait_thin "$1" 'root@[a-z-]+:~# ' 60
	in_thin "$1" 60 'stty -echo cols 200; PS1=' >/dev/null
}

# ask_thin_agent NAME JSON: the guest agent's answer.
ask_thin_agent() {
	l1 'cd "/run/guests/machines/$1" && { cat; sleep 20; } | socat -t 1 - UNIX-CONNECT:agent | head -n 1' "$1" <<<"$2"
}

thin_agent_answers() { [[ $(ask_thin_agent "$1" '{"execute": "guest-ping"}') == *'"return"'* ]]; }

# ---- guests of QEMU ------------------------------------------------------------------------------------------------------------

# l1_peer: before start_l1, for start_peer.
l1_peer() { l1_disk peer "$("$thin_tests/peer")" readonly=on; }

# start_peer NAME MEMORY_MIB VCPUS DISK...
start_peer() {
	l1_must 'mkdir -p "/run/guests/machines/$1" /peer
		[ -e /peer/qemu ] || mount -o ro /dev/disk/by-serial/peer /peer || exit
		cd "/run/guests/machines/$1" || exit
		name=$1 memory=$2 vcpus=$3 disks= network=
		shift 3
		for disk in "$@"; do
			disks="$disks -drive file=/dev/disk/by-serial/$disk,if=none,id=$disk,format=raw,cache=none,discard=unmap
				-device virtio-blk-pci,disable-legacy=on,drive=$disk"
		done
		[ ! -e /sys/class/net/tap0 ] || network="-netdev tap,id=net,ifname=tap0,script=no,downscript=no
			-device virtio-net-pci,disable-legacy=on,netdev=net,romfile="
		setsid /peer/qemu -nodefaults -no-user-config -display none -enable-kvm -cpu host -machine pc -m "$memory" -smp "$vcpus" \
			$disks $network -device virtio-rng-pci -device virtio-serial-pci \
			-chardev socket,id=agent,path=agent,server=on,wait=off \
			-device virtserialport,chardev=agent,name=org.qemu.guest_agent.0 \
			-chardev socket,id=line,path=line,server=on,wait=off,logfile=serial.log,logappend=on -serial chardev:line \
			-monitor unix:monitor,server=on,wait=off -pidfile pid -daemonize' "$@"
}
