# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What sysfs has of the devices and of a module, as tests/guests/drivers prints it, compared between two drivers."""

import fnmatch
import pathlib
import re

ALLOWED = pathlib.Path(__file__).with_name("linux_sysfs.allowed")
ALLOWED_MAX = 5

# Values that move by themselves, or the module's size: there and a number is all that can be said.
MOVING = re.compile(r"/(?:(?:in|out)_(?:read_index|write_index|read_bytes_avail|write_bytes_avail|intr_mask|mask)"
                    r"|read_avail|write_avail|interrupts|events|intr_in_full|intr_out_empty|out_full_\w+|cpu|channel_vp_mapping"
                    r"|coresize|initsize)$")
# Bytes of the very file that was loaded
NOTES = re.compile(r"^/sys/module/\w+/notes/")
NUMBERS = re.compile(r"(?:\|[0-9]+(?::[0-9]+)?)+")


def parse(text):
    """By path: mode, and value or None."""
    modes = {path: mode for mode, path in re.findall(r"^guest: mode (\d+) (\S+)$", text, re.M)}
    values = dict(re.findall(r"^guest: value (\S+) ?(.*)$", text, re.M))
    return {re.sub("//+", "/", path): (mode, values.get(path)) for path, mode in modes.items()}


def allowed(kernel, file=ALLOWED):
    """By pattern: why it may differ on this kernel."""
    rules = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            kernels, pattern, reason = line.split(None, 2)
            if fnmatch.fnmatch(kernel, kernels):
                rules[pattern] = reason
    return rules


def same(path, theirs, ours):
    if theirs is None or ours is None or theirs[0] != ours[0]:
        return False
    if MOVING.search(path):
        return all(NUMBERS.fullmatch(value or "") for _, value in (theirs, ours))
    return bool(NOTES.search(path)) or theirs[1] == ours[1]


def judge(theirs, ours, rules):
    """Which rules were needed, and the differences that none allows."""
    used, wrong = set(), []
    for path in sorted(theirs.keys() | ours.keys()):
        pair = theirs.get(path), ours.get(path)
        if same(path, *pair):
            continue
        fitting = [pattern for pattern in rules if fnmatch.fnmatch(path, pattern)]
        used.update(fitting)
        if not fitting:
            wrong.append(f"{path}: stock {pair[0]}, ours {pair[1]}")
    return used, wrong
