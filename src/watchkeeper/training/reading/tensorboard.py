"""Read scalars from TensorBoard's event files, without TensorFlow or TensorBoard.

References
----------
TensorFlow, ``core/util/event.proto``, ``core/framework/summary.proto`` and ``tensor.proto``: the numbers of the fields.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from watchkeeper.errors import UnreadableSource
from watchkeeper.training.reading.log import Log
from watchkeeper.training.reading.tfrecord import Malformed, fields, frames, masked_crc

MARK = "tfevents"
_STEP, _SUMMARY = 2, 5
_VALUE = 1
_TAG, _SIMPLE, _TENSOR = 1, 2, 8
_TYPE, _SHAPE, _CONTENT, _FLOATS, _DOUBLES = 1, 2, 4, 5, 6
_FORMATS = {1: "<f", 2: "<d"}
_SMALL = 512
"""Bytes up to which an event's checksum is looked at though it has no scalar: pictures and histograms are not worth it."""
Scalar = tuple[int, str, float]


def read_events(name: str, files: Sequence[tuple[str, Path]]) -> Log:
    """Read the scalars of event files, each with what is put before its tags, in the order of their names.

    What a writer that is still at work, or was killed, left unfinished is read as far as it goes.

    Raises
    ------
    UnreadableSource
        A file is none of TensorBoard's, is damaged, or no file has a scalar.
    """
    log = Log(name, "TensorBoard")
    for before, path in files:
        for step, tag, value in scalars(path):
            log.add(before + tag, step, value)
    if not log.points:
        raise UnreadableSource(str(files[0][1]), "it has no scalars.")
    return log


def scalars(path: Path) -> Iterator[Scalar]:
    """Yield step, tag and value of each scalar in a file.

    Raises
    ------
    UnreadableSource
        It is no event file, or a checksum is wrong.
    """
    with path.open("rb") as file:
        try:
            for data, check in frames(file):
                found = list(_scalars(data))
                if (found or len(data) <= _SMALL) and masked_crc(data) != check:
                    raise Malformed("what stands there does not fit its checksum")
                yield from found
        except Malformed as error:
            raise UnreadableSource(str(path), f"it is no event file, or a damaged one: {error}.") from error


def _scalars(event: bytes) -> Iterator[Scalar]:
    step, summaries = 0, []
    for number, value, data in fields(event):
        if number == _STEP:
            step = value - (1 << 64) if value >> 63 else value
        elif number == _SUMMARY:
            summaries.append(data)
    for summary in summaries:
        for number, _, data in fields(summary):
            if number == _VALUE and (scalar := _scalar(data)) is not None:
                yield max(step, 0), *scalar


def _scalar(message: bytes) -> tuple[str, float] | None:
    """Return tag and number of a summary's value; None for pictures, histograms and texts."""
    tag, found = "", None
    for number, _, data in fields(message):
        if number == _TAG:
            tag = data.decode("utf-8", "replace")
        elif number == _SIMPLE:
            found = struct.unpack("<f", data)[0]
        elif number == _TENSOR:
            found = _number(data)
    return None if found is None or not tag else (tag, float(found))


def _number(tensor: bytes) -> float | None:
    """Return the one number of a tensor of floats without dimensions; None for any other."""
    kind, packed = 0, b""
    for number, value, data in fields(tensor):
        if number == _TYPE:
            kind = value
        elif number == _SHAPE and data:
            return None
        elif number in {_CONTENT, _FLOATS, _DOUBLES}:
            packed = data
    form = _FORMATS.get(kind)
    return float(struct.unpack(form, packed)[0]) if form and len(packed) == struct.calcsize(form) else None
