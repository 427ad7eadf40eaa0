#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Help, version, and wrong usage: one line that names the argument, exit status 2.

set -u
. "$(dirname "$0")/cli.sh"

works "--version" '^hvhost [0-9]' "$hvhost" --version
works "--help lists the commands" '^  hvhost shutdown ' "$hvhost" --help
works "help is the same" '^  hvhost run ' "$hvhost" help
for command in run list status heartbeat timesync service kvp ip copy backup nic disk nmi pause resume shutdown trace; do
	works "help $command" "^usage: hvhost $command" "$hvhost" help "$command"
	works "$command --help" "^usage: hvhost $command" "$hvhost" "$command" --help
	fails "$command: unknown option" 2 "unknown option '--wrong'.*help $command" "$hvhost" "$command" --wrong
done

fails "no command" 2 'command is missing' "$hvhost"
fails "unknown command" 2 "no command 'strat'" "$hvhost" strat
fails "help for an unknown command" 2 "no command 'strat'" "$hvhost" help strat

fails "run without a name" 2 '--name is missing' "$hvhost" run --kernel k
fails "run without a kernel" 2 '--kernel is missing' "$hvhost" run --name a
fails "run: option without its value" 2 '--memory needs a value' "$hvhost" run --memory
fails "run: bad name" 2 "--name 'a/b': .*A-Z" "$hvhost" run --name a/b --kernel k
fails "run: no processors" 2 "--cpus '0': .*from 1 to 64" "$hvhost" run --cpus 0
fails "run: memory without unit" 2 "--memory '512': .*512M" "$hvhost" run --memory 512
fails "run: too little memory" 2 "--memory '32M': too little memory: at least 64M" "$hvhost" run --memory 32M
fails "run: bad accelerator" 2 "--accel 'tcg': .*auto, kvm or nested" "$hvhost" run --accel tcg
fails "run: bad version" 2 "--vmbus-version '6.0': .*5.3" "$hvhost" run --vmbus-version 6.0
fails "run: unknown service" 2 "--no-service 'rdv': .*heartbeat" "$hvhost" run --no-service rdv
fails "run: unknown enlightenment" 2 "--no-enlightenment 'synic': .*reference-tsc stimer" \
    "$hvhost" run --no-enlightenment synic
fails "run: unknown fault" 2 "--inject 'open-result:slow': .*short long bad-id" \
    "$hvhost" run --inject open-result:slow
fails "run: bad disk option" 2 "--disk 'a,lun=64': lun= takes a number from 0 to 63" "$hvhost" run --disk a,lun=64
fails "run: disk in memory without a size" 2 "--disk 'memory:': .*memory:64M" "$hvhost" run --disk memory:
fails "run: argument too many" 2 "'vmlinuz' is one argument too many" "$hvhost" run vmlinuz

fails "status without a name" 2 'name the VM' "$hvhost" status
fails "status: bad name" 2 "'../x': a VM's name" "$hvhost" status ../x
fails "status of two" 2 "'b' is one argument too many" "$hvhost" status a b
fails "list takes no name" 2 "'a' is one argument too many" "$hvhost" list a
fails "shutdown: two ways at once, one the button" 2 'only one of' "$hvhost" shutdown a --force --power-button
fails "shutdown: two ways at once" 2 'only one of' "$hvhost" shutdown a --force --reboot
for offset in soon 1e3 0x10 -- - 1. .5 " 1" 1000000001 0.00000000000000000001; do
	fails "timesync: bad offset '$offset'" 2 "--offset '$offset': must be a number of seconds" \
	    "$hvhost" timesync a --offset "$offset"
done
fails "nmi without a name" 2 'name the VM' "$hvhost" nmi
fails "pause prints no JSON" 2 "unknown option '--json'" "$hvhost" pause a --json
fails "heartbeat takes no offset" 2 "unknown option '--offset'" "$hvhost" heartbeat a --offset 1
fails "trace: what" 2 'say what to do with a trace' "$hvhost" trace
fails "trace: unknown verb" 2 "'show': must be normalise" "$hvhost" trace show a
fails "trace: which" 2 'name the file of the trace' "$hvhost" trace normalise
fails "trace of two" 2 "'b' is one argument too many" "$hvhost" trace normalise a b
fails "trace that is not there" 1 '/nonexistent: No such file' "$hvhost" trace normalise /nonexistent
fails "trace that is none" 1 'line 1 is not one of a trace' "$hvhost" trace normalise "$0"
fails "run: a trace without a name" 2 "--trace '': must name a file" "$hvhost" run --trace=
fails "service: neither on nor off" 2 "'heartbeat': must be on or off" "$hvhost" service a heartbeat off
fails "service: which" 2 "name the service behind 'off'" "$hvhost" service a off
fails "service: unknown one" 2 "'rdv': must be one of heartbeat shutdown timesync kvp fcopy vss" "$hvhost" service a off rdv
fails "service: argument too many" 2 "'b' is one argument too many" "$hvhost" service a off heartbeat b
fails "disk: unknown order" 2 "'enlarge': must be add, remove, resize, eject or insert" "$hvhost" disk a enlarge 0
fails "disk: a drive of what" 2 "'memory:1M,dvd': what is in a DVD drive must be a raw file" "$hvhost" disk a add memory:1M,dvd
fails "disk: late by how much" 2 "'a,late=0': late= takes milliseconds" "$hvhost" disk a add a,late=0
fails "disk: which requests fail" 2 "'a,fail=x': fail= takes a number" "$hvhost" disk a add a,fail=x
fails "disk: nothing to insert" 2 'say which file to insert' "$hvhost" disk a insert 1
fails "disk: which" 2 'say which disk to remove' "$hvhost" disk a remove
fails "disk: no number" 2 "'64': must be the number (LUN) of a disk" "$hvhost" disk a remove 64
fails "disk: a size without unit" 2 "'100': must be a size with its unit" "$hvhost" disk a resize 0 100
fails "disk: argument too many" 2 "'1G' is one argument too many" "$hvhost" disk a remove 0 1G
fails "disk: bad option" 2 "'a,size=1': an option must be" "$hvhost" disk a add a,size=1
fails "kvp: unknown order" 2 "'show': must be list, get, set or delete" "$hvhost" kvp a show
fails "kvp: a key without a value" 2 "name the value behind set" "$hvhost" kvp a set b
fails "backup: no folder" 2 "name the folder" "$hvhost" backup a
fails "backup: a limit" 2 "--freeze-limit '0': must be seconds, from 1 to 3600" "$hvhost" backup a b --freeze-limit 0
fails "copy: no file" 2 "name the file to copy" "$hvhost" copy a
fails "copy: no target" 2 "say where in the guest it goes" "$hvhost" copy a b
fails "copy: a target that is not absolute" 2 "'c': must be a path in the guest that begins with /" "$hvhost" copy a b c
fails "kvp: unknown pool" 2 "--pool '1': must be external, guest, auto or auto-external" "$hvhost" kvp a --pool 1
fails "ip: settings without set" 2 "settings go with set" "$hvhost" ip a --dhcp
fails "ip: set without settings" 2 "set needs --dhcp or --address" "$hvhost" ip a set
fails "shutdown: bad time" 2 "--timeout 'soon'" "$hvhost" shutdown a --timeout soon

run sh -c "'$hvhost' --help > /dev/full"
[ "$cli_status" -eq 1 ] && grep -q 'cannot write the output' "$work/err"
result $? "output that cannot be written is a failure"
finish
