# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""For tests of the network on TAP interfaces: a network namespace with such interfaces, programs of Debian's for the guest, and a
guest that waits at a shell on its serial line (tests/guests/net)."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

from hvhost_vm import TOP, VmError
from shell import Shell

INSIDE = "HVIS_NET_LAB_INSIDE"


def enter():
    """Run the program on in a namespace of our own; why that cannot be, or None."""
    if os.environ.get(INSIDE):
        return None
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "no /dev/net/tun here"
    for way in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which("ip") and subprocess.run([*way, "true"], stderr=subprocess.DEVNULL).returncode == 0:
            os.environ[INSIDE] = "1"
            os.execvp(way[0], [*way, *sys.argv])
    return "no network namespaces here"


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def make_interface(name, network):
    """A TAP interface with an address of ours."""
    ip("tuntap", "add", "dev", name, "mode", "tap", "multi_queue", "vnet_hdr")
    pathlib.Path(f"/proc/sys/net/ipv6/conf/{name}/accept_dad").write_text("0")
    ip("addr", "add", f"10.9.{network}.1/24", "dev", name)
    ip("-6", "addr", "add", f"fd09:{network}::1/64", "dev", name)
    ip("link", "set", name, "up")


def remove_interface(name):
    subprocess.run(["ip", "link", "del", name], stderr=subprocess.DEVNULL)


def debian_files(package, program):
    """By path in the guest: a program of Debian's with its libraries. And how to run it here."""
    fetched = subprocess.run([TOP / "scripts/fetch-package", "--depends", "bookworm", "amd64", package], stdout=subprocess.PIPE,
                             text=True)
    if fetched.returncode:
        raise VmError(f"no {package}; see the lines above")
    root = pathlib.Path(fetched.stdout.splitlines()[-1])
    folders = [root / "lib/x86_64-linux-gnu", root / "usr/lib/x86_64-linux-gnu"]
    loader = folders[0] / "ld-linux-x86-64.so.2"
    command = [loader, "--library-path", ":".join(map(str, folders))]
    listed = subprocess.run([*command, "--list", root / program], stdout=subprocess.PIPE, text=True, check=True).stdout
    libraries = map(pathlib.Path, re.findall(rf"=> ({re.escape(str(root))}/\S+) \(0x", listed))
    return {f"bin/{pathlib.Path(program).name}": root / program, "lib64/ld-linux-x86-64.so.2": loader,
            **{f"lib/x86_64-linux-gnu/{path.name}": path for path in libraries if path.name != loader.name}}, [*command, root / program]


class Guest(Shell):
    def nic(self, number=0):
        return next((nic for nic in self.vm.status().get("nics", []) if nic["number"] == number), {})

    def sum(self, counter, number=0):
        return sum(queue[counter] for queue in self.nic(number).get("queue", []))
