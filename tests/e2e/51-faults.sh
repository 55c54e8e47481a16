#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Each call that a command makes to the disk, for memory, to libnbd and to libvirt fails once, in a run of its own, and in other runs
# the process is killed there; see tests/faults. The command fails with a sentence that names the object, or succeeds;
# all earlier points restore byte for byte, scrub finds nothing wrong, and the next backup succeeds. A guest feels nothing of it.
# In quick rounds each kind of fault hits each command at one place, which the seed chooses; else at every place.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require openssl jq qemu-img qemu-io qemu-nbd

faults=${SALVOR_BUILD:-$(dirname "$0")/../../build/release}/tests/faults.so
[[ -e $faults ]] || skip "$faults is not built"
seed=${SALVOR_TEST_SEED:-$(quick_or_full 3 $RANDOM)}
killed=137
place=$work/place
base=$work/base
raw=$place/disk.raw
qcow2=$place/disk.qcow2
changing=(write sync size link rename unlink folder mode)

random_bytes() { openssl enc -aes-128-ctr -nosalt -pass "pass:$1" -pbkdf2 -iter 1 -in /dev/zero 2>/dev/null | head --bytes "$2" || true; }

hash_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

# ---- the place: a repository with two points of a raw and a qcow2 disk, and the disks, which have changed since ----------------------

change_disks() {
	random_bytes "$1" $((700 << 10)) | dd of="$raw" bs=64K seek=$((1 + RANDOM % 8)) conv=notrunc status=none
	qemu-io -c "write -P $((1 + RANDOM % 255)) $((RANDOM % 20 * 64))k 200k" "$qcow2" >/dev/null
}

# Named after the point: what its disks hold.
remember() {
	mkdir -p "$work/points"
	qemu-img convert -f qcow2 -O raw "$qcow2" "$work/vdb.raw"
	echo "$(hash_of "$raw") $(hash_of "$work/vdb.raw")" >"$work/points/$1"
}

back_up() { salvor backup disks --disk "vda=$raw" --disk "vdb=$qcow2" --json | jq --raw-output .point; }

make_place() {
	local point
	mkdir -p "$place"
	export SALVOR_STATE_DIR=$place/state SALVOR_CACHE_DIR=$place/cache
	random_bytes salvor $((2 << 20)) >"$raw"
	truncate --size 3M "$raw"
	qemu-img create -q -f qcow2 "$qcow2" 2M
	new_repository "$place/repository"
	salvor key add --name host --role write,read --out "$work/host.key" >/dev/null
	export SALVOR_KEY_FILE=$work/host.key
	for point in 1 2; do
		change_disks "$point"
		remember "$(back_up)"
	done
	earlier=("$work"/points/*)
	latest=$work/points/$(salvor points --json | jq --raw-output '.points[0].id')
	change_disks now
	mv "$place" "$base"
}

fresh_place() {
	rm -rf "$place"
	cp -a --sparse=always "$base" "$place"
}

# ---- the commands -----------------------------------------------------------------------------------------------------------------

declare -A commands=(
	[backup]="backup disks --disk vda=$raw --disk vdb=$qcow2 --json"
	[restore]="restore disks@latest --to $place/restored"
	[restore-qcow2]="restore disks@latest --to $place/restored --format qcow2"
	[key-add]="key add --name new --role write,read --out $place/new.key --key $place/repository.key"
	[scrub]="scrub"
)

# under_fault FAULT COMMAND...: its words are in $work/out and $work/err, its exit status in $status, the fault in $work/fault.
under_fault() {
	local fault=$1
	shift
	rm -f "$work/fault"
	status=0
	# In a shell of its own, which says "Killed" to nobody.
	(env LD_PRELOAD="$faults" ${fault:+SALVOR_FAULT="$fault"} SALVOR_FAULT_UNDER="$place" SALVOR_FAULT_LOG="$work/fault" \
		timeout --signal ABRT 300 "$SALVOR_BIN" "$@" >"$work/out" 2>"$work/err" </dev/null || exit $?) 2>/dev/null || status=$?
}

# faults_of COMMAND...: "KIND:N:HOW" for each call and each way to fail it.
faults_of() {
	local kind calls n how hows
	under_fault "" "$@"
	((status == 0)) || fail "'$*' fails when only counted: $(cat "$work/err")"
	while read -r _ kind calls; do
		case $kind in
		write) hows=(EIO ENOSPC short ENOSPC:on) ;;
		link | rename) hows=(EIO EIO:on lost) ;;
		sync | size | folder) hows=(EIO EIO:on) ;;
		open) hows=(EMFILE EROFS) ;;
		read) hows=(EIO short EIO:on) ;;
		alloc) hows=(ENOMEM) ;;
		*) hows=("") ;;
		esac
		[[ " ${changing[*]} " != *" $kind "* ]] || hows+=(kill)
		for how in "${hows[@]}"; do
			for ((n = 1; n <= calls; n++)); do
				echo "$kind:$n${how:+:$how}"
			done
		done
	done < <(grep ^calls "$work/fault")
}

# One of each kind and way, or all, in an order that the seed chooses.
choose() {
	shuf --random-source=<(random_bytes "$seed" 1000000) | if [[ ${SALVOR_TEST_FULL:-} == 1 ]]; then
		cat
	else
		sort --stable --unique --field-separator : --key 1,1 --key 3
	fi
}

# ---- what must hold afterwards ------------------------------------------------------------------------------------------------------

complain() {
	fail "$* (seed $seed; $command under $fault: status $status, $(head -n 1 "$work/fault"); it said: $(cat "$work/err"))"
}

# A fault of the disk is told with the name of a file, object, disk or program.
check_sentence() {
	((status != killed)) || [[ $fault == *kill* ]] || complain "it died"
	case $status in
	0 | 3) return ;;
	1 | 4) ;;
	"$killed") return ;;
	*) complain "it crashed or hung" ;;
	esac
	if [[ $command == scrub && $status == 4 ]]; then
		grep --quiet '^damaged: [a-z]/\|^damaged: config' "$work/out" || grep --quiet /repository "$work/err" || complain "no object is named"
		return
	fi
	[[ $(grep --count --invert-match ' as of .*(point \|^salvor: warning: ' "$work/err") == 1 ]] || complain "it did not say one sentence"
	[[ $fault == alloc* || $fault == thread* ]] || grep --quiet nbd_create "$work/fault" || grep --quiet "[/']\|config" "$work/err" || complain "no object is named"
}

# What could not be brought to the disk is told, but for a hint to begin early: the sync at the end tells of what it met.
check_sync() {
	[[ $fault == sync* && $status == 0 ]] || return 0
	! grep '^fault ' "$work/fault" | grep --quiet --invert-match ' sync_file_range ' || complain "a sync failed, and nobody was told"
}

check_point() {
	local disks
	rm -rf "$work/restored"
	salvor restore "$(basename "$1")" --to "$work/restored" >/dev/null 2>"$work/after" || complain "a point does not restore: $(cat "$work/after")"
	read -ra disks <"$1"
	[[ $(hash_of "$work/restored/vda.raw") == "${disks[0]}" && $(hash_of "$work/restored/vdb.raw") == "${disks[1]}" ]] ||
		complain "point $1 came back changed"
}

check_whole() {
	salvor scrub --json >"$work/scrub" 2>"$work/after" || complain "scrub failed: $(cat "$work/scrub" "$work/after")"
	jq --exit-status '.damaged == []' "$work/scrub" >/dev/null || complain "scrub found $(cat "$work/scrub")"
}

check_next_backup() {
	local point
	point=$(back_up 2>"$work/after") || complain "the next backup failed: $(cat "$work/after")"
	remember "$point"
	check_point "$work/points/$point"
	rm "$work/points/$point"
}

# Where the newest point cannot be read, the one before it is taken, and that is said with exit status 3.
restored_point() {
	local id
	id=$(sed --quiet 's/^salvor: disks as of .*(point \([0-9a-f]*\)).*/\1/p' "$work/err")
	if ((status == 3)); then echo "$work/points/$id"*; else echo "$latest"; fi
}

# Whatever has an image's name is whole; only a process that was killed, or could not delete, leaves a temporary file.
check_restored() {
	local image disks names=(vda vdb) n=0
	read -ra disks <"$(restored_point)"
	for image in "${names[@]/#/$place/restored/}"; do
		if [[ -e $image.raw || -e $image.qcow2 ]]; then
			[[ ! -e $image.qcow2 ]] || qemu-img convert -f qcow2 -O raw "$image.qcow2" "$image.raw" || complain "$image is no image"
			[[ $(hash_of "$image.raw") == "${disks[n]}" ]] || complain "$image has wrong bytes"
		elif ((status == 0)); then
			complain "there is no $image"
		fi
		((n += 1))
	done
	[[ $status == "$killed" || $fault == unlink* ]] || [[ -z $(find "$place/restored" -type f ! -name 'vd[ab].*' 2>/dev/null) ]] ||
		complain "it left $(ls -A "$place/restored")"
}

check_key() {
	if [[ -e $place/new.key ]] && ((status == 0)); then
		SALVOR_KEY_FILE=$place/new.key salvor points >/dev/null 2>"$work/after" || complain "the new key does not open: $(cat "$work/after")"
	fi
	salvor key add --name other --role write --out "$place/other.key" --key "$place/repository.key" >/dev/null 2>"$work/after" ||
		complain "no other key can be added: $(cat "$work/after")"
}

check_after() {
	case $command in
	backup)
		if ((status == 0)); then
			remember "$(jq --raw-output .point "$work/out")"
			check_point "$work/points/$(jq --raw-output .point "$work/out")"
		fi
		;;
	restore*) check_restored ;;
	key-add) check_key ;;
	esac
}

try() {
	local point
	fresh_place
	read -ra words <<<"${commands[$command]}"
	under_fault "$fault" "${words[@]}"
	((tried += 1))
	check_sentence
	check_sync
	check_after
	check_whole
	for point in "${earlier[@]}"; do
		check_point "$point"
	done
	[[ $command == scrub ]] || check_next_backup
}

make_place
say "seed $seed"
for command in backup restore restore-qcow2 key-add scrub; do
	tried=0
	fresh_place
	read -ra words <<<"${commands[$command]}"
	faults_of "${words[@]}" >"$work/all"
	choose <"$work/all" >"$work/chosen"
	while read -r fault <&3; do
		try
	done 3<"$work/chosen"
	say "$command: $tried faults of $(wc -l <"$work/all")"
done
