# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Builds the Linux port's modules for Debian's kernels, each in a root of its suite: for the demo and the VM tests."""

import fcntl
import subprocess
from dataclasses import dataclass

import hvhost_vm
from hvhost_vm import TOP, VmError

CANNOT = 77


class Skip(Exception):
    """This machine cannot make such a root."""


@dataclass(frozen=True)
class Kernel:
    suite: str
    flavour: str = "cloud"
    sparse: bool = True  # this suite's sparse knows the kernel's code, and ours

    def __str__(self):
        return f"{self.suite}-{self.flavour}"


# 5.10's sparse does not know __atomic builtins, and 7.2 wants a newer one than its suite has.
KERNELS = {"5.10": Kernel("bullseye", sparse=False), "6.1": Kernel("bookworm"), "6.12": Kernel("trixie"),
           "7.2": Kernel("sid", sparse=False), "6.1-686": Kernel("bookworm", "686"), "6.1-686-pae": Kernel("bookworm", "686-pae")}

# What the tests load, by the target of port/linux/Makefile that makes it.
TARGETS = {"modules": "hv_utils", "hvis": "hvis/hvis_utils", "netvsc": "netvsc/hv_netvsc", "storvsc": "storvsc/hv_storvsc",
           "hvis-storvsc": "hvis-storvsc/hvis_storvsc", "conformance": "conformance/hvis_conformance"}


def release_of(kernel):
    image = hvhost_vm.kernel_image(hvhost_vm.fetch_kernel(kernel.suite, kernel.flavour))
    return image.name.removeprefix("vmlinuz-")


class Build:
    """
    Modules for one kernel: `log` of the build, `modules` by name. Who builds at the same time does so one after the other.
    `arguments` are for make.
    """

    def __init__(self, kernel, *arguments, targets=tuple(TARGETS), clean=False):
        release = release_of(kernel)
        self.folder = TOP / "build/linux" / release
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with open(self.folder.parent / f"{release}.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if clean:
                self.make(kernel, "clean")
            self.log = self.make(kernel, *arguments, *targets)
        self.modules = {path.stem: path for path in (self.folder / f"{TARGETS[target]}.ko" for target in targets)}

    def stripped(self, name):
        """The module without what only a debugger wants, most of its bytes."""
        path = self.modules[name].with_suffix(".stripped")
        subprocess.run(["strip", "-g", "-o", path, self.modules[name]], check=True)
        return path

    def make(self, kernel, *arguments):
        made = subprocess.run([TOP / "scripts/kernel-root", kernel.suite, kernel.flavour, "make", "-C", "port/linux",
                               f"KDIR=/lib/modules/{self.folder.name}/build", f"OUT={self.folder}", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if made.returncode == CANNOT and made.stdout.startswith("kernel-root: "):
            raise Skip(made.stdout.strip())
        if made.returncode:
            raise VmError(f"make: {made.returncode}\n{made.stdout}")
        return made.stdout
