"""How a batch lies on disk, so that every cut and every flipped byte is seen.

A whole batch is ``CHECKSUM HEADER`` on a line, then the body; the checksum is of everything behind it. A batch that grows
row by row has a line ``CHECKSUM JSON`` for its header and for every row: a process that dies leaves at most the last line torn.
One that was handed over ends with what the process used, a line without its end.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from watchkeeper.client.batch import JSON, Batch, body, kind_of
from watchkeeper.client.usage import Usage


class DamagedError(ValueError):
    """A file that is not what was written."""


def pack(batch: Batch) -> bytes:
    """Return a whole batch as the bytes of its file."""
    header: dict[str, Any] = {"id": batch.id, "target": batch.target, "type": batch.content_type, "rows": batch.rows}
    header |= batch.usage.told() if batch.usage is not None else {}
    rest = json.dumps(header).encode("ascii") + b"\n" + batch.body
    return b"%08x " % zlib.crc32(rest) + rest


def unpack(data: bytes) -> Batch:
    """Return the batch that :func:`pack` wrote, or raise DamagedError."""
    header, _, content = _checked(data).partition(b"\n")
    about = _object(header)
    return Batch(about["id"], about["target"], content, about["rows"], about["type"], _usage(about))


def pack_line(text: str) -> bytes:
    """Return one line, header or row, of a batch that grows."""
    raw = text.encode("ascii")
    return b"%08x %b\n" % (zlib.crc32(raw), raw)


def pack_header(id: str, target: str) -> bytes:  # noqa: A002 - the word that users type
    """Return the first line of a batch that grows."""
    return pack_line(json.dumps({"id": id, "target": target}))


def pack_usage(usage: Usage) -> bytes:
    """Return the end of a batch that grew. Without the end of its line it is what a torn row is to those who do not know it."""
    return pack_line(json.dumps(usage.told())).rstrip(b"\n")


def unpack_lines(data: bytes) -> tuple[Batch, int]:
    """Return a batch that grew row by row, and how many lines in it are damaged; DamagedError where its header is.

    A last line without its end was never promised to anybody and does not count.
    """
    lines = data.split(b"\n")
    last = lines.pop()  # empty, torn, or what the process used
    about = _object(_checked(lines[0] if lines else b""))
    whole, damaged = [], 0
    for each in lines[1:]:
        try:
            whole.append(_checked(each).decode("ascii"))
        except ValueError:
            damaged += 1
    target = about["target"]
    return Batch(about["id"], target, body(kind_of(target), whole), len(whole), JSON, _last_usage(last)), damaged


def _checked(data: bytes) -> bytes:
    if data[8:9] != b" " or data[:8] != b"%08x" % zlib.crc32(data[9:]):
        raise DamagedError("the checksum does not fit")
    return data[9:]


def _usage(about: dict[str, Any]) -> Usage | None:
    return Usage.read(about.get("cpu_seconds"), about.get("rss_bytes"))


def _last_usage(text: bytes) -> Usage | None:
    try:
        return _usage(_object(_checked(text)))
    except ValueError:
        return None


def _object(text: bytes) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise DamagedError("there is no header")
    return found
