# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=sh
#
# Sourced by scripts that keep a Debian system in a folder of the cache, and run commands in it: "roots". They are made by
# mmdebstrap from the mirror that this machine's apt uses. $here must be the folder of this file.

# shellcheck disable=SC2154 # the caller's
. "$here/private-apt.sh"

fail() {
	echo "${0##*/}: $*" >&2
	exit 1
}

cannot() {
	echo "${0##*/}: $*" >&2
	exit 77
}

debian_root_cache=${XDG_CACHE_HOME:-$HOME/.cache}/hvis/roots
debian_root_work=

# Exits with 77 where roots can be neither made nor entered.
debian_root_check() {
	[ "$(id -u)" -eq 0 ] || cannot "making and entering a root needs root"
	command -v mmdebstrap > /dev/null || cannot "mmdebstrap is missing: run scripts/deps test"
	unshare --mount true 2> /dev/null || cannot "no mount namespaces here"
}

# Makes the folder $debian_root_work; what is in it goes when the script ends.
debian_root_work_in() {
	mkdir -p "$1"
	debian_root_work=$(mktemp -d "$1/.debian-root.XXXXXX")
	trap 'rm -rf --one-file-system "$debian_root_work"' EXIT
	trap 'exit 1' HUP INT TERM
}

debian_root_work_done() {
	rm -rf --one-file-system "$debian_root_work"
	trap - EXIT HUP INT TERM
}

# debian_root_keep FILE TARGET: puts what was made in its place. Another process may have been quicker: its own is as good.
debian_root_keep() {
	mv -nT "$1" "$2" 2> /dev/null || [ -e "$2" ] || fail "cannot create $2"
}

# debian_root_make NAME SUITES [OPTION]...: sets $debian_root to the folder of the root that mmdebstrap makes of the first of
# the suites with these options. It is made the first time. Another list of options is another root: its name tells.
debian_root_make() {
	debian_root_suites=$2
	debian_root=$debian_root_cache/$1-$(shift && printf '%s\n' "$@" | sha256sum | cut -c 1-8)
	[ ! -d "$debian_root" ] || return 0
	echo "${0##*/}: making $debian_root ..." >&2
	shift 2

	debian_root_mirror=$(private_apt_mirror) || fail "apt on this machine is not configured for a Debian mirror"
	debian_root_work_in "$debian_root_cache"
	set -- "$@" "${debian_root_suites%% *}" "$debian_root_work/root"
	for debian_root_suite in $debian_root_suites; do
		set -- "$@" "deb [signed-by=$PRIVATE_APT_KEYRING] $debian_root_mirror $debian_root_suite main"
	done
	# Valid-Until: see private-apt.sh.
	mmdebstrap --mode=root --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt='path-exclude=/usr/share/man/*' \
	    --dpkgopt='path-exclude=/usr/share/locale/*' "$@" > "$debian_root_work/log" 2>&1 || {
		cat "$debian_root_work/log" >&2
		return 1
	}
	chmod 755 "$debian_root_work/root"
	debian_root_keep "$debian_root_work/root" "$debian_root"
	debian_root_work_done
}

# debian_root_run ROOT LAYER COMMAND...: runs the command in the root, with /proc there, and the tree at its own path as the
# current folder. With a LAYER, a folder, what it changes is kept there instead of in the root (LAYER/merged is the system
# meanwhile), and it has /dev, a /tmp of its own, and nothing of this machine's environment. The mounts go when the command
# ends, because their namespace does.
debian_root_run() {
	[ -z "$2" ] || mkdir -p "$2/changes" "$2/work" "$2/merged"
	# shellcheck disable=SC2016 # the inner shell's
	unshare --mount sh -c '
		top=$(dirname "$0") root=$1 layer=$2 environment=
		shift 2
		if [ -n "$layer" ]; then
			mount -t overlay overlay -o "lowerdir=$root,upperdir=$layer/changes,workdir=$layer/work" "$layer/merged" ||
				exit 77
			root=$layer/merged
			mount --rbind /dev "$root/dev" && mount -t tmpfs tmpfs "$root/tmp" || exit 1
			environment="env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
			    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
		fi
		mkdir -p "$root$top" && mount -t proc proc "$root/proc" && mount --rbind "$top" "$root$top" || exit 1
		exec $environment chroot "$root" sh -c "cd \"\$0\" && exec \"\$@\"" "$top" "$@"' "$here" "$@"
}
