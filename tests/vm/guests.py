# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Stock Linux guests of the VM tests: which VMBus versions they take, and when their drivers are at work."""

SERVICES = ("heartbeat", "shutdown", "timesync")
# Drivers for key-value pairs, backup and file copy open their channels too, and then wait for daemons that these guests do not have. For
# file copy kernels have a driver up to 6.9; the one for backup wants VMBus 3.0 or newer.
CHANNELS = len(SERVICES) + 3

# The highest VMBus version of each Debian suite's kernel; and what hosts are capped to.
SUITES = {"bookworm": "5.3", "bullseye": "5.2", "trixie": "5.3", "sid": "5.3"}
# By version: suite and flavour
KERNELS = {"5.10": ("bullseye", "cloud"), "6.1": ("bookworm", "cloud"), "6.12": ("trixie", "cloud"), "7.2": ("sid", "cloud")}
CAPS = ("5.2", "5.1", "5.0", "4.1", "4.0", "3.0", "2.4")


def capped():
    """(suite, version) for each suite and each lower version that it takes."""
    return [(suite, cap) for suite, version in SUITES.items() for cap in CAPS if float(cap) < float(version)]


def ready(vm):
    """The status, once the guest serves all devices."""
    status = vm.status()
    services = status.get("services", {})
    return all(services.get(name, {}).get("state") == "ready" for name in SERVICES) and status


def answered(vm, heartbeats=1):
    """The same, once the time was taken and so many heartbeats came back."""
    status = ready(vm)
    services = status and status["services"]
    return services and services["timesync"]["replies"] and services["heartbeat"]["replies"] >= heartbeats and status
