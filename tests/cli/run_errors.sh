#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# What can be wrong before a VM runs: one line that says what and what to do, exit status 1.

set -u
. "$(dirname "$0")/cli.sh"

make_kernel "$work/kernel"
echo 'no kernel' > "$work/text"
head -c 700 "$work/kernel" > "$work/short"
truncate -s 200M "$work/large"

fails "no such kernel" 1 "kernel $work/none: No such file" "$hvhost" run --name a --kernel "$work/none"
fails "not a kernel" 1 "kernel $work/text: not a Linux kernel" "$hvhost" run --name a --kernel "$work/text"
fails "a folder as kernel" 1 "kernel $work: not a regular file" "$hvhost" run --name a --kernel "$work"
fails "a kernel that is cut off" 1 "kernel $work/short: .*cut off" "$hvhost" run --name a --kernel "$work/short"
fails "a program instead of a kernel" 1 "without a PVH entry point.*bzImage" "$hvhost" run --name a --kernel "$hvhost"
fails "no such initrd" 1 "initrd $work/none: No such file" \
    "$hvhost" run --name a --kernel "$work/kernel" --initrd "$work/none"
fails "too little memory for the kernel" 1 "needs at least 80 MiB of memory" \
    "$hvhost" run --name a --kernel "$work/kernel" --memory 64M
fails "too little memory for the initrd" 1 "needs at least 280 MiB of memory" \
    "$hvhost" run --name a --kernel "$work/kernel" --initrd "$work/large" --memory 256M
fails "command line too long" 1 "at most 2047 bytes of command line" \
    "$hvhost" run --name a --kernel "$work/kernel" --append "$(printf '%3000s' '')"

# The name is a lock; whoever holds it, it is in use.
exec 9> "$XDG_RUNTIME_DIR/hvhost/used.lock"
flock -n 9
fails "name in use" 1 "used: a VM of this name is running already" "$hvhost" run --name used --kernel "$work/kernel"
fails "name in use, in the background" 1 "used: a VM of this name is running already" \
    "$hvhost" run --name used --kernel "$work/kernel" --daemonize
exec 9>&-

mkdir "$work/others"
mkdir -m 777 "$work/others/hvhost"
fails "folder of sockets that others may write to" 1 'chmod 700' \
    env XDG_RUNTIME_DIR="$work/others" "$hvhost" run --name a --kernel "$work/kernel"
fails "folder of sockets that cannot be made" 1 "cannot make the folder $work/text/hvhost" \
    env XDG_RUNTIME_DIR="$work/text" "$hvhost" run --name a --kernel "$work/kernel"

# QEMU as this machine may have it: not at all, or too old.
mkdir "$work/empty" "$work/old"
printf '#!/bin/sh\necho "QEMU emulator version 7.2.15 (Debian 1:7.2)"\n' > "$work/old/qemu-system-x86_64"
chmod 755 "$work/old/qemu-system-x86_64"
fails "nested without QEMU" 1 'QEMU 10 or newer.*not installed.*qemu-system-x86' \
    env PATH="$work/empty" "$hvhost" run --name a --kernel "$work/kernel" --accel nested
fails "nested with an old QEMU" 1 'QEMU 10 or newer.*is version 7' \
    env PATH="$work/old" "$hvhost" run --name a --kernel "$work/kernel" --accel nested
fails "nested in the background without QEMU" 1 'QEMU 10 or newer' \
    env PATH="$work/empty" "$hvhost" run --name a --kernel "$work/kernel" --accel nested --daemonize

# as_nobody COMMAND...: without privileges, with a /dev/kvm that only root may open.
cat > "$work/as_nobody" <<-'END'
	#!/bin/sh
	exec unshare --mount sh -c 'mount -t tmpfs none /dev && : > /dev/null && chmod 666 /dev/null &&
		: > /dev/kvm && chmod 600 /dev/kvm &&
		exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"' sh "$@"
END
# without_kvm COMMAND...
cat > "$work/without_kvm" <<-'END'
	#!/bin/sh
	exec unshare --mount sh -c 'mount -t tmpfs none /dev && : > /dev/null && exec "$@"' sh "$@"
END
chmod 755 "$work/as_nobody" "$work/without_kvm"

if unshare --mount sh -c 'mount -t tmpfs none /dev' 2> /dev/null; then
	# Where nobody can reach it
	chmod 755 "$work"
	cp "$hvhost" "$work/hvhost"
	mkdir -m 755 "$work/nobody"
	chown 65534:65534 "$work/nobody"
	run "$work/as_nobody" env XDG_RUNTIME_DIR="$work/nobody" "$work/hvhost" run --name a --kernel "$work/kernel" --accel kvm
	[ "$cli_status" -eq 1 ] && [ "$(wc -l < "$work/err")" -eq 1 ] &&
	    grep -q '^hvhost: a: no permission on /dev/kvm: .*group kvm' "$work/err"
	result $? "no permission on /dev/kvm"
	run "$work/without_kvm" "$hvhost" run --name a --kernel "$work/kernel" --accel kvm
	[ "$cli_status" -eq 1 ] && [ "$(wc -l < "$work/err")" -eq 1 ] && grep -q '^hvhost: a: no KVM' "$work/err"
	result $? "no KVM at all"
	run "$work/without_kvm" env PATH="$work/empty" "$hvhost" run --name a --kernel "$work/kernel"
	[ "$cli_status" -eq 1 ] && [ "$(wc -l < "$work/err")" -eq 1 ] && grep -q 'no KVM.*QEMU 10 or newer' "$work/err"
	result $? "neither KVM nor QEMU"
else
	skip "no permission on /dev/kvm" "no private mounts here"
	skip "no KVM at all" "no private mounts here"
	skip "neither KVM nor QEMU" "no private mounts here"
fi

rm "$XDG_RUNTIME_DIR/hvhost/used.lock"
rmdir "$XDG_RUNTIME_DIR/hvhost"
result $? "nothing is left behind"
finish
