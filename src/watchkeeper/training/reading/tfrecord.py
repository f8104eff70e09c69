"""Frames of TensorFlow's record files, and the few fields of protocol buffers that a scalar in them is made of.

References
----------
TensorFlow, ``core/lib/io/record_writer.h``: a frame is the length (8 bytes), its masked CRC-32C, the data, and theirs.
Protocol Buffers, *Encoding*: keys, varints, fixed numbers and fields with a length. CRC-32C: Castagnoli and others, 1993.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

_POLYNOMIAL = 0x82F63B78
_TABLE = [0] * 256
for _byte in range(256):
    _rest = _byte
    for _ in range(8):
        _rest = _rest >> 1 ^ (_POLYNOMIAL if _rest & 1 else 0)
    _TABLE[_byte] = _rest
MOST = 1 << 30
Field = tuple[int, int, bytes]


class Malformed(ValueError):
    """Bytes that are no frame or no message."""


def masked_crc(data: bytes) -> int:
    """Return the CRC-32C of bytes, rotated and shifted as record files have it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frames(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield the data of each whole frame and the checksum that it should have; a frame that is cut short ends the file.

    Raises
    ------
    Malformed
        The length does not fit its checksum.
    """
    while len(head := file.read(12)) == 12:
        length, check = struct.unpack("<QI", head)
        if masked_crc(head[:8]) != check or length > MOST:
            raise Malformed("a length does not fit its checksum")
        data, tail = file.read(length), file.read(4)
        if len(data) < length or len(tail) < 4:
            return
        yield data, struct.unpack("<I", tail)[0]


def fields(message: bytes) -> Iterator[Field]:
    """Yield number, value and bytes of each field: the value of varints, the bytes of all others.

    Raises
    ------
    Malformed
        The message is cut short, or of a kind that is not known.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(message, place)
            yield number, value, b""
            continue
        if kind == 2:
            size, place = _varint(message, place)
        else:
            size = {1: 8, 5: 4}.get(kind, -1)
        if size < 0 or place + size > len(message):
            raise Malformed(f"field {number} is cut short")
        yield number, 0, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 70:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
    raise Malformed("a number is cut short")
