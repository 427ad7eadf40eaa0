# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The Debian machine of scripts/package-disk in QEMU's emulation: no Hyper-V, but a disk, a boot loader, and restarts."""

import subprocess

import hvhost_vm
from hvhost_vm import TOP, VmError


class Skip(Exception):
    """There can be no such machine here; the text says why."""


def disk():
    """The file with the disk; it is made the first time."""
    made = subprocess.run([TOP / "scripts/package-disk"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if made.returncode == 77:
        raise Skip(made.stderr.strip().splitlines()[-1])
    if made.returncode:
        raise VmError(f"no disk: {made.stderr}")
    return made.stdout.strip().splitlines()[-1]


class Pc(hvhost_vm.Machine):
    """What it writes to its disk is gone in the end. On its second disk is a tar archive of those folders in `folder`.

    One processor: two take twice the time of this machine's for the same work.
    """

    def __init__(self, folder, *folders):
        archive = folder / "files.tar"
        subprocess.run(["tar", "-cf", archive, "-C", folder, *folders], check=True)
        # It must not outlive its test, however that ends.
        super().__init__(folder, ["setpriv", "--pdeathsig", "TERM", "qemu-system-x86_64", "-nodefaults", "-no-user-config",
                                  "-display", "none", "-M", "pc", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-serial", "stdio",
                                  "-drive", f"file={disk()},format=raw,if=virtio,snapshot=on",
                                  "-drive", f"file={archive},format=raw,if=virtio,readonly=on"], talk=True)
