# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""TAP output and cells of the VM tests, and where they find scripts/hvhost_vm.py: import this first."""

import fnmatch
import pathlib
import re
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"))
from hvhost_vm import VmError

# A test that its time limit stops ends its VMs, too: they would go on for ever.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


class Tap:
    """Numbers the checks of one test. `prefix` stands before each title."""

    def __init__(self):
        self.prefix = ""
        self.count = 0
        self.failed = 0

    def check(self, title, good, seen=""):
        """One result; what was seen instead follows a bad one."""
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {self.prefix}{title}", flush=True)
        if not good:
            print("".join(f"# seen: {line}\n" for line in str(seen).splitlines()), end="", flush=True)

    def skip(self, title, reason):
        self.count += 1
        print(f"ok {self.count} - {self.prefix}{title} # SKIP {' '.join(str(reason).split())}", flush=True)

    def relay(self, lines):
        """The results of a guest that speaks TAP itself, under numbers of ours; true if its plan was kept."""
        seen, plan = 0, None
        for line in lines:
            result = re.fullmatch(r"(ok|not ok) \d+ - (.*)", line)
            if result:
                seen += 1
                self.count += 1
                # A failure that is expected, and says why, is none.
                self.failed += result[1] == "not ok" and " # TODO " not in line
                print(f"{result[1]} {self.count} - {self.prefix}{result[2]}", flush=True)
            elif line.startswith("1.."):
                plan = int(line[3:])
            elif line.startswith("#"):
                print(line, flush=True)
        return plan == seen > 0

    def run(self, part, *arguments):
        """Calls it; where the VM does not do what it should in time, that is a bad result."""
        try:
            part(*arguments)
        except VmError as error:
            self.check(f"{part.__name__} ran to its end", False, error)

    def note(self, text):
        print(f"# {self.prefix}{text}", flush=True)

    def finish(self):
        print(f"1..{self.count}")
        sys.exit(self.failed != 0)


def main(cells, run_cell):
    """
    The main function of a test that consists of cells, each a VM of its own: objects with a `name`. Runs those that the
    command line names (patterns as in the shell), or all; with --cells it prints their names.
    """
    names = [cell.name for cell in cells]
    patterns = sys.argv[1:] or ["*"]
    if patterns == ["--cells"]:
        print("\n".join(names))
        return
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            sys.exit(f"{pathlib.Path(sys.argv[0]).name}: no cell {pattern}; there are: {' '.join(names)}")
    tap = Tap()
    for cell in cells:
        if any(fnmatch.fnmatch(cell.name, pattern) for pattern in patterns):
            tap.prefix = f"{cell.name}: "
            tap.run(run_cell, tap, cell)
    tap.finish()
