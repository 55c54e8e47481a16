#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Objects that are no longer what was written: one bit flipped in each kind of object, at places that the seed chooses; cut short,
# made longer, missing, swapped with another of its kind, or with a folder, a link or a pipe in its place. Reading gives the right bytes, or
# exit status 4 and the object's name; scrub always finds it. Then a file system that is read-only, and one that vanishes. At last what a
# backup after the damage mends.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
sandbox "$@"
require openssl jq nbdkit nbdcopy

places=$(quick_or_full 40 200)
seed=${SALVOR_TEST_SEED:-$(quick_or_full 3 $RANDOM)}
damaged=4
attention=3
repository=$work/repository
disk=$work/disk.raw

random_bytes() { openssl enc -aes-128-ctr -nosalt -pass "pass:$1" -pbkdf2 -iter 1 -in /dev/zero 2>/dev/null | head --bytes "$2" || true; }

hash_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

# Two hosts write, so that each kind of object is there at least twice.
make_repository() {
	local host
	random_bytes salvor $((1 << 20)) >"$disk"
	new_repository "$repository"
	for host in one two; do
		SALVOR_STATE_DIR=$work/owner expect 0 salvor key add --name $host --role read,write --out "$work/$host.key"
		random_bytes $host $((300 << 10)) | dd of="$disk" bs=64K seek=5 conv=notrunc status=none
		point=$(SALVOR_STATE_DIR=$work/$host salvor backup disk --disk "vda=$disk" --key "$work/$host.key" --json | jq --raw-output .point)
		hashes[$point]=$(hash_of "$disk")
		# Nothing boots from random bytes, and that is what the receipt says.
		SALVOR_STATE_DIR=$work/$host salvor verify "$point" --timeout 5 --memory 64M --key "$work/$host.key" >/dev/null 2>&1 || true
	done
	[[ -d $repository/v ]] || fail "no receipt was written"
	cp -a "$repository" "$work/whole"
}

# Without memory, as on the worst day: what was seen before is a story of its own.
read_as() {
	rm -rf "$work/state" "$work/cache"
	status=0
	timeout --signal ABRT 120 "$SALVOR_BIN" "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
}

complain() { fail "$* (seed $seed; $how; salvor $verb: status $status; it said: $(cat "$work/out" "$work/err"))"; }

names_object() { grep --quiet --fixed-strings "$object" "$work/out" "$work/err"; }

# What is not right is said, with the object's name; what the other host's point has in a pack of its own is read from there.
check_verb() {
	verb=$*
	read_as "$@"
	case $status in
	0) ;;
	"$attention") grep --quiet 'damaged here, and' "$work/err" || complain "nothing was read from elsewhere" ;;
	"$damaged") names_object || complain "the object is not named" ;;
	*) complain "neither done nor damage" ;;
	esac
}

check_restore() {
	rm -rf "$work/restored"
	check_verb restore "$1" --to "$work/restored"
	if ((status != damaged)); then
		[[ $(hash_of "$work/restored/vda.raw") == "${hashes[$1]}" ]] || complain "wrong bytes"
	else
		[[ -z $(ls -A "$work/restored" 2>/dev/null) ]] || complain "damage left $(ls -A "$work/restored")"
	fi
}

check_points() {
	check_verb points --json
	((status != 0)) || jq --exit-status '.points | length == 2' "$work/out" >/dev/null || complain "points are missing without a word"
}

# check_damage HOW: what reading says of $object.
check_damage() {
	local point
	how="$object $1"
	for point in "${!hashes[@]}"; do
		check_restore "$point"
	done
	check_points
	check_verb scrub --json
	((status == damaged)) || complain "scrub did not find it"
	put_back
}

put_back() {
	rm -rf "${repository:?}/$object"
	cp -a "$work/whole/$object" "$repository/$object"
}

# choose_object KIND
choose_object() {
	local objects
	mapfile -t objects < <(cd "$repository" && find "$1" -type f | sort)
	object=${objects[RANDOM % ${#objects[@]}]}
	file=$repository/$object
	size=$(stat --format %s "$file")
	chmod u+w "$file"
}

# flip_bit FILE BYTE BIT
flip_bit() {
	local byte
	byte=$(od --address-radix n --format u1 --skip-bytes "$2" --read-bytes 1 "$1")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\x$(printf %x $((byte ^ (1 << $3))))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

flip() {
	local byte=$(((RANDOM << 15 | RANDOM) % size)) bit=$((RANDOM % 8))
	flip_bit "$file" $byte $bit
	check_damage "with bit $bit of byte $byte flipped"
}

flip_everywhere() {
	local n
	say "$places flipped bits, seed $seed"
	for ((n = 0; n < places; n++)); do
		choose_object "${kinds[n % ${#kinds[@]}]}"
		flip
	done
	# What opens a repository with a passphrase is no part of reading with a key.
	choose_object s
	flip_bit "$file" $((size / 2)) 3
	SALVOR_KEY_FILE='' SALVOR_PASSPHRASE='correct horse battery staple' check_verb points
	((status == damaged)) || complain "a damaged slot opened"
	put_back
}

# Another object of the same kind; of k/ the other keyring, of config there is only one.
swap() {
	local other
	other=$(cd "$repository" && find "${object%%/*}" -type f ! -path "$object" | shuf --random-source=<(random_bytes "$seed" 10000) | head -n 1)
	[[ -n $other ]] || return 0
	cp "$repository/$other" "$file"
	check_damage "with the contents of $other"
}

replace_with() {
	rm -rf "$file"
	"${@:2}"
	check_damage "$1"
}

replace_everywhere() {
	local kind
	for kind in "${kinds[@]}"; do
		say "other things in the place of $kind"
		choose_object "$kind"
		truncate --size $((RANDOM % size)) "$file" && check_damage "cut short"
		choose_object "$kind"
		truncate --size 0 "$file" && check_damage "empty"
		choose_object "$kind"
		printf x >>"$file" && check_damage "made longer"
		choose_object "$kind"
		swap
		choose_object "$kind"
		replace_with "a folder" mkdir "$file"
		choose_object "$kind"
		replace_with "a link to itself" ln -s "$file" "$file"
		choose_object "$kind"
		replace_with "a link to endless bytes" ln -s /dev/zero "$file"
		choose_object "$kind"
		replace_with "a link to what it was" ln -s "$work/whole/$object" "$file"
		choose_object "$kind"
		replace_with "a pipe" mkfifo "$file"
	done
}

# ---- file systems ----------------------------------------------------------------------------------------------------------------

read_only() {
	say "a read-only file system"
	mount --bind "$repository" "$repository"
	mount -o remount,bind,ro "$repository"
	how="read-only"
	for object in "${!hashes[@]}"; do
		check_restore "$object"
	done
	check_points
	check_verb scrub
	((status == 0)) || complain "scrub does not work"
	expect_sentence 1 'Read-only file system' salvor backup disk --disk "vda=$disk" --key "$work/one.key"
	umount "$repository"
}

stands_still() { [[ $(ps --no-headers --format state "$1") == [Tt]* ]]; }

# vanish_during FAULT COMMAND...: the file system goes while the command stands still, and the command goes on.
vanish_during() {
	local running status=0
	mkdir -p "$work/volume"
	mount -t tmpfs none "$work/volume"
	cp -a "$work/whole" "$work/volume/repository"
	env LD_PRELOAD="$faults" SALVOR_FAULT="$1:stop" SALVOR_FAULT_UNDER="$work/volume/repository" SALVOR_REPO="$work/volume/repository" \
		"$SALVOR_BIN" "${@:2}" >"$work/out" 2>"$work/err" </dev/null &
	running=$!
	wait_until 60 "'$2' to stand still" stands_still $running
	umount --lazy "$work/volume"
	kill -CONT $running
	wait $running || status=$?
	say "$2: $(cat "$work/err")"
	((status == 1)) || fail "$2 on what vanished ended with $status and said: $(cat "$work/out" "$work/err")"
	[[ $(grep --count "$work/volume/repository.*mounted" "$work/err") == 1 ]] || fail "$2 did not say what vanished"
	[[ -z $(ls -A "$work/volume") ]] || fail "$2 wrote where the file system had been: $(ls -A "$work/volume")"
}

vanishing() {
	say "a file system that vanishes"
	random_bytes more $((1 << 20)) >"$work/more.raw"
	vanish_during write:1 backup more --disk "vda=$work/more.raw" --key "$work/one.key"
	vanish_during sync:6 backup more --disk "vda=$work/more.raw" --key "$work/one.key"
	vanish_during read:8 restore disk --to "$work/vanished"
	[[ -z $(ls -A "$work/vanished" 2>/dev/null) ]] || fail "the restore left $(ls -A "$work/vanished")"
	vanish_during read:8 scrub
}

# ---- mending ---------------------------------------------------------------------------------------------------------------------

as_host() { env -u SALVOR_PASSPHRASE SALVOR_KEY_FILE="$work/host.key" SALVOR_STATE_DIR="$work/host-state" "$SALVOR_BIN" "$@"; }

back_up_as_host() { as_host backup vm --disk "vda=$work/vm.raw" --json | jq --raw-output .point; }

# comes_back POINT FILE CHUNKS: to a machine that knows nothing, by restore and over NBD, and both say from where.
comes_back() {
	rm -rf "$work/mended" "$work/state"
	expect $attention salvor restore "$1" --to "$work/mended"
	grep --quiet "^salvor: warning: $3 chunks* of disk vda.* damaged here, and .* read from point ${mending:0:12} " "$work/err" ||
		fail "restore said: $(cat "$work/err")"
	cmp "$2" "$work/mended/vda.raw"
	rm -rf "$work/state"
	"$SALVOR_BIN" export "$1" --socket "$work/socket" >"$work/out" 2>"$work/err" &
	wait_said $! "$work/out" "$work/err" nbd+unix 60
	nbdcopy "nbd+unix:///vda?socket=$work/socket" "$work/mended/copy"
	kill $!
	wait $! || fail "export ended with $?: $(cat "$work/err")"
	cmp "$2" "$work/mended/copy"
	[[ $(grep --count 'what is damaged of disk vda is read from point' "$work/err") == 1 ]] || fail "export said: $(cat "$work/err")"
}

# By a host that cannot read what it wrote. The first chunk pack is lost, and a pack of nodes is damaged that both points need.
mending() {
	local first second object
	say "what a backup after the damage mends"
	unset SALVOR_KEY_FILE
	new_repository "$work/mending" >&2
	expect 0 env SALVOR_STATE_DIR="$work/owner" "$SALVOR_BIN" key add --name host --role write --out "$work/host.key"
	random_bytes vm $((20 << 20)) >"$work/vm.raw"
	first=$(back_up_as_host)
	cp "$work/vm.raw" "$work/vm-first.raw"
	random_bytes change 65536 | dd of="$work/vm.raw" bs=64K seek=3 conv=notrunc status=none
	second=$(back_up_as_host)
	rm "$(find "$work/mending/p" -type f | sort | head -n 1)"
	expect $damaged salvor restore "$second" --to "$work/mended"
	expect $damaged as_host scrub
	mending=$(back_up_as_host)
	comes_back "$second" "$work/vm.raw" 319
	rm -rf "$work/mended"
	expect $damaged salvor restore "$first" --to "$work/mended" --json # the one chunk that nobody has any more
	jq --exit-status '.damaged[0].bytes == 65536 and .healed[0].chunks == 319' "$work/out" >/dev/null ||
		fail "restore said: $(cat "$work/out")"
	object=$(find "$work/mending/m" -type f | sort | head -n 1)
	chmod u+w "$object"
	flip_bit "$object" $(($(stat --format %s "$object") / 2)) 0
	expect 0 salvor restore "$mending" --to "$work/whole-again"
	cmp "$work/vm.raw" "$work/whole-again/vda.raw"
	comes_back "$second" "$work/vm.raw" 191 # the node leads to chunks that are sound
	expect $damaged salvor scrub
}

faults=${SALVOR_BUILD:-$(dirname "$0")/../../build/release}/tests/faults.so
[[ -e $faults ]] || skip "$faults is not built"
declare -A hashes
RANDOM=$seed
make_repository
export SALVOR_STATE_DIR=$work/state SALVOR_KEY_FILE=$work/repository.key
mapfile -t kinds < <(cd "$repository" && find . -type f ! -path './tmp/*' -printf '%P\n' | cut -d / -f 1 | sort --unique)
say "kinds of objects: ${kinds[*]}"
flip_everywhere
replace_everywhere
read_only
vanishing
mending
