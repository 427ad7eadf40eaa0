# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What the tests of disks type into their guests, and what hvhost says of the disks meanwhile. The Vm needs talk=True."""

import json
import re
import subprocess
import time

from hvhost_vm import TOP, VmError
from linux_modules import KERNELS as BUILDS, Build, Skip
import shell

ANSWER_TIMEOUT = 120
TOOLS_LUN = 63


def order(vm, command, timeout=ANSWER_TIMEOUT):
    """As the shell's, without what is blank around it."""
    said, good = shell.order(vm, command, timeout)
    return said.strip(), good


def told(vm, command):
    """The last line that a command printed."""
    return (order(vm, command)[0].splitlines() or [""])[-1].strip()


def becomes(vm, command, expected, seconds=60):
    """Whether a command prints that within some time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if told(vm, command) == expected:
            return True
        time.sleep(0.5)
    return False


def storage(vm):
    return json.loads(vm.command("disk", "--json")[1])


def disk(vm, lun):
    return next((each for each in storage(vm)["disks"] if each["lun"] == lun), {})


def sectors(vm, name):
    return told(vm, f"cat /sys/block/{name}/size")


def driver(tap, version, whose):
    """What to put into an initramfs for that driver to be loaded instead of the kernel's own; None after a skip."""
    if whose == "stock":
        return {}
    try:
        return {"ours/hv_storvsc.ko": Build(BUILDS[version], targets=("storvsc",)).stripped("hv_storvsc")}
    except Skip as reason:
        tap.skip("our hv_storvsc", reason)
        return None


def tools_disk(tap):
    """The file with Debian's tools, for a guest of tests/guests/tools; None after a skip."""
    made = subprocess.run([TOP / "scripts/tools-disk"], stdout=subprocess.PIPE, text=True)
    if made.returncode == 77:
        tap.skip("Debian's tools", "scripts/tools-disk cannot work here")
        return None
    if made.returncode:
        raise VmError("no disk of tools; see the lines above")
    return made.stdout.splitlines()[-1]
