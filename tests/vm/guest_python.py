# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Puts this machine's Python into a guest of 64 bits, with as much of its library as one program imports."""

import ast
import json
import pathlib
import py_compile
import re
import subprocess

PYTHON = pathlib.Path("/usr/bin/python3")
# Isolated, and without the modules of the site, as in the guest.
LIST = """
import importlib, json, sys
exec(sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
print(json.dumps([module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)]))
"""


def imported(program):
    for node in ast.walk(ast.parse(program.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def libraries(program):
    said = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.findall(r"(?:=> |^\s*)(/\S+) \(0x", said, re.M)


def files(program, work, statements=""):
    """
    By path in the guest: which file, for hvhost_vm.make_initrd(). There `bin/python3 -I -S` runs the program. What is
    compiled, for a guest in emulation is slow at that, goes to the folder `work`. `statements` come first: they find and load what the program does not by itself.
    """
    done = subprocess.run([PYTHON, "-I", "-S", "-c", LIST, statements, *imported(program)], stdout=subprocess.PIPE, text=True, check=True)
    paths = [pathlib.Path(path) for path in json.loads(done.stdout)]
    found = {"bin/python3": PYTHON}
    for path in [PYTHON, *(path for path in paths if path.suffix == ".so")]:
        found.update((library.lstrip("/"), library) for library in libraries(path))
    for path in paths:
        if path.suffix == ".py":
            compiled = work / path.relative_to("/").with_suffix(".pyc")
            py_compile.compile(path, cfile=compiled, doraise=True)
            found[str(compiled.relative_to(work))] = compiled
        else:
            found[str(path.relative_to("/"))] = path
    return found
