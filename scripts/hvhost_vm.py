# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Drives hvhost and a guest: for the demo, the VM tests and the benchmarks."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
HVHOST = pathlib.Path(os.environ.get("HVHOST", TOP / "build/hvhost"))


class VmError(Exception):
    """The VM did not do what was asked of it within the time."""


def fetch_kernel(suite, flavour):
    """The folder of an unpacked Debian kernel; downloads it the first time."""
    fetched = subprocess.run([TOP / "scripts/fetch-kernel", suite, flavour], stdout=subprocess.PIPE, text=True)
    if fetched.returncode:
        raise VmError(f"no kernel {suite} {flavour}; see the lines above")
    return pathlib.Path(fetched.stdout.strip().splitlines()[-1])


def fetch_package(*arguments):
    """The folder of an unpacked Debian package, as scripts/fetch-package prints it; downloads it the first time."""
    fetched = subprocess.run([TOP / "scripts/fetch-package", *arguments], stdout=subprocess.PIPE, text=True)
    if fetched.returncode:
        raise VmError(f"no package {arguments[-1]}; see the lines above")
    return pathlib.Path(fetched.stdout.splitlines()[-1])


def kernel_image(folder):
    return next((folder / "boot").glob("vmlinuz-*"))


def make_initrd(path, kernel_folder, init, *modules, files=None):
    """`files`: where in the guest to put what other file."""
    options = [word for where, file in (files or {}).items() for word in ("--file", file, where)]
    subprocess.run([TOP / "scripts/guest-initrd", *options, path, kernel_folder, init, *modules], check=True)
    return path


def make_guest_program(path, source, *options):
    """A static program, so that the initramfs needs nothing else for it."""
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-static", "-Wall", "-Werror", *options, "-o", path, source], check=True)
    return path


class Machine:
    """A program that is a machine, its serial line and its words in files of `folder`. With `talk`, that line is its standard
    input and output, and say() types on it."""

    def __init__(self, folder, command, talk):
        self.serial = folder / "serial.log"
        self.words = folder / "words.log"
        self.started = time.monotonic()
        with self.words.open("wb") as words, self.serial.open("wb") as serial:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE if talk else subprocess.DEVNULL,
                                            stdout=serial if talk else words, stderr=words)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def age(self):
        return time.monotonic() - self.started

    def text(self):
        return self.serial.read_text(errors="replace")

    def said(self, pattern):
        return re.search(pattern, self.text(), re.M)

    def say(self, line):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise VmError(f"nobody there to say \"{line}\" to; the VM's words: {self.words}") from None

    def wait(self, what, seconds, ready, progress=None, pause=0.3):
        """What ready() returns, once it is true; asks every `pause` seconds, and calls progress() meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            result = ready()
            if result:
                return result
            if self.process.poll() is not None:
                raise VmError(f"{what}: the VM ended early with status {self.process.returncode}; its words: {self.words}")
            if progress:
                progress()
            time.sleep(pause)
        raise VmError(f"{what}: not within {seconds} s; the guest's serial line: {self.serial}")

    def wait_said(self, pattern, seconds):
        return self.wait(f"serial line says {pattern}", seconds, lambda: self.said(pattern))

    def ended(self, seconds):
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise VmError(f"the VM did not end within {seconds} s") from None

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Vm(Machine):
    """One `hvhost run`. `initrd` may be None."""

    def __init__(self, name, folder, kernel, initrd, *options, append="", memory="256M", talk=False):
        self.name = name
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, [HVHOST, "run", "--name", name, "--memory", memory, "--kernel", kernel,
                                  *(["--initrd", initrd] if initrd else []), "--append", f"console=ttyS0 {append or 'quiet'}",
                                  "--serial", "stdio" if talk else f"file:{folder / 'serial.log'}", *options], talk)

    def command(self, *arguments, timeout=150):
        """Another hvhost, on this VM: (exit status, standard output, standard error)."""
        verb, *rest = arguments
        done = subprocess.run([HVHOST, verb, self.name, *rest], capture_output=True, text=True, timeout=timeout)
        return done.returncode, done.stdout, done.stderr.strip()

    def query(self, verb):
        status, out, _ = self.command(verb, "--json")
        return json.loads(out) if status == 0 else {}

    def status(self):
        return self.query("status")

    def steady_resources(self):
        """What the host holds, once that is the same for a second: it lets go of some things a little later."""
        seen, since = self.status()["resources"], self.age()

        def look():
            nonlocal seen, since
            now = self.status()["resources"]
            if now != seen:
                seen, since = now, self.age()
            return self.age() - since > 1
        self.wait("resources that stay", 30, look)
        return seen


def fresh_folder(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
