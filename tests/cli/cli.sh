# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=sh
#
# Sourced by the command line tests: TAP, a private folder for sockets, and what they check again and again.

# shellcheck disable=SC2034 # the tests use it
hvhost=${HVHOST:-$PWD/build/hvhost}
work=$(mktemp -d)
XDG_RUNTIME_DIR=$work/runtime
export XDG_RUNTIME_DIR
mkdir -m 700 "$XDG_RUNTIME_DIR" "$XDG_RUNTIME_DIR/hvhost"
cli_program=hvhost # whose words are expected
cli_number=0
cli_failed=0
cli_children=

cli_end() {
	# shellcheck disable=SC2086 # a list
	[ -z "$cli_children" ] || kill $cli_children 2>/dev/null
	rm -rf "$work"
}
trap cli_end EXIT
trap 'exit 1' HUP INT TERM

# result STATUS TITLE: one line of TAP; on failure with what the last command printed.
result() {
	cli_number=$((cli_number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $cli_number - $2"
		return
	fi
	cli_failed=$((cli_failed + 1))
	echo "not ok $cli_number - $2"
	[ ! -e "$work/out" ] || sed 's/^/# stdout: /' "$work/out"
	[ ! -e "$work/err" ] || sed 's/^/# stderr: /' "$work/err"
	echo "# status: ${cli_status:-}"
}

skip() {
	cli_number=$((cli_number + 1))
	echo "ok $cli_number - $1 # SKIP $2"
}

finish() {
	echo "1..$cli_number"
	[ "$cli_failed" -eq 0 ]
	exit
}

# run COMMAND...: its output goes to files, its status to cli_status; a time limit stands for "hangs".
run() {
	cli_status=0
	timeout 60 "$@" > "$work/out" 2> "$work/err" < /dev/null || cli_status=$?
}

# fails TITLE STATUS PATTERN COMMAND...: that exit status, nothing on stdout, one line that matches on stderr.
fails() {
	title=$1 status=$2 pattern=$3
	shift 3
	run "$@"
	[ "$cli_status" -eq "$status" ] && [ ! -s "$work/out" ] && [ "$(wc -l < "$work/err")" -eq 1 ] &&
	    grep -q -e "^$cli_program.*: .*$pattern" "$work/err"
	result $? "$title"
}

# works TITLE PATTERN COMMAND...: exit status 0, nothing on stderr, a line on stdout that matches.
works() {
	title=$1 pattern=$2
	shift 2
	run "$@"
	[ "$cli_status" -eq 0 ] && [ ! -s "$work/err" ] && grep -q -e "$pattern" "$work/out"
	result $? "$title"
}

# make_kernel FILE: a header that passes for a Linux kernel's, and no kernel.
make_kernel() {
	python3 - "$1" <<-'END'
		import struct, sys
		image = bytearray(8192)
		def put(offset, form, value):
		    struct.pack_into("<" + form, image, offset, value)
		put(0x1f1, "B", 1)             # setup sectors
		put(0x1f4, "I", 256)           # size of the rest, in 16 bytes
		put(0x1fe, "H", 0xaa55)
		put(0x200, "H", 0x66eb)        # jump behind the header
		image[0x202:0x206] = b"HdrS"
		put(0x206, "H", 0x20f)         # boot protocol
		put(0x211, "B", 1)             # loaded high
		put(0x22c, "I", 0x7fffffff)    # highest initrd address
		put(0x236, "H", 1)             # 64-bit entry point
		put(0x238, "I", 2047)          # longest command line
		put(0x258, "Q", 0x1000000)     # load address
		put(0x260, "I", 0x4000000)     # memory it needs from there
		open(sys.argv[1], "wb").write(image)
	END
}
