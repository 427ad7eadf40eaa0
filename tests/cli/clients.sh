#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# list, status, heartbeat, timesync, service, kvp, copy, backup, nic, nmi, pause, resume, shutdown: against a VM that is not there, and against one that behaves as told.

set -u
. "$(dirname "$0")/cli.sh"

here=$(dirname "$0")
folder=$XDG_RUNTIME_DIR/hvhost
COPIED=$work/copied
export COPIED

# vm BEHAVIOUR: from now on "fake" is that. The one before is ended first.
vm() {
	# shellcheck disable=SC2086
	[ -z "$cli_children" ] || { kill $cli_children 2>/dev/null; wait $cli_children 2>/dev/null; }
	rm -f "$folder/fake.sock"
	mkfifo "$work/ready"
	"$here/fake_vm" "$folder/fake.sock" "$1" > "$work/ready" &
	cli_children=$!
	read -r _ < "$work/ready"
	rm "$work/ready"
}

for command in status heartbeat timesync service kvp ip nic nmi pause resume shutdown; do
	fails "$command of a VM that is not there" 1 "no VM named 'fake' is running; .hvhost list. shows those" \
	    "$hvhost" "$command" fake
done
works "an empty list" '^NAME  *STATE' "$hvhost" list
works "an empty list as JSON" '^\[\]$' "$hvhost" list --json
works "a list where no VM has ever run" '^NAME  *STATE' env XDG_RUNTIME_DIR="$work/none" "$hvhost" list

# A socket whose process is gone
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$folder/stale.sock"
fails "status of a VM that was killed" 1 "no VM named 'stale' is running" "$hvhost" status stale
works "list shows a VM that was killed" '^stale  *not running' "$hvhost" list
[ -S "$folder/stale.sock" ]
result $? "and removes nothing"
rm "$folder/stale.sock"

vm good
works "list" '^fake  *running  *[0-9][0-9]*  *5.3  *1 h 2 min' "$hvhost" list
works "list --json" '"state": "running"' "$hvhost" list --json
works "status" '^fake: running for 1 h 2 min (kvm), 2 processors, 256 MiB' "$hvhost" status fake
works "status: a service" '^heartbeat  *ready  *3.0  *3.0  *31  *30  0.9 s ago' "$hvhost" status fake
works "status: a service that is off" '^shutdown  *off$' "$hvhost" status fake
works "status: a channel" '^heartbeat  *open  *1  *7  *8' "$hvhost" status fake
works "status keeps the guest's text off the terminal" '^Guest: Linux 6.1.0?\[2J' "$hvhost" status fake
run "$hvhost" status fake --json
python3 -c 'import json, sys; sys.exit(json.load(open(sys.argv[1]))["vmbus"]["version"] != "5.3")' "$work/out"
result $? "status --json is the result as it came"
works "heartbeat" '^fake: ok, last answer 0.9 s ago, 30 in all' "$hvhost" heartbeat fake
works "timesync" '^fake: told to set its clock to the host.s$' "$hvhost" timesync fake
works "timesync --offset" '^fake: told to set its clock to the host.s -0.250 s' "$hvhost" timesync fake --offset -0.25
works "timesync --json" '"offset_seconds": 3600.0' "$hvhost" timesync fake --json --offset 3600
works "pause" '^fake: paused$' "$hvhost" pause fake
works "resume" '^fake: goes on after 2 min 5 s$' "$hvhost" resume fake
works "resume --json" '"clock_ordered": true' "$hvhost" resume fake --json
run "$hvhost" nmi fake
[ "$cli_status" -eq 0 ] && [ ! -s "$work/out" ] && [ ! -s "$work/err" ]
result $? "nmi says nothing"
works "service shows the services" '^heartbeat  *ready ' "$hvhost" service fake
works "service --json" '"framework": "3.0"' "$hvhost" service fake --json
works "service off" '^fake: timesync is off$' "$hvhost" service fake off timesync
works "service on --json" '"on": true' "$hvhost" service fake on timesync --json
fails "service that is on already" 1 "the heartbeat service is on already" "$hvhost" service fake on heartbeat
head -c 100000 /dev/urandom > "$work/source"
works "copy" '^fake: /srv/name: 100000 bytes in ' "$hvhost" copy fake "$work/source" /srv/name
cmp -s "$work/source" "$COPIED"
result $? "copy: all of it, in pieces"
works "copy into a folder, as JSON" '"target": "/srv/source"' "$hvhost" copy fake "$work/source" /srv/ --json
: > "$work/empty"
works "copy: an empty file" '^fake: /srv/empty: 0 bytes' "$hvhost" copy fake "$work/empty" /srv/
works "copy --overwrite" '^fake: /full/there: 0 bytes' "$hvhost" copy fake "$work/empty" /full/there --overwrite
fails "copy: a file that is there" 1 "has a file /full/there already; --overwrite" "$hvhost" copy fake "$work/empty" /full/there
fails "copy: a disk that becomes full" 1 "the VM 'fake': the guest's disk is full" "$hvhost" copy fake "$work/source" /full/
[ "$(cat "$COPIED")" = cancelled ]
result $? "copy: then the guest is told to drop it"
fails "copy: no such file" 1 "$work/none: No such file or directory" "$hvhost" copy fake "$work/none" /srv/
fails "copy: a folder" 1 "$work: is not a regular file" "$hvhost" copy fake "$work" /srv/
fails "copy: a path that is no UTF-8" 1 "must be UTF-8" "$hvhost" copy fake "$work/empty" "/$(printf '\377')"
rm -f "$COPIED"
vm copies_slowly
run timeout -s TERM 0.4 "$hvhost" copy fake "$work/source" /srv/name
[ "$(cat "$COPIED")" = cancelled ]
result $? "copy: interrupted before it had begun, it is cancelled all the same"
vm good
fails "copy to a VM that is not there" 1 "no VM named 'none' is running" "$hvhost" copy none "$work/empty" /srv/
works "kvp shows all pools, the guest's first" '^guest  *shop  *closed?$' "$hvhost" kvp fake
works "kvp: pairs that came in two pieces" '^auto  *second  *2$' "$hvhost" kvp fake list --pool auto
[ "$("$hvhost" kvp fake --json | python3 -c 'import json, sys; print(*(p["key"] for p in json.load(sys.stdin)))')" = "shop first second colour" ]
result $? "kvp --json has each once"
works "kvp get" '^blue$' "$hvhost" kvp fake get colour
works "kvp get --json" '"pool": "external"' "$hvhost" kvp fake get colour --json
fails "kvp get of a key that is not there" 1 "has no key 'shop' in the pool 'auto'" "$hvhost" kvp fake get shop --pool auto
run "$hvhost" kvp fake set colour red
[ "$cli_status" -eq 0 ] && [ ! -s "$work/out" ] && [ ! -s "$work/err" ]
result $? "kvp set says nothing"
works "kvp delete --json" '"order": "delete"' "$hvhost" kvp fake delete colour --json
fails "kvp delete that is refused" 1 "no such key in this pool" "$hvhost" kvp fake delete colour --pool guest
fails "kvp set of what is no UTF-8" 1 "must be UTF-8" "$hvhost" kvp fake set colour "$(printf '\377')"
works "ip" '^Addresses  *10.0.0.2/24$' "$hvhost" ip fake
works "ip get --json" '"dhcp": true' "$hvhost" ip fake get 1 --json
works "ip set" '^fake: network adapter 0: the guest has these settings' "$hvhost" ip fake set --address 10.0.0.3/24
fails "ip set that is refused" 1 "must be like 10.0.0.2/24" "$hvhost" ip fake set --address 10.0.0.3
works "shutdown --reboot returns when the guest agrees" '^fake: the guest restarts' "$hvhost" shutdown fake --reboot
works "shutdown waits for the end" '^fake: powered off after 0\.[3-9]' "$hvhost" shutdown fake
vm good
fails "backup of a VM without disks" 1 "the VM 'fake' has no disks" "$hvhost" backup fake "$work/backup"
[ ! -e "$work/backup" ] && [ ! -e "$work/backup.partial" ]
result $? "backup: then there is no folder"

# A disk with a hole at its beginning and its end
DISK=$work/disk BYTES=3145728
export DISK BYTES
truncate -s 1M "$DISK"
head -c 1048576 /dev/urandom >> "$DISK"
truncate -s 3M "$DISK"
vm backs_up
rm -f "$COPIED"
works "backup" '^fake: .*/backup: 1 disk, 3.0 MiB.*; the guest was frozen for 0.[0-9]* s$' "$hvhost" backup fake "$work/backup"
cmp -s "$DISK" "$work/backup/disk-3.raw" && [ "$(cat "$COPIED")" = thawed ]
result $? "backup: the disk is the same, and the guest was thawed"
[ "$(stat -c %b "$work/backup/disk-3.raw")" -lt 4096 ]
result $? "backup: its holes are holes"
works "backup --json" '"freeze_ms": 12' "$hvhost" backup fake "$work/backup2/" --json
python3 -c 'import json, sys; sys.exit(json.load(open(sys.argv[1] + "/backup.json"))["disks"][0]["lun"] != 3)' "$work/backup2"
result $? "backup: what is in the folder lies beside it"
fails "backup: a folder that is there" 1 "backup is there already" "$hvhost" backup fake "$work/backup"
mkdir "$work/third.partial"
fails "backup: one that was left behind" 1 "third.partial: File exists; another backup makes it" "$hvhost" backup fake "$work/third"
fails "backup: nowhere" 1 "none/backup.partial: No such file" "$hvhost" backup fake "$work/none/backup"
BYTES=4194304
vm backs_up
rm -f "$COPIED"
fails "backup: a file that is shorter than the disk" 1 "disk is shorter than the disk" "$hvhost" backup fake "$work/short"
[ ! -e "$work/short" ] && [ ! -e "$work/short.partial" ] && [ ! -e "$COPIED" ]
result $? "backup: then nothing is kept, and the guest was not frozen for it"
BYTES=3145728 DISK=memory
vm backs_up
fails "backup: a disk in memory" 1 "disk 3 is in memory" "$hvhost" backup fake "$work/memory"
DISK=$work/disk
vm thaws_too_early
fails "backup: a guest that was thawed before" 1 "is not frozen any more" "$hvhost" backup fake "$work/early"
[ ! -e "$work/early" ] && [ ! -e "$work/early.partial" ]
result $? "backup: then nothing is kept either"
vm does_not_freeze
fails "backup: a guest that does not freeze" 1 "could not freeze" "$hvhost" backup fake "$work/warm"
[ ! -e "$work/warm.partial" ]
result $? "backup: and nothing is kept"

# Images, as they lie there while hvhost has them open
if command -v qemu-img > /dev/null; then
	for FORMAT in vhd vhdx; do
		export FORMAT
		kind=$FORMAT
		[ "$kind" = vhdx ] || kind=vpc,force_size=on
		DISK=$work/disk.$FORMAT BYTES=33554432
		truncate -s 32M "$work/plain"
		dd if="$work/disk" of="$work/plain" bs=1M seek=20 conv=notrunc status=none
		qemu-img convert -f raw -O "${kind%%,*}" -o "subformat=dynamic${kind#"${kind%%,*}"}" "$work/plain" "$DISK"
		vm backs_up
		works "backup of a $FORMAT image" ': 1 disk, 32.0 MiB' "$hvhost" backup fake "$work/$FORMAT"
		qemu-img compare -q -f raw "$work/plain" -F "${kind%%,*}" "$work/$FORMAT/disk-3.$FORMAT"
		result $? "backup: the disk in it is the same"
		dd if=/dev/urandom of="$DISK" bs=4096 count=8 seek=$(($(stat -c %s "$DISK") / 8192)) conv=notrunc status=none
		truncate -s -70000 "$DISK"
		vm backs_up
		fails "backup of a $FORMAT image that is torn" 1 'is no whole image' "$hvhost" backup fake "$work/torn"
		[ ! -e "$work/torn" ] && [ ! -e "$work/torn.partial" ]
		result $? "backup: nothing of it is kept"
	done
else
	skip "backup of images" "no qemu-img"
fi
FORMAT=tape
vm backs_up
fails "backup of an image that is not known" 1 "disk 3 is a tape image" "$hvhost" backup fake "$work/tape"
unset FORMAT

# shares FILESYSTEM TITLE: where its tools are, and root may mount it
shares() {
	mkfs=$(PATH=$PATH:/usr/sbin:/sbin command -v "mkfs.$1") || { skip "$2" "no mkfs.$1"; return; }
	truncate -s 400M "$work/$1.img"
	mkdir "$work/$1"
	if ! "$mkfs" -q "$work/$1.img" > "$work/out" 2>&1 || ! mount -o loop "$work/$1.img" "$work/$1" 2> /dev/null; then
		skip "$2" "$1 cannot be mounted here"
		return
	fi
	DISK=$work/$1/disk BYTES=104857600
	head -c 104857600 /dev/urandom > "$DISK"
	vm backs_up
	works "$2" ', sharing blocks; the guest was frozen for 0.[0-9]* s$' "$hvhost" backup fake "$work/$1/backup"
	cmp -s "$DISK" "$work/$1/backup/disk-3.raw"
	result $? "$2: the disk is the same"
	cp "$work/$1/backup/disk-3.raw" "$work/before"
	dd if=/dev/zero of="$DISK" bs=1M count=5 conv=notrunc status=none
	cmp -s "$work/before" "$work/$1/backup/disk-3.raw"
	result $? "$2: and stays so when the disk changes"
	rm -rf "$work/before"
	umount "$work/$1"
}
shares xfs "backup on xfs"
shares btrfs "backup on btrfs"
DISK=$work/disk BYTES=3145728

vm good
works "shutdown --json" '"answer": "accepted"' "$hvhost" shutdown fake --json
vm good
works "shutdown --power-button" '^fake: powered off after' "$hvhost" shutdown fake --power-button
vm good
works "shutdown --force" '^fake: stopped after' "$hvhost" shutdown fake --force

vm lost
run "$hvhost" heartbeat fake
[ "$cli_status" -eq 1 ] && grep -q '^fake: lost contact, last answer 12.0 s ago' "$work/out"
result $? "heartbeat that is lost: exit status 1"
vm crashed
works "status of a guest that crashed" '^The guest has crashed (reported)' "$hvhost" status fake
works "status tells why, without the guest's control characters" '^  BUG: ?\[2J' "$hvhost" status fake
works "status tells the panic" '^  Kernel panic - not syncing: x$' "$hvhost" status fake
vm clockless
works "resume of a guest that keeps the wrong time" '^fake: goes on after 0.5 s; its clock is behind' "$hvhost" resume fake
vm refuses
fails "pause that is refused" 1 "no driver in the guest answers" "$hvhost" pause fake
fails "shutdown that is refused" 1 "no driver in the guest answers; --force stops it" "$hvhost" shutdown fake
fails "timesync that is refused" 1 "no driver in the guest answers" "$hvhost" timesync fake
vm accepts_and_stays
fails "shutdown that takes too long" 1 "'fake' still runs after 1 s; .hvhost shutdown fake --force." \
    "$hvhost" shutdown fake --timeout 1
vm crashes
fails "shutdown that ends in a crash" 1 "'fake' crashed instead" "$hvhost" shutdown fake
vm leaves
fails "VM that ends before it answers" 1 "'fake' ended before it answered" "$hvhost" status fake
vm leaves
fails "VM that ends before it answers to shutdown" 1 "'fake' ended before it answered" "$hvhost" shutdown fake
vm hangs
fails "shutdown of a VM that does not answer" 1 "'fake' does not answer" "$hvhost" shutdown fake --timeout 1
works "list of a VM that does not answer" '^fake  *not answering' "$hvhost" list
for behaviour in nonsense nonsense_object floods; do
	vm "$behaviour"
	run "$hvhost" status fake
	[ "$cli_status" -eq 1 ] && [ ! -s "$work/out" ] && [ "$(wc -l < "$work/err")" -eq 1 ]
	result $? "status of a VM that answers with $behaviour"
done
finish
