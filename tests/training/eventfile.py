"""Writes event files of TensorBoard byte by byte, as the tests of the reader want them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from watchkeeper.training.reading.tfrecord import masked_crc


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def block(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def frame(data: bytes) -> bytes:
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked_crc(head)) + data + struct.pack("<I", masked_crc(data))


def event(step: int, *values: bytes) -> bytes:
    """Return an event: the time, the step, and a summary of values."""
    body = struct.pack("<d", 1.7e9)
    return frame(
        varint(1 << 3 | 1) + body + varint(2 << 3) + varint(step) + block(5, b"".join(block(1, v) for v in values))
    )


def simple(tag: str, value: float) -> bytes:
    return block(1, tag.encode()) + varint(2 << 3 | 5) + struct.pack("<f", value)


def tensor(tag: str, value: float, *, double: bool = False) -> bytes:
    packed = struct.pack("<d" if double else "<f", value)
    inside = varint(1 << 3) + varint(2 if double else 1) + block(2, b"") + block(4, packed)
    return block(1, tag.encode()) + block(8, inside)


def text(tag: str, words: str) -> bytes:
    return block(1, tag.encode()) + block(8, varint(1 << 3) + varint(7) + block(8, words.encode()))


def event_file(losses: Sequence[float], tag: str = "loss/train") -> bytes:
    """Return a file whose first event has the version and whose others have a loss each."""
    first = frame(varint(1 << 3 | 1) + struct.pack("<d", 1.7e9) + block(3, b"brain.Event:2"))
    return first + b"".join(event(step, simple(tag, loss)) for step, loss in enumerate(losses))
