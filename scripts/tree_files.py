# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Which files the checks look at: those git knows or would add. Shared by scripts/check-*."""
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def git(tree, *args):
    """Output of a git command, or None if it fails. Whose checkout it is does not matter: the caller runs its code anyway."""
    result = subprocess.run(["git", "-c", "safe.directory=*", "-C", tree, *args],
                            capture_output=True, text=True, errors="replace", check=False)
    return result.stdout if result.returncode == 0 else None


def list_files(tree):
    """Paths of the tree's own files, sorted, relative to it; all but build/ where there is no git."""
    found = git(tree, "ls-files", "-z", "-co", "--exclude-standard", ".")
    if found is not None:
        names = {name for name in found.split("\0") if name}
    else:
        names = set()
        for folder, folders, files in os.walk(tree):
            folders[:] = [f for f in folders if f not in (".git", "build")]
            names |= {os.path.relpath(os.path.join(folder, f), tree) for f in files}
    return sorted(name for name in names if os.path.isfile(os.path.join(tree, name)))


def read_text(tree, name):
    """The file's text, or None for binary ones."""
    with open(os.path.join(tree, name), "rb") as file:
        data = file.read()
    if b"\0" in data:
        return None
    return data.decode("utf-8", "replace")


def shebang(tree, name):
    """The first line of a script, else an empty string."""
    with open(os.path.join(tree, name), "rb") as file:
        first = file.readline(200)
    return first.decode("utf-8", "replace").strip() if first.startswith(b"#!") else ""


class Findings:
    """Prints what is wrong, as file:line: what and what to do; remembers that there was something."""

    def __init__(self):
        self.count = 0

    def add(self, name, line, text):
        self.count += 1
        print(f"{name}:{line}: {text}")

    def finish(self, what):
        if self.count:
            print(f"{os.path.basename(sys.argv[0])}: {self.count} found", file=sys.stderr)
            return 1
        print(f"{os.path.basename(sys.argv[0])}: {what}")
        return 0
