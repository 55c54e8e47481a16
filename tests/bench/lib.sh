# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the benchmarks have in common: times, ratios, the disk of real files. Sourced behind tests/lib.sh; $runs is how often
# each thing is measured.

# ---- figures -----------------------------------------------------------------------------------------------------------------

# note_seconds NAME START: appends the seconds since then to $work/times/NAME.
note_seconds() {
	awk -v from="$2" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f\n", to - from }' >>"$work/times/$1"
	say "$1: $(tail -n 1 "$work/times/$1") s"
}

# timed NAME COMMAND...
timed() {
	local name=$1
	shift
	sync
	started=$EPOCHREALTIME
	"$@" >"$work/timed.log" 2>&1 || fail "$name: '$*' failed: $(tail -n 5 "$work/timed.log")"
	note_seconds "$name" "$started"
}

# timed_durable NAME COMMAND...: and in NAME-durable, until what it wrote is on the disk.
timed_durable() {
	timed "$@"
	sync --file-system "$work"
	note_seconds "$1-durable" "$started"
}

median() {
	sort --numeric-sort "$work/times/$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

divide() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

# compare LABEL OURS THEIRS [AT_LEAST]: how many times faster.
compare() {
	printf '%-42s %8s s  beside %8s s  %6s times  %s\n' "$1" "$(median "$2")" "$(median "$3")" \
		"$(divide "$(median "$3")" "$(median "$2")")" "${4:+(at least $4)}" >>"$work/table"
}

# limit LABEL VALUE MOST
limit() { printf '%-42s %46s  (at most %s)\n' "$1" "$2" "$3" >>"$work/table"; }

# ---- the disk ----------------------------------------------------------------------------------------------------------------

# Real files: the system of the Debian guest, a tar of this machine's libraries, and its documentation and shared data.
collect_files() {
	local to=$1
	mkdir -p "$work/guest-root" "$to/system"
	mount -o loop,ro,offset=1048576 "$("$tests/guest/debian")/disk.raw" "$work/guest-root"
	cp -a "$work/guest-root/." "$to/system/"
	umount "$work/guest-root"
	tar --create --directory /usr/lib . 2>/dev/null | head --bytes $((1100 << 20)) >"$to/libraries.tar" || true
	tar --create --directory /usr/share . 2>/dev/null | head --bytes $((1000 << 20)) | tar --extract --directory "$to" 2>/dev/null || true
	say "$(du --summarize --si "$to" | cut -f 1) of files"
}

# make_disk FILE SIZE: an ext4 without partitions that holds the files.
make_disk() {
	truncate --size "$2" "$1"
	mkfs.ext4 -q -F -O ^metadata_csum_seed,^orphan_file -E lazy_itable_init=0,lazy_journal_init=0 -d "$work/files" "$1"
}

need_disk() {
	[[ ! -e $work/disk.raw ]] || return 0
	mkdir "$work/files"
	collect_files "$work/files"
	make_disk "$work/disk.raw" 4G
}

# ---- machines ----------------------------------------------------------------------------------------------------------------

# boot_salvor: until it asks for a login; its process is in $work/boot.pid.
boot_salvor() {
	local pid
	rm -f "$work/console"
	"$SALVOR_BIN" boot web01@latest <>"$work/keyboard" >"$work/console" 2>"$work/boot.err" &
	pid=$!
	wait_said $pid "$work/console" "$work/boot.err" 'login:' 240
	echo $pid >"$work/boot.pid"
}

boot_local() {
	rm -f "$guests/local.log"
	"${virsh[@]}" create "$work/local.xml"
	wait_text "$guests/local.log" 'login:' 240
}

# The domain of web01, on a raw copy of the point's disk.
make_local_domain() {
	salvor restore web01@latest --to "$work/local" >&2
	mv "$work/local/vda.raw" "$guests/local.raw"
	chown libvirt-qemu "$guests/local.raw"
	sed -e 's/web01-vda.qcow2/local.raw/; s/web01-records/local-records/; s/web01/local/; s/qcow2/raw/' "$work/web01.xml" >"$work/local.xml"
	mkfifo -m 666 "$guests/local-records".{in,out}
}

# ---- what was measured -------------------------------------------------------------------------------------------------------

version() { dpkg-query --show --showformat '${Package} ${Version}\n' "$@" 2>/dev/null | paste --serial --delimiters ',' | sed 's/,/, /g'; }

print_inputs() {
	echo "machine     $(nproc) processors, $(sed --quiet 's/^model name\t: //p' /proc/cpuinfo | head --lines 1), $(awk '/^MemTotal/ { printf "%d GiB", $2 / 1048576 }' /proc/meminfo)"
	echo "system      Linux $(uname --kernel-release), $(stat --file-system --format %T "$work") below $(dirname "$work")"
	echo "programs    $("$SALVOR_BIN" --version); $(version restic borgbackup virtnbdbackup qemu-utils libzstd1 libssl3)"
	echo "runs        $runs of each, in turns; medians below"
}

print_times() {
	local name
	for name in "$work"/times/*; do
		printf '%-24s %s\n' "$(basename "$name")" "$(paste --serial --delimiters ' ' "$name")"
	done
}
