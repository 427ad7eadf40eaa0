# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Guests with a daemon of the integration services in them: Debian's daemons, and the drivers that they work with."""

import collections
import json
import os
import pathlib
import socket
import subprocess

import hvhost_vm
import linux_modules
from hvhost_vm import TOP
import shell

BOOT_TIMEOUT = 300
SETTLE_TIMEOUT = 30
RUN_TIMEOUT = 120  # of a script, where others use the machine too
PACKAGE = ("amd64", "hyperv-daemons")
KERNELS = {name: linux_modules.KERNELS[name] for name in ("5.10", "6.1", "6.12", "7.2")}
Cell = collections.namedtuple("Cell", "name version ours hvis")


def cells(versions=tuple(KERNELS), hvis=False):
    """A cell for each kernel, with its own hv_utils and with ours; with Debian's daemon, and if told so ("-hvis") with ours."""
    return [Cell(name + "-ours" * ours + "-hvis" * own, name, ours, own) for own in (False, True)[:1 + hvis] for name in versions
            for ours in (False, True)]


def by_uio(cell, service):
    """Kernels from 6.10 on leave the channel of file copy to a daemon."""
    return service == "fcopy" and not cell.ours and cell.version in ("6.12", "7.2")


def drivers(cell, service):
    """Which the service's test needs besides."""
    if service == "kvp":
        return ("hv_netvsc",)
    if service == "vss":
        return ("hv_storvsc", "sd_mod", "ext4")
    return ("uio_hv_generic",) * by_uio(cell, service)


def program(cell, service):
    """The daemon's name."""
    if cell.hvis:
        return f"hvis-{service}d"
    return "hv_fcopy_uio_daemon" if by_uio(cell, service) else f"hv_{service}_daemon"


def start(vm, cell, service, options=""):
    """Debian's daemons go into the background by themselves."""
    name = program(cell, service)
    run(vm, f"setsid {name} {options} > /run/{name}.log 2>&1 &" if cell.hvis else name)
    run(vm, "sleep 1")


def fetch(cell, service):
    """{path in the guest: file}: the daemon, and the libraries it needs."""
    name = program(cell, service)
    if cell.hvis:
        return {f"/usr/sbin/{name}": TOP / f"build/{name}-static"}
    root = hvhost_vm.fetch_package("--depends", "bookworm", *PACKAGE)
    library = f"{root}/lib/x86_64-linux-gnu"
    # The newer one is in no package with the older library, which it does with.
    own = hvhost_vm.fetch_package("sid", *PACKAGE) if by_uio(cell, service) else root
    return {f"/usr/sbin/{name}": f"{own}/usr/sbin/{name}",
            "/lib/x86_64-linux-gnu/libc.so.6": f"{library}/libc.so.6", "/lib64/ld-linux-x86-64.so.2": f"{library}/ld-linux-x86-64.so.2"}


def modules(cell, *more):
    """(which of the kernel's to load, {path in the guest: file})."""
    if not cell.ours:
        return ("hv_vmbus", *more, "hv_utils"), {}
    build = linux_modules.Build(KERNELS[cell.version], targets=("modules",))
    return ("hv_vmbus", *more, "ptp"), {"/ours/hv_utils.ko": build.modules["hv_utils"]}


def make_guest(folder, cell, files, *more):
    """(kernel, initial RAM disk); raises linux_modules.Skip."""
    kernel = hvhost_vm.fetch_kernel(KERNELS[cell.version].suite, KERNELS[cell.version].flavour)
    names, ours = modules(cell, *more)
    initrd = hvhost_vm.make_initrd(folder / "initrd.img", kernel, TOP / "tests/guests/daemons", *names, files={**files, **ours})
    return hvhost_vm.kernel_image(kernel), initrd


def make_ext4(path, size):
    """A disk's image."""
    with path.open("wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-F", path], check=True)
    return path


def run(vm, script):
    """What it prints in the guest."""
    return shell.run(vm, script, RUN_TIMEOUT)[1]


def service(vm, name):
    return vm.status().get("services", {}).get(name) or {}


class Control:
    """A connection to the VM's control socket (docs/control.md), of a client that asks one thing after the other."""

    def __init__(self, vm):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(pathlib.Path(os.environ.get("XDG_RUNTIME_DIR", "/run")) / "hvhost" / f"{vm.name}.sock"))
        self.lines = self.socket.makefile()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.socket.close()

    def ask(self, command, data=b"", **arguments):
        """The whole reply."""
        self.socket.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n" + data)
        while True:
            reply = json.loads(self.lines.readline())
            if "ok" in reply:
                return reply

    def pairs(self, pool):
        """{key: value}"""
        found, index = {}, 0
        while index is not None:
            result = self.ask("kvp", order="list", pool=pool, index=index)["result"]
            found.update((pair["key"], pair["value"]) for pair in result["pairs"])
            index = result["next"]
        return found

    def write(self, copy, offset, data):
        return self.ask("copy", data, order="write", copy=copy, offset=offset, data_bytes=len(data))
