# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Guests that wait at a shell on their serial line: types commands and reads what they print. The Vm needs talk=True."""

import base64
import re
import time

from hvhost_vm import VmError

ANSWER_TIMEOUT = 180  # where others use the machine too
LOGIN = "login: "
PROMPT = "root # "


def ask(vm, command, pattern):
    """Types it and waits for what it prints: (match, when it was typed, when it was seen)."""
    before, typed = len(vm.text()), time.time()
    vm.say(command)
    found = vm.wait(f"answer to {command}", ANSWER_TIMEOUT, lambda: re.search(pattern, vm.text()[before:], re.M), pause=0.01)
    return found, typed, time.time()


def order(vm, command, timeout=ANSWER_TIMEOUT):
    """Types a command; what it printed, and whether it succeeded."""
    before = len(vm.text())
    vm.say(f"{command}; echo gue''st: status $?")
    said = vm.wait(f"answer to {command}", timeout,
                   lambda: re.search(r"(?s)(.*)guest: status (\d+)", vm.text()[before:]), pause=0.05)
    return re.sub(r"^(/ # )+", "", said[1].replace("\r", ""), flags=re.M), int(said[2]) == 0


class Shell:
    """One boot."""

    def __init__(self, tap, vm):
        self.tap, self.vm = tap, vm

    def order(self, command, timeout=ANSWER_TIMEOUT):
        return order(self.vm, command, timeout)

    def must(self, command):
        """What it printed; raises unless it succeeded."""
        said, good = self.order(command)
        if not good:
            raise VmError(f"{command}: {said}")
        return said

    def check(self, what, command):
        """It is a failure of the test unless it succeeds; what it printed."""
        said, good = self.order(command)
        self.tap.check(what, good, said[-600:])
        return said


def log_in(vm, timeout, since=0):
    """For the guest of tests/guests/login: waits for the login that comes after `since` characters of the serial line."""
    vm.wait("the guest asks for a login", timeout, lambda: LOGIN in vm.text()[since:])
    vm.say("root")
    vm.wait("a prompt", ANSWER_TIMEOUT, lambda: PROMPT in vm.text()[since:].partition(LOGIN)[2])
    # What is typed is not printed from here on.
    ask(vm, "stty -echo; echo quiet''ed", "quieted\r?\n")


def nmis(vm):
    """NMIs counted so far, by processor."""
    return [int(n) for n in ask(vm, "grep NMI: /proc/interrupts", r"NMI:((?: +\d+)+) +Non")[0][1].split()]


def one_clock_error(vm, offset):
    found, typed, seen = ask(vm, "adjtimex", r"tv_sec: +(\d+)\r?\n *time\.tv_usec: +(\d+)\r?\n")
    guest = int(found[1]) + int(found[2]) / 1e6 - offset
    return guest - seen, guest - typed


def clock_error(vm, offset=0, tries=5):
    """
    The least and the greatest by which the guest's clock can be ahead of this machine's plus the offset: it was read between
    typing and seeing the answer. The narrowest of some tries.
    """
    return min((one_clock_error(vm, offset) for _ in range(tries)), key=lambda error: error[1] - error[0])


def run(vm, script, timeout):
    """Exit status and output of a shell script of any length. Meanwhile nobody else must speak on the serial line."""
    before = len(vm.text())
    vm.say("base64 -d > /run/script << END")
    for line in base64.encodebytes(script.encode()).decode().splitlines() + ["END"]:
        vm.say(line)
    vm.say("echo be''gin; sh /run/script < /dev/null; echo en''ded $?")
    found = vm.wait(f"end of {script}", timeout, lambda: re.search(r"begin\r?\n((?s:.*?))ended (\d+)\r?\n", vm.text()[before:]))
    return int(found[2]), found[1].replace("\r", "")
