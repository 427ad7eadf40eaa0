# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=sh
#
# Sourced by the scripts that make an initramfs.

# initramfs_release KERNELDIR: prints the release (6.1.0-50-amd64) of the one kernel that is unpacked there.
initramfs_release() {
	for initramfs_image in "$1"/boot/vmlinuz-*; do
		[ -e "$initramfs_image" ] || return 1
		echo "${initramfs_image##*/vmlinuz-}"
		return 0
	done
}

# initramfs_add_modules ROOT KERNELDIR MODULE...: puts the modules and all that they depend on, uncompressed,
# into ROOT/modules, and adds their file names to ROOT/modules.list in the order in which to load them.
# A module that is built into that kernel is left out, silently.
initramfs_add_modules() {
	initramfs_root=$1
	initramfs_kernel=$2
	shift 2
	mkdir -p "$initramfs_root/modules" || return 1
	initramfs_paths=$(
		release=$(initramfs_release "$initramfs_kernel") || exit 1
		for name; do
			PATH=$PATH:/usr/sbin:/sbin modprobe -C /dev/null -d "$initramfs_kernel" \
			    -S "$release" --show-depends "$name" || exit 1
		done
	) || return 1
	echo "$initramfs_paths" | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
	while read -r initramfs_path; do
		initramfs_name=${initramfs_path##*/}
		initramfs_name=${initramfs_name%.ko*}.ko
		case $initramfs_path in
		*.ko) cat "$initramfs_path" ;;
		*.ko.xz) xz -dc "$initramfs_path" ;;
		*.ko.zst) zstd -qdc "$initramfs_path" ;;
		*.ko.gz) gzip -dc "$initramfs_path" ;;
		esac > "$initramfs_root/modules/$initramfs_name" || return 1
		echo "$initramfs_name" >> "$initramfs_root/modules.list"
	done
}

# initramfs_add_program ROOT PROGRAM PATH: puts PROGRAM there as PATH, and the libraries that it needs, with
# the loader, at their own paths.
initramfs_add_program() {
	mkdir -p "$1/$(dirname "$3")" &&
	cp -L "$2" "$1/$3" && chmod 755 "$1/$3" || return 1
	# A static program makes ldd fail: then there is nothing to add.
	ldd "$2" 2>/dev/null | sed -n 's/.*\(=> \|^[[:space:]]*\)\(\/[^ ]*\) (0x[0-9a-f]*)$/\2/p' |
	while read -r initramfs_library; do
		[ -e "$1$initramfs_library" ] && continue
		mkdir -p "$1$(dirname "$initramfs_library")" &&
		cp -L "$initramfs_library" "$1$initramfs_library" || return 1
	done
}

# initramfs_pack ROOT: writes the archive, with every file owned by root, to standard output.
initramfs_pack() {
	(cd "$1" && find . -mindepth 1 | LC_ALL=C sort |
	    cpio --quiet --create --format=newc --owner=+0:+0 --reproducible)
}
