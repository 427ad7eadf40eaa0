#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# hvis on recorded trees of /sys, on what no kernel would show, and where there is no VMBus.

set -u
. "$(dirname "$0")/cli.sh"

here=$(dirname "$0")
cli_program=hvis
hvis=${HVIS:-$PWD/build/hvis}
HVIS_ROOT=$work/root
export HVIS_ROOT
vmbus=$HVIS_ROOT/sys/bus/vmbus
heartbeat=$vmbus/devices/fd149e91-82e0-4a7d-afa6-2a4166cbd7c0
shutdown=$vmbus/devices/b6650ff7-33bc-4840-8048-e0676786f393
timesync=$vmbus/devices/2dd1ce17-079e-403c-b352-a1921ee207ee

# tree: the recorded one, as it was
tree() {
	rm -rf "$HVIS_ROOT"
	"$here/make_sysfs" "$here/sysfs/stock-6.1.txt" "$HVIS_ROOT"
}

# our_utils: hv_utils is ours, and tells more
our_utils() {
	echo hvis-0.1.0 > "$HVIS_ROOT/sys/module/hv_utils/version"
	echo OE > "$HVIS_ROOT/sys/module/hv_utils/taint"
	debug=$HVIS_ROOT/sys/kernel/debug/hvis-hv_utils
	mkdir -p "$debug"
	printf 'vmbus 5.2\nmessage 3.0\nframework 3.0\nrequests 17\nviolations 0\n' > "$debug/${heartbeat##*/}"
	printf 'vmbus 5.2\nmessage 3.1\nframework 1.0\nrequests 0\nviolations 0\n' > "$debug/${shutdown##*/}"
	printf 'vmbus 5.2\nrequests 0\nviolations 0\n' > "$debug/${timesync##*/}"
}

# prints TITLE ARGUMENT... < EXPECTED: exactly that, status 0, nothing on stderr
prints() {
	title=$1
	shift
	cat > "$work/expected"
	run "$hvis" "$@"
	[ "$cli_status" -eq 0 ] && [ ! -s "$work/err" ] && diff "$work/expected" "$work/out" > "$work/diff"
	result $? "$title"
}

# holds TITLE EXPRESSION ARGUMENT...: the JSON, as `it`, for which the Python expression is true
holds() {
	title=$1 expression=$2
	shift 2
	run "$hvis" "$@" --json
	[ "$cli_status" -eq 0 ] && [ ! -s "$work/err" ] &&
	    python3 -c 'import json, sys; it = json.load(open(sys.argv[1])); sys.exit(not eval(f"({sys.argv[2]})"))' "$work/out" "$expression"
	result $? "$title"
}

works "--version" '^hvis [0-9]' "$hvis" --version
works "--help lists the commands" '^  hvis devices ' "$hvis" --help
for command in status devices; do
	works "help $command" "^usage: hvis $command" "$hvis" help "$command"
	works "$command --help" "^usage: hvis $command" "$hvis" "$command" --help
	fails "$command: unknown option" 2 "unknown option '--wrong'.*help $command" "$hvis" "$command" --wrong
	fails "$command: argument too many" 2 "one argument too many: 'a'" "$hvis" "$command" a
done
fails "no command" 2 'a command is missing' "$hvis"
fails "unknown command" 2 "no command 'state'" "$hvis" state
fails "help for an unknown command" 2 "no command 'state'" "$hvis" help state

mkdir -p "$HVIS_ROOT"
for command in status devices; do
	fails "$command: no guest of Hyper-V" 3 'no VMBus here: this is no guest of Hyper-V' "$hvis" "$command" --json
done
mkdir -p "$HVIS_ROOT/sys/bus/acpi/devices/VMBUS:00"
fails "a VMBus without a driver" 3 'its driver is missing: modprobe hv_vmbus' "$hvis" status
fails "a root that is not there" 1 'HVIS_ROOT: No such file' env HVIS_ROOT=/nonexistent "$hvis" status

tree
prints "status: the kernel's own drivers" status <<-'END'
	VMBus 5.3 by the kernel's own driver (hv_vmbus), Linux 6.1.0-50-cloud-amd64

	DEVICE                     DRIVER    FROM    MODULE  SERVICE  FRAMEWORK  CHANNEL
	Heartbeat                  hv_utils  kernel  -       3.0      ?          open
	Operating system shutdown  hv_utils  kernel  -       3.2      ?          open
	Time Synchronization       hv_utils  kernel  -       4.0      ?          open
END
holds "status --json" 'it["vmbus"]["version"] == "5.3" and [d["service_version"] for d in it["devices"]] == ["3.0", "3.2", "4.0"] and
    it["devices"][0]["module"] == {"name": "hv_utils", "from": "kernel", "built_in": False, "version": None} and
    it["devices"][0]["framework_version"] is None and it["kernel"] == "6.1.0-50-cloud-amd64"' status
prints "devices: the lines of lsvmbus -vv, driver and rings" devices < "$here/sysfs/stock-6.1.devices"
holds "devices --json" 'it[2]["name"] == "[Time Synchronization]" and it[2]["out"] == {"bytes": 12288, "waiting": 0} and
    it[2]["channels"] == [{"relid": 3, "target_cpu": 0, "subchannel": 0, "interrupts": 3, "events": 4}] and
    it[2]["sysfs"] == "/sys/bus/vmbus/devices/2dd1ce17-079e-403c-b352-a1921ee207ee"' devices

our_utils
prints "status: our hv_utils tells its versions itself" status <<-'END'
	VMBus 5.2 by the kernel's own driver (hv_vmbus), Linux 6.1.0-50-cloud-amd64

	DEVICE                     DRIVER    FROM  MODULE  SERVICE  FRAMEWORK  CHANNEL
	Heartbeat                  hv_utils  hvis  0.1.0   3.0      3.0        open
	Operating system shutdown  hv_utils  hvis  0.1.0   3.1      1.0        open
	Time Synchronization       hv_utils  hvis  0.1.0   4.0      ?          open
END
rm -r "$HVIS_ROOT/sys/kernel"
cat >> "$HVIS_ROOT/dev/kmsg" <<-'END'
	6,400,17000000,-;hv_utils: shutdown: version 3.1, framework 3.0
	14,401,17000001,-;hv_utils: Heartbeat IC version 9.9
	6,402,17000001,-;other: Heartbeat IC version 9.9
END
holds "without debugfs: the last word of the log, and the kernel's only" \
    '[(d["service_version"], d["framework_version"]) for d in it["devices"]] == [("3.0", None), ("3.1", "3.0"), ("4.0", None)]' status
echo 4.3.5 > "$HVIS_ROOT/sys/module/hv_utils/version"
works "neither ours nor the kernel's" '^Heartbeat  *hv_utils  *other  *4.3.5 ' \
    "$hvis" status

tree
nic=$heartbeat/net/eth7
mkdir -p "$nic/queues/rx-0" "$nic/queues/rx-1" "$nic/queues/tx-0"
echo up > "$nic/operstate"
echo 9000 > "$nic/mtu"
works "a network device" '^eth7: up, MTU 9000, 2 queues$' "$hvis" status
holds "its JSON; a recorded tree knows no offloads" '[d["network"] for d in it["devices"]] ==
    [[{"name": "eth7", "state": "up", "mtu": 9000, "queues": 2, "offloads": None}], [], []]' status

tree
rm -r "$HVIS_ROOT/sys/module/hv_vmbus" "$HVIS_ROOT/dev/kmsg"
works "a bus driver that is built in; nothing tells versions" "^VMBus ? by the kernel's own driver (hv_vmbus, built in)" "$hvis" status
works "and says so" '^?: the kernel does not tell, or its log has forgotten it$' "$hvis" status
tree
echo hvis-0.2.0 > "$HVIS_ROOT/sys/module/hv_vmbus/version"
works "our bus" '^VMBus 5.3 by the driver of hvis 0.2.0 (hv_vmbus)' "$hvis" status
if [ "$(id -u)" -ne 0 ] || command -v setpriv > /dev/null; then
	chmod 000 "$HVIS_ROOT/dev/kmsg"
	chmod 755 "$work"
	if [ "$(id -u)" -eq 0 ]; then
		cp "$hvis" "$work/hvis"
		set -- setpriv --reuid 65534 --clear-groups "$work/hvis"
	else
		set -- "$hvis"
	fi
	works "a log that may not be read" '^?: only root may read where' "$@" status
else
	skip "a log that may not be read" "no setpriv"
fi

tree
rm "$heartbeat/driver"
rm "$timesync"/out_*_bytes_avail
echo 0 > "$timesync/state"
printf '9:1\n3:0\n12:3\n' > "$timesync/channel_vp_mapping"
works "a device without a driver" '^Heartbeat  *-  *-  *-  *-  *-  *unused' "$hvis" status
works "a ring that is closed" 'Rings: out closed; in 12288 bytes, 0 waiting' "$hvis" devices
holds "channels are sorted; of some nothing more is known" \
    '[(c["relid"], c["target_cpu"], len(c)) for c in it[2]["channels"]] == [(3, 0, 5), (9, 1, 2), (12, 3, 2)] and it[2]["state"] == "offered"' devices
rm -r "$vmbus/devices"
mkdir "$vmbus/devices"
works "a bus without devices" '^The host offers no devices' "$hvis" status
prints "no devices" devices < /dev/null
holds "no devices as JSON" 'it == []' devices

# What no kernel would show
tree
long=$(printf '%0255d' 7)
mkdir "$vmbus/devices/$long" "$vmbus/devices/empty"
ln -s /nonexistent "$vmbus/devices/dangling"
ln -s loop "$vmbus/devices/loop"
printf 'esc\033[2J\377"\\\n' > "$vmbus/devices/$long/class_id"
printf '%s' "$long$long$long" > "$vmbus/devices/$long/device_id"
echo 4294967296 > "$vmbus/devices/$long/id"
ln -s "$(printf '\033]0;x\007')" "$vmbus/devices/$long/driver"
printf '1\n:\n1:2:3\n99999999999:1\n-1:-1\n  5:6\n7:8 \n\n\n8:9' > "$vmbus/devices/$long/channel_vp_mapping"
rm "$heartbeat/id" "$heartbeat/class_id"
mkfifo "$heartbeat/id"
mkdir "$heartbeat/class_id"
echo 99 > "$heartbeat/state"
echo -5 > "$heartbeat/in_read_bytes_avail"
echo 4294967295 > "$heartbeat/out_read_bytes_avail"
ln -sf ../../../../../../bus/vmbus/drivers/none "$shutdown/driver"
head -c 300000 /dev/urandom > "$timesync/channel_vp_mapping"
{
	printf '6,1,1,-;hv_vmbus: Vmbus version:\n6,1,1,-;hv_vmbus: Vmbus version:x.y\n6,2'
	head -c 300000 /dev/urandom
	printf '\n6,3,3,-;hv_utils: TimeSync IC version\n6,4,4,-\n;\n,\n'
	printf '6,5,5,-;hv_utils: TimeSync IC version 99999999999999999999.1\n6,6,6,-;hv_utils: TimeSync IC version 4.0'
} > "$HVIS_ROOT/dev/kmsg"
works "senseless files: status goes on" '^Time Synchronization  *hv_utils ' "$hvis" status
! grep -q "$(printf '[\033\377\007]')" "$work/out"
result $? "and keeps control characters off the terminal"
works "senseless files: devices goes on" "^VMBUS ID  ?: Class_ID = esc?.2J?" "$hvis" devices
! grep -q "$(printf '[\033\377\007]')" "$work/out"
result $? "and so does that"
holds "senseless files as JSON" 'len(it["devices"]) == 5 and it["vmbus"]["version"] is None' status
holds "senseless devices as JSON" \
    '[d["id"] for d in it] == [2, 3, None, None, None] and
    [d for d in it if d["class_id"].startswith("esc")][0]["channels"] == [{"relid": 8, "target_cpu": 9}]' devices

# Pairs: the files of the guest's daemon
rm -rf "$HVIS_ROOT"
mkdir -p "$HVIS_ROOT/var/lib"
works "help kvp" '^usage: hvis kvp ' "$hvis" help kvp
fails "kvp: no daemon has run" 1 'there are no pools here' "$hvis" kvp
fails "kvp: what to do" 2 'list, get, set or delete' "$hvis" kvp show
fails "kvp: a key is missing" 2 'a key is needed' "$hvis" kvp get
fails "kvp: a value is missing" 2 'set needs a key and a value' "$hvis" kvp set a
fails "kvp: no such pool" 2 'there is no such pool' "$hvis" kvp list --pool x
fails "kvp: facts have no file" 2 'there is no file of it' "$hvis" kvp list --pool auto
fails "kvp: an empty key" 2 'a key has 1 to 511 bytes' "$hvis" kvp set '' v
fails "kvp: a key too long" 2 'a key has 1 to 511 bytes' "$hvis" kvp set "$(printf '%0512d' 1)" v
fails "kvp: a value too long" 2 'at most 2047 bytes' "$hvis" kvp set k "$(printf '%02048d' 1)"
fails "kvp: an unknown option" 2 "unknown option '--wrong'.*help kvp" "$hvis" kvp --wrong
prints "kvp set" kvp set colour 'grün € 💾' < /dev/null
prints "kvp get" kvp get colour <<-'END'
	grün € 💾
END
prints "kvp set, another value, longest key" kvp set "$(printf '%0511d' 1)" "$(printf '%02047d' 2)" < /dev/null
[ "$(wc -c < "$HVIS_ROOT/var/lib/hyperv/.kvp_pool_1")" -eq 5120 ]
result $? "the file is as ever"
inode=$(ls -i "$HVIS_ROOT/var/lib/hyperv/.kvp_pool_1")
prints "kvp set replaces" kvp set colour red < /dev/null
[ "$inode" = "$(ls -i "$HVIS_ROOT/var/lib/hyperv/.kvp_pool_1")" ]
result $? "in its place, for programs that wait for the file's lock"
prints "kvp set of an option's look" kvp set -- --key -1 < /dev/null
prints "kvp delete" kvp delete "$(printf '%0511d' 1)" < /dev/null
prints "kvp set in the host's pool" kvp set given 'by\the host' --pool external < /dev/null
printf '\033[2J' > "$HVIS_ROOT/esc"
prints "kvp list" kvp <<-'END'
	POOL           KEY                          VALUE
	guest          colour                       red
	guest          --key                        -1
	external       given                        by\the host
END
holds "kvp list --json" '[(pair["pool"], pair["key"], pair["value"]) for pair in it] ==
    [("guest", "colour", "red"), ("guest", "--key", "-1"), ("external", "given", "by\\the host")]' kvp list
holds "kvp get --json" 'it == {"pool": "external", "key": "given", "value": "by\\the host"}' kvp get given
fails "kvp get: no such key" 1 "there is no key 'nothing'" "$hvis" kvp get nothing --json
fails "kvp delete: no such key" 1 "no key 'nothing' in the pool guest" "$hvis" kvp delete nothing
"$hvis" kvp set "$(cat "$HVIS_ROOT/esc")" "$(cat "$HVIS_ROOT/esc")"
works "kvp list keeps control characters off the terminal" '^guest  *?.2J  *?.2J$' "$hvis" kvp list --pool guest
flock "$HVIS_ROOT/var/lib/hyperv/.kvp_pool_1" sleep 4 &
sleep 0.5
fails "kvp: a lock that is not given back" 1 'guest: another program keeps it locked' "$hvis" kvp set a b
wait

run sh -c "'$hvis' --help > /dev/full"
[ "$cli_status" -eq 1 ] && grep -q 'cannot write the output' "$work/err"
result $? "output that cannot be written is a failure"
finish
