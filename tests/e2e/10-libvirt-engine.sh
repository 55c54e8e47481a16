#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The engine of libvirt alone, on a guest that writes all the while: what its change maps mark is enough to bring a copy up to the
# guest's disks, through kept, dropped and killed cuts, a restart and lost bitmaps; and no spill, however small, is felt by the guest.

SALVOR_BIN=${SALVOR_BUILD:-$(dirname "$0")/../../build/dev}/tests/engine_driver
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require qemu-img cmp
copies=$work/copies
tracking=

# take_cut EXPECTED END [OPTION...]: brings the copies up to date and remembers the change map; EXPECTED is vda's fallback.
take_cut() {
	local expected=$1 end=$2
	shift 2
	"$SALVOR_BIN" libvirt engE "$tracking" "$copies" "$end" "$@" >"$work/cut" || fail "a cut failed: $(cat "$work/cut")"
	grep --quiet "^disk vda .* fallback $expected\$" "$work/cut" || fail "expected '$expected': $(cat "$work/cut")"
	[[ $end != keep ]] || tracking=$(sed -n 's/^tracking //p' "$work/cut")
}

# refuse REGEX [OPTION...]: a cut ends with that sentence.
refuse() {
	local regex=$1
	shift
	! "$SALVOR_BIN" libvirt engE "$tracking" "$copies" keep "$@" >"$work/cut" || fail "a cut succeeded that must not"
	grep --quiet --extended-regexp "^error $regex" "$work/cut" || fail "said '$(cat "$work/cut")'"
}

# begin_cut [OPTION...]: holds a cut open until end_cut.
begin_cut() {
	rm -f "$work/held"
	"$SALVOR_BIN" libvirt engE "$tracking" "$copies" wait "$@" <"$work/hold" >"$work/held" &
	holder=$!
	wait_text "$work/held" "^tracking" 30
}

end_cut() {
	echo >&7
	wait "$holder"
}

wait_records() {
	local enough=$(($(last_acknowledged engE) + $1))
	wait_until 60 "$1 more records" eval "((\$(last_acknowledged engE) > $enough))"
}

expect_running() {
	[[ $("${virsh[@]}" domstate engE --reason) == "running"* ]] || fail "the guest does not run: $("${virsh[@]}" domstate engE --reason)"
	wait_records 20
}

expect_checkpoints() {
	[[ $("${virsh[@]}" checkpoint-list engE --name | grep --count .) == "$1" ]] || fail "not $1 checkpoints"
}

expect_nothing_left() {
	! ls -d /var/lib/libvirt/qemu/salvor/salvor-* 2>/dev/null || fail "a cut left its folder"
}

expect_same() {
	local disk
	"${virsh[@]}" suspend engE
	take_cut none keep
	for disk in vda vdb; do
		qemu-img convert -U -f qcow2 -O raw "$guests/engE-$disk.qcow2" "$work/$disk.now"
		cmp "$work/$disk.now" "$copies/$disk.raw" || fail "the copy of $disk differs"
	done
	"${virsh[@]}" resume engE
}

restart_guest() {
	rm -f "$guests/engE.log"
	"${virsh[@]}" start engE
	wait_text "$guests/engE.log" "recording to" 60
	follow_records engE
}

scenario_change_map() {
	say "kept, dropped and killed cuts"
	take_cut untracked keep
	wait_records 20
	take_cut none keep
	expect_checkpoints 1
	wait_records 20
	cp --sparse=always -r "$copies" "$work/kept"
	take_cut none drop
	expect_checkpoints 1
	expect_nothing_left
	"$SALVOR_BIN" libvirt engE "$tracking" "$copies" kill >"$work/cut" && fail "was not killed"
	expect_checkpoints 2
	rm -r "$copies"
	mv "$work/kept" "$copies"
	expect_same
	expect_checkpoints 1
	expect_nothing_left
}

no_job() { ! "${virsh[@]}" backup-dumpxml engE; }

wait_job_ended() { wait_until 120 "the backup job to be ended" no_job; }

scenario_spill() {
	say "a spill limit that is reached"
	begin_cut "$work" 131072 0
	wait_job_ended
	end_cut && fail "the cut was not broken"
	grep --quiet "^error busy: engE overwrote more than the spill limit of 128 KiB" "$work/held" || fail "said '$(cat "$work/held")'"
	expect_running
	say "a spill that has no room from the start, and one that gets full"
	mkdir "$work/tiny"
	mount -t tmpfs -o size=128k,mode=755 none "$work/tiny"
	refuse "(failed|no-space): begin the backup job.*No space" "$work/tiny" 1073741824 0
	mount -o remount,size=640k "$work/tiny"
	begin_cut "$work/tiny" 1073741824 0
	wait_job_ended
	end_cut && fail "the cut was not broken"
	grep --quiet "^error busy: engE paused for an I/O error" "$work/held" || fail "said '$(cat "$work/held")'"
	expect_running
	! grep --quiet "I/O error" "$guests/engE.log" || fail "the guest saw an error"
	expect_checkpoints 1
	expect_same
}

# begin_foreign SCRATCH: another program's job.
begin_foreign() {
	cat >"$work/foreign.xml" <<-END
		<domainbackup mode='pull'><server transport='unix' socket='/var/lib/libvirt/qemu/foreign'/>
		<disks><disk name='vda' backup='yes' type='file'><scratch file='$1'/></disk></disks></domainbackup>
	END
	"${virsh[@]}" backup-begin engE "$work/foreign.xml" >/dev/null
}

scenario_two_at_once() {
	say "two at once, and somebody else's job"
	begin_cut
	refuse "busy: .*another process is backing it up"
	end_cut
	tracking=$(sed -n 's/^tracking //p' "$work/held")
	begin_foreign /var/lib/libvirt/qemu/foreign.qcow2
	refuse "busy: .*another program's backup job"
	"${virsh[@]}" domjobabort engE
	expect_same
}

is_stuck() { [[ $("${virsh[@]}" domstate engE --reason) == "paused (I/O error)" ]]; }
is_running() { [[ $("${virsh[@]}" domstate engE) == running ]]; }

scenario_stuck() {
	say "killed while the guest is stuck, as the spill got full: it runs again"
	mount -o remount,size=1m "$work/tiny"
	begin_cut "$work/tiny" 1073741824 0
	kill -STOP "$holder"
	wait_until 60 "the guest to be stuck" is_stuck
	kill -KILL "$holder"
	wait "$holder" || true
	wait_until 60 "the guest to run again" is_running
	expect_job_ended
	say "stuck before the cut: it is read, and left alone"
	begin_foreign "$work/tiny/foreign.qcow2"
	wait_until 60 "the guest to be stuck" is_stuck
	"${virsh[@]}" domjobabort engE
	take_cut none keep
	is_stuck || fail "the guest is not as it was: $("${virsh[@]}" domstate engE --reason)"
	"${virsh[@]}" resume engE
	expect_running
	expect_same
}

migrates() { [[ $("${virsh[@]}" domjobinfo engE) == *"Outgoing migration"* ]]; }

scenario_migrating() {
	local migration
	say "while it is migrated"
	start_other_libvirt
	migrate engE --bandwidth 1 >"$work/migration" 2>&1 &
	migration=$!
	wait_until 60 "the migration" migrates
	refuse "busy: it is being migrated: run the backup again when that is done"
	"${virsh[@]}" domjobabort engE
	wait $migration || true
	expect_running
	expect_same
}

# as_owner NAME FUNCTION: with copies and a change map of its own.
as_owner() {
	local copies=$work/copies-$1 tracking
	mkdir -p "$copies"
	tracking=$(cat "$copies/tracking" 2>/dev/null || true)
	export ENGINE_OWNER=$1
	"$2"
	unset ENGINE_OWNER
	echo "$tracking" >"$copies/tracking"
}

take_first() { take_cut untracked keep; }
take_tracked() { take_cut none keep; }

scenario_two_owners() {
	local checkpoint
	say "two owners, whose cuts fall between each other's"
	as_owner aaaa take_first
	wait_records 10
	as_owner bbbb take_first
	wait_records 10
	as_owner aaaa take_tracked
	as_owner aaaa take_tracked
	wait_records 10
	as_owner bbbb expect_same
	as_owner aaaa expect_same
	expect_same
	expect_checkpoints 3
	for checkpoint in $("${virsh[@]}" checkpoint-list engE --name | grep -e aaaa -e bbbb); do
		"${virsh[@]}" checkpoint-delete engE "$checkpoint" >/dev/null
	done
	expect_checkpoints 1
}

scenario_device() {
	local device status=0
	say "a device that is written to while it is read"
	mkdir "$work/device"
	truncate --size 8M "$work/device/raw"
	device=$(losetup --find --show "$work/device/raw")
	"$SALVOR_BIN" files device "" "$work/device" wait "$device" <"$work/hold" >"$work/held" &
	holder=$!
	wait_text "$work/held" "^tracking" 30
	dd if=/dev/urandom of="$device" bs=64k count=1 conv=fsync status=none
	end_cut || status=$?
	losetup --detach "$device"
	((status == 1)) || fail "the cut was not broken"
	grep --quiet "^error busy: .* was written to while it was read" "$work/held" || fail "said '$(cat "$work/held")'"
}

scenario_power_off() {
	say "switched off during the backup, and backed up shut off"
	begin_cut
	"${virsh[@]}" destroy engE >/dev/null
	end_cut && fail "the cut was not broken"
	grep --quiet "^error busy: engE was switched off" "$work/held" || fail "said '$(cat "$work/held")'"
	take_cut untracked keep
	qemu-img compare -U -f qcow2 -F raw "$guests/engE-vda.qcow2" "$copies/vda.raw"
	restart_guest
	expect_same
	expect_checkpoints 1
}

# The guard's virsh may still be about to connect.
expect_job_ended() {
	wait_job_ended
	expect_running
	expect_same
	expect_checkpoints 1
	expect_nothing_left
}

scenario_left_alone() {
	say "killed while the disks are read: nobody is left to watch the spill, so the job ends"
	begin_cut
	kill -9 "$holder"
	wait "$holder" || true
	expect_job_ended
	say "libvirt is restarted while the disks are read"
	begin_cut
	stop_libvirt
	libvirtd --config /etc/libvirt/libvirtd.conf --pid-file "$work/libvirtd.pid" 2>>"$work/libvirtd.log" &
	libvirtd_pid=$!
	wait_until 60 "libvirt to answer" "${virsh[@]}" version
	end_cut && fail "the cut was not broken"
	grep --quiet "^error busy: libvirt ended or was restarted while engE" "$work/held" || fail "said '$(cat "$work/held")'"
	expect_job_ended
}

scenario_lost_bitmaps() {
	say "bitmaps lost"
	"${virsh[@]}" destroy engE >/dev/null
	qemu-img bitmap --remove "$guests/engE-vda.qcow2" "$tracking"
	restart_guest
	take_cut bitmap-missing keep
	grep --quiet "^disk vdb .* fallback none" "$work/cut" || fail "vdb has its bitmap: $(cat "$work/cut")"
	"${virsh[@]}" destroy engE >/dev/null
	restart_guest
	kill -9 "$(cat /run/libvirt/qemu/engE.pid)"
	# shellcheck disable=SC2016
	wait_until 30 "libvirt to notice" eval '[[ $("${virsh[@]}" domstate engE) == "shut off" ]]'
	restart_guest
	take_cut bitmap-inconsistent keep
	expect_same
	expect_checkpoints 1
}

start_libvirt
mkdir "$copies"
mkfifo "$work/hold"
exec 7<>"$work/hold"
new_records_disk engE vda
new_records_disk engE vdb
start_tiny engE vda vdb
follow_records engE
scenario_change_map
scenario_spill
scenario_two_at_once
scenario_left_alone
scenario_stuck
scenario_migrating
scenario_two_owners
scenario_power_off
scenario_lost_bitmaps
destroy_guest engE
scenario_device
