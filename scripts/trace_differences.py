#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How the trace of a run differs from that of a reference, judged by a reviewed list of differences with their reasons.

usage: trace_differences.py VERSION REFERENCE TRACE LIST SECTION

REFERENCE and TRACE are what "hvhost trace normalise" printed; VERSION is the VMBus version that both agreed on. The list
is the table below the heading SECTION of the Markdown file LIST, with these columns:

  VMBus       the versions at which it is so; "all"
  stream      "bus", or the device whose channel it is; several with commas
  message     the message that differs; or "after" the one behind which something is said that the other does not say
  difference  what differs, as this program prints it
  why         the reason, without which a line counts for nothing

Printed is each difference that the list has not got, as a line for it, and each line of the list that is no difference.
Exit: 0 as listed, 1 not, 2 usage.

Streams are compared message by message, field by field. How often the host asks is a matter of time: of requests that come
again and again (heartbeats, times) each stream keeps as many, with their answers, as both runs have.
"""
import difflib
import json
import re
import sys
from dataclasses import dataclass

BUS = "bus"
REPEATED = ("HEARTBEAT", "TIMESYNC")
START = "the beginning"
COLUMNS = ["VMBus", "stream", "message", "difference", "why"]


@dataclass(frozen=True)
class Difference:
    stream: str
    message: str
    text: str


@dataclass(frozen=True)
class Listed:
    versions: tuple
    streams: tuple
    message: str
    text: str
    why: str

    def covers(self, version, difference):
        return (("all" in self.versions or version in self.versions) and difference.stream in self.streams and
                (difference.message, difference.text) == (self.message, self.text))


def name_of(line):
    """What kind of message it is: lines of one name are compared field by field."""
    rndis = line.get("rndis", {})
    kind = (line.get("message") or line.get("ic", {}).get("type") or " ".join(filter(None, (rndis.get("message"), rndis.get("oid")))) or
            line.get("nvsp", {}).get("message") or f"{line['packet']} packet")
    return f"{kind} to {line['to']}"


def is_repeated(line):
    return line.get("ic", {}).get("type") in REPEATED


def split_streams(lines):
    """{name: lines}: a channel's stream is called after the device that its packets name."""
    devices = {line["channel"]: line["device"] for line in lines if "packet" in line}
    streams = {}
    channel = None
    for line in lines:
        # A message that names no channel stands in its channel's stream: normalised traces are sorted so.
        channel = line.get("channel") or line.get("fields", {}).get("channel_id") or channel
        name = BUS if channel is None else devices.get(channel, f"channel {channel}")
        streams.setdefault(name, []).append(line)
    return streams


def keep_repeated(lines, count):
    """Without what comes again and again after the first `count` of it."""
    repeated = [index for index, line in enumerate(lines) if is_repeated(line)]
    return [line for index, line in enumerate(lines) if index not in repeated[count:]]


def flatten(value, path=""):
    """{path of each leaf: its value}"""
    if not isinstance(value, dict):
        return {path: value}
    return {leaf: found for key, inner in value.items() for leaf, found in flatten(inner, f"{path}.{key}" if path else key).items()}


def byte_runs(reference, other):
    """Where both have bytes, by words of four that differ: "payload[4:8] 2c000000 → 24000000"."""
    shared = min(len(reference), len(other)) // 2
    runs = []
    for first in range(0, shared, 4):
        last = min(first + 4, shared)
        if reference[2 * first:2 * last] == other[2 * first:2 * last]:
            continue
        if runs and runs[-1][1] == first:
            runs[-1][1] = last
        else:
            runs.append([first, last])
    return [f"payload[{first}:{last}] {reference[2 * first:2 * last]} → {other[2 * first:2 * last]}" for first, last in runs]


def field_differences(reference, other):
    """Of two lines of one name. That a payload is longer shows in its length."""
    left, right = flatten(reference), flatten(other)
    texts = [f"{path} {json.dumps(left.get(path))} → {json.dumps(right.get(path))}" for path in sorted({*left, *right})
             if path != "payload" and left.get(path) != right.get(path)]
    return texts + byte_runs(left.get("payload", ""), right.get("payload", ""))


def stream_differences(stream, reference, other):
    """In the order of the streams; each once, however often it occurs."""
    names = [[name_of(line) for line in lines] for lines in (reference, other)]
    found = []
    for kind, first, last, begin, end in difflib.SequenceMatcher(None, *names, autojunk=False).get_opcodes():
        if kind == "equal":
            for left, right in zip(reference[first:last], other[begin:end]):
                texts = field_differences(left, right)
                if texts:
                    found.append(Difference(stream, name_of(left), "; ".join(texts)))
            continue
        # What only one says stands behind the last that both said.
        after = f"after {names[0][first - 1] if first else START}"
        texts = [f"{who}: {', '.join(said)}" for who, said in (("reference only", names[0][first:last]),
                                                              ("other only", names[1][begin:end])) if said]
        found.append(Difference(stream, after, "; ".join(texts)))
    return list(dict.fromkeys(found))


def differences(reference, other):
    """Of two normalised traces, as lists of their lines' objects."""
    streams = split_streams(reference), split_streams(other)
    found = []
    for stream in dict.fromkeys([*streams[0], *streams[1]]):
        both = [lines.get(stream, []) for lines in streams]
        count = min(sum(map(is_repeated, lines)) for lines in both)
        found += stream_differences(stream, *(keep_repeated(lines, count) for lines in both))
    return found


def cells_of(line):
    return [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]


def read_list(path, section):
    """The table below the heading; ValueError where there is none or a line of it is not whole."""
    with open(path, encoding="utf-8") as file:
        parts = re.split(r"^## (.*)\n", file.read(), flags=re.M)
    texts = dict(zip(parts[1::2], parts[2::2]))
    rows = [cells_of(line) for line in texts.get(section, "").splitlines() if line.startswith("|")]
    if len(rows) < 2 or rows[0] != COLUMNS:
        raise ValueError(f"{path}: no table \"{section}\" with the columns {', '.join(COLUMNS)}")
    for row in rows[2:]:
        if len(row) != len(COLUMNS) or not all(row):
            raise ValueError(f"{path}: \"{section}\": this line is not whole: {' | '.join(row)}")
    return [Listed(tuple(re.split(", *", row[0])), tuple(re.split(", *", row[1])), *row[2:]) for row in rows[2:]]


def as_line(version, difference):
    return f"| {version} | {difference.stream} | {difference.message} | `{difference.text}` | |"


def judge(version, found, listed):
    """Of each difference whether the list has it, of each of its lines whether it occurs: (not listed, not found)."""
    unlisted = [difference for difference in found if not any(line.covers(version, difference) for line in listed)]
    missing = [(stream, line) for line in listed if "all" in line.versions or version in line.versions for stream in line.streams
               if Difference(stream, line.message, line.text) not in found]
    return ([as_line(version, difference) for difference in unlisted],
            [as_line(version, Difference(stream, line.message, line.text)) for stream, line in missing])


def read_trace(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def main():
    if len(sys.argv) != 6:
        print(next(line for line in __doc__.splitlines() if line.startswith("usage:")), file=sys.stderr)
        sys.exit(2)
    version, reference, other, path, section = sys.argv[1:]
    unlisted, missing = judge(version, differences(read_trace(reference), read_trace(other)), read_list(path, section))
    for line in unlisted:
        print(f"not listed: {line}")
    for line in missing:
        print(f"not found: {line}")
    sys.exit(1 if unlisted or missing else 0)


if __name__ == "__main__":
    main()
