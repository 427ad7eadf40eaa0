# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The inner Linux of benchmarks that boot guests: under QEMU's software emulation, so that they work and count the same everywhere,
with one processor, whose clock counts instructions unless told otherwise. Such a figure holds what guest, monitor and inner Linux did
together.
"""
import pathlib
import re
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "scripts"))
import hvhost_vm  # noqa: E402

WORK = TOP / "build/bench"
VMLINUX = TOP / "build/nested/vmlinux"
# At shift 1 an instruction takes 2 ns of the inner Linux's time, and its processor's clock ticks once a nanosecond.
COUNTED = ("-accel", "tcg", "-icount", "shift=1,sleep=off")
TICKS_PER_INSTRUCTION = 2
# Seconds for one inner Linux, and how many of them for a row: seldom, QEMU's emulation interrupts a guest that has interrupts
# disabled; that guest dies. QEMU's own guests stand still now and then; why was not found.
LIMIT = 600
ATTEMPTS = 5


def need(*programs):
    """Exits unless what a benchmark runs has been built: hvhost, the inner Linux, and programs of build/bench."""
    for file in (VMLINUX, hvhost_vm.HVHOST, *(WORK / program for program in programs)):
        if not file.exists():
            sys.exit(f"bench: no {file.relative_to(TOP)}: run make bench")


def qemu_version():
    words = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"version (\d+\.\d+)", words).group(1)


def make_image(name, guest, files, modules=()):
    """The inner Linux's initramfs: its first program is bench/NAME_inner; hvhost, the guest's kernel and `files` are in it."""
    image = WORK / f"{name}-inner.img"
    kernel = hvhost_vm.fetch_kernel("bookworm", "generic")
    pairs = {"bin/hvhost": hvhost_vm.HVHOST, "guest/kernel": hvhost_vm.kernel_image(guest), **files}
    subprocess.run([TOP / "scripts/inner-image", *(word for module in modules for word in ("--module", module)), image, kernel,
                    TOP / f"bench/{name}_inner", *(f"{where}={file}" for where, file in pairs.items())], check=True)
    return image


def command(image, words, accel=COUNTED, limit=LIMIT):
    """What runs the inner Linux, for `limit` seconds at most; as that of hvhost's nested mode (vmm/nested/qemu.c) but for the memory
    and the processor. `words` are more of its kernel's command line."""
    return ["timeout", str(limit), "qemu-system-x86_64", "-M", "pc", *accel, "-cpu", "max", "-smp", "1", "-m", "1G", "-nodefaults",
            "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", VMLINUX, "-initrd", image,
            "-append", f"console=ttyS0 quiet panic=-1 clocksource=tsc tsc=reliable cryptomgr.notests init_on_alloc=0 {words}"]


def run_side(image, name, side, rows, wanted):
    """One inner Linux with one guest, which does `rows` (a name: how often) and says `bench: ROW NUMBER...` of each row `wanted`:
    {row: numbers}, or None when it died before it had said all."""
    asked = ",".join(f"{row}:{count}" for row, count in rows.items())
    started = time.monotonic()
    said = subprocess.run(command(image, f"bench.side={side} bench.rows={asked}"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          errors="replace", text=True).stdout
    found = {row: tuple(map(int, numbers.split())) for row, numbers in re.findall(r"bench: (\S+)((?: \d+)+)\s*$", said, re.M)}
    print(f"{name}: {side}: {len(found)} rows in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    if set(wanted) <= found.keys():
        return found
    print(f"{name}: the inner Linux said:\n{said}", file=sys.stderr, flush=True)
    return None


def measure(image, name, sides, runs):
    """What the runs of each side gave, the sides in turn: {side: [{row: numbers}, ...]}. `sides`: {side: (rows, wanted)}."""
    results = {side: [] for side in sides}
    for _ in range(runs):
        for side, (rows, wanted) in sides.items():
            found = next(filter(None, (run_side(image, name, side, rows, wanted) for _ in range(ATTEMPTS))), None)
            if not found:
                sys.exit(f"{name}: no guest of {side} did all rows")
            results[side].append(found)
    return results
