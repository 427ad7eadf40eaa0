# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A guest that tries drivers of the services: gives orders to tests/guests/drivers, and asks the host what came of it."""

import re

from hvhost_vm import VmError

BOOT_TIMEOUT = 300
ORDER_TIMEOUT = 120
SETTLE_TIMEOUT = 60
# By its name: class, and the versions that ours and the host have in common.
SERVICES = {"heartbeat": ("{57164f39-9115-4e78-ab55-382f3bd5422d}", "3.0"),
            "shutdown": ("{0e0b6031-5213-4934-818b-38d90ced39db}", "3.2"),
            "timesync": ("{9527e630-d0ae-497b-adce-e80ab0175caf}", "4.0")}
FOLDERS = {"ours": "ours", "stock": "modules"}


class Guest:
    """One boot: gives orders to tests/guests/drivers."""

    def __init__(self, vm):
        self.vm = vm
        self.trouble = []

    def order(self, words):
        """What the guest says to it; raises unless it did it."""
        before = len(self.vm.text())
        self.vm.say(words)
        said = self.vm.wait(f"the guest's answer to {words}", ORDER_TIMEOUT,
                            lambda: "guest: done" in self.vm.text()[before:] and self.vm.text()[before:], pause=0.02)
        self.trouble += re.findall(r"^guest: trouble: .*$", said, re.M)
        if f"guest: did {words}" not in said:
            raise VmError(f"{words}: {said}")
        return said.replace("\r", "")

    def kernel_log(self, words):
        return re.findall(r"^guest: kernel: (.*)$", self.order(words), re.M)

    def settle(self, what, ready):
        def look():
            status = self.vm.status()
            return status and ready(status) and status
        return self.vm.wait(what, SETTLE_TIMEOUT, look, pause=0.05)

    def answering(self):
        return self.settle("all services answer", lambda status: all(answers(status["services"][name]) for name in SERVICES))

    def held(self, expected):
        """What the host holds: as expected, or as it is when that takes too long."""
        try:
            return self.settle("resources", lambda status: status["resources"] == expected)["resources"]
        except VmError:
            return self.vm.status().get("resources")

    def bound(self, driver):
        said = self.order(f"show {driver}")
        return {name for name, (class_id, _) in SERVICES.items() if f"guest: device {class_id} driver {driver}" in said}


def answers(service):
    """What the host has from the guest since the service was opened: a heartbeat, a clock that was set, or its versions."""
    return service and service["state"] == "ready" and service.get("syncs", 1) and (
        "verdict" not in service or service["replies"] > 0)
