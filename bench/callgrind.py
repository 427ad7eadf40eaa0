# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""For benchmarks that count instructions: by callgrind, told apart by the folder of the function they belong to (what is inlined
belongs to where it ends up), as the difference of two runs that differ in nothing else."""

import pathlib
import re
import subprocess
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
# A function's part, by the folder its file lies in; `guest` is the core and the benchmark's own small driver
PARTS = (("guest/", "guest"), ("bench/", "guest"), ("wire/", "wire"), ("host/", "host"), ("fuzz/echo_device", "host"),
         ("port/", "port"), ("fuzz/", "port"))


def part_of(path):
    name = path[len(str(TOP)) + 1:] if path.startswith(f"{TOP}/") else path
    return next((part for prefix, part in PARTS if name.startswith(prefix)), "libc")


def own_cost(text):
    """Instructions by part: those of each function itself, not of those it calls."""
    names, parts, part, called = {}, {}, None, False
    for line in text.splitlines():
        found = re.fullmatch(r"(fl)=\((\d+)\)(?: (.*))?|(?:fi|fe|cfi|cfl)=\((\d+)\)(?: (.*))?", line)
        if found:
            number, name = (found[2], found[3]) if found[1] else (found[4], found[5])
            if name:
                names[number] = name
            if found[1]:
                part = part_of(names[number])
        elif line.startswith("calls="):
            called = True
        elif re.match(r"[+\-*\d]", line):
            if not called:
                parts[part] = parts.get(part, 0) + int(line.split()[1])
            called = False
    return parts


def count(program, *arguments):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out.name}", program,
                        *map(str, arguments)], stdout=subprocess.DEVNULL, check=True)
        return own_cost(pathlib.Path(out.name).read_text(encoding="utf-8"))


def difference(more, less, divisor=1):
    return {part: round((more.get(part, 0) - less.get(part, 0)) / divisor) for part in sorted(more)}
