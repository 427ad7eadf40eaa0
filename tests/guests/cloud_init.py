# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""cloud-init's own reporting to Hyper-V, for tests that read what it writes.

usage in a guest: python3 -I -S cloud_init.py PACKAGE POOL EVENTS

PACKAGE is the unpacked package, POOL the pool's file.
"""

import sys
import types


class UnusedType(type):
    def __getattr__(cls, name):
        return UnusedType(name, (Exception,), {"add_constructor": lambda *_: None})


class Unused(types.ModuleType):
    """In place of libraries that cloud-init's modules load and its reporting does not need."""

    __file__ = None

    def __getattr__(self, name):
        return UnusedType(name, (Exception,), {"add_constructor": lambda *_: None})


def load(package):
    """cloud-init's class, and its event's."""
    sys.path.insert(0, f"{package}/usr/lib/python3/dist-packages")
    for name in ("requests", "yaml"):
        sys.modules[name] = Unused(name)
    from cloudinit.reporting import events, handlers
    return handlers.HyperVKvpReportingHandler, events.FinishReportingEvent


def text(number):
    """What event `number` says: every fiftieth is too long for one pair."""
    return "grün € 💾 " * 8 if number % 50 else "long " * 700


def publish(package, pool, count):
    """Yields the number of each event once cloud-init has it."""
    handler, event = load(package)
    reporter = handler(kvp_file_path=pool)
    for number in range(count):
        reporter.publish_event(event(f"stage-{number}", text(number), result="SUCCESS"))
        yield number
    reporter.flush()


def wrong(told, count):
    """What is not as `count` events were published, each once; `told`: (key, the object that its value holds) of each pair."""
    texts = {}
    for key, said in sorted(told, key=lambda pair: pair[1].get("msg_i", 0)):
        event = key.rpartition("|")[0] if "msg_i" in said else key
        texts.setdefault((event, said["name"]), []).append(said["msg"])
    found = sorted((name, "".join(parts)) for (_, name), parts in texts.items())
    wanted = sorted((f"stage-{number}", text(number)) for number in range(count))
    return [] if found == wanted else [each for each in found if each not in wanted] or [each for each in wanted if each not in found] or "twice"


if __name__ == "__main__":
    for _ in publish(sys.argv[1], sys.argv[2], int(sys.argv[3])):
        pass
