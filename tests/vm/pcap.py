# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Frames that were recorded, and whether their checksums are right."""

import struct


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def frames(path):
    """The frames of a pcap file."""
    data = path.read_bytes()
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + length]
        at += 16 + length


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
