# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Frames that were recorded, and whether their checksums are right."""

import struct


def checksum(data):
    """The sum of its 16-bit words with the carries added; 0 only of zeros."""
    number = int.from_bytes(data + b"\0" if len(data) % 2 else data, "big")
    return number and (number % 0xffff or 0xffff)


def frames(path):
    """The frames of a pcap file."""
    with open(path, "rb") as file:
        file.seek(24)
        while len(header := file.read(16)) == 16:
            length = struct.unpack_from("<I", header, 8)[0]
            frame = file.read(length)
            if len(frame) == length:
                yield frame


def wrong(frame):
    """What is wrong with a frame's checksums; None: nothing, or it has none."""
    at = 14
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == 0x8100:
        at, kind = 18, struct.unpack_from("!H", frame, 16)[0]
    if kind == 0x0800:
        header = (frame[at] & 15) * 4
        if checksum(frame[at:at + header]) != 0xffff:
            return "IP header"
        length, fragment = struct.unpack_from("!2xH2xH", frame, at)
        if fragment & 0x3fff:
            return None
        protocol, addresses, l4 = frame[at + 9], frame[at + 12:at + 20], frame[at + header:at + length]
    elif kind == 0x86dd:
        protocol, addresses = frame[at + 6], frame[at + 8:at + 40]
        l4 = frame[at + 40:at + 40 + struct.unpack_from("!H", frame, at + 4)[0]]
    else:
        return None
    if protocol == 17 and l4[6:8] == b"\0\0" and kind == 0x0800:
        return None
    if protocol == 6 or protocol == 17 or protocol == 58:
        if checksum(addresses + struct.pack("!II", len(l4), protocol) + l4) != 0xffff:
            return {6: "TCP", 17: "UDP", 58: "ICMPv6"}[protocol]
    elif protocol == 1 and checksum(l4) != 0xffff:
        return "ICMP"
    return None
