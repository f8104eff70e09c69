"""Answers as bytes: JSON without NaN, tables as JSON records or Arrow, piece by piece."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from starlette.responses import Response

_ROWS = 500
_ARROW_ROWS = 10_000


def plain(value: Any) -> Any:
    """Return a value as JSON can write it: numbers that are none become null, moments ISO 8601 text in UTC."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat().replace("+00:00", "Z")
    if value is None or isinstance(value, bool | int | str):
        return value
    if hasattr(value, "item"):
        return plain(value.item())
    return value.isoformat() if isinstance(value, date) else str(value)


def to_json(value: Any) -> bytes:
    """Return a value as JSON."""
    return json.dumps(plain(value), allow_nan=False, separators=(",", ":")).encode()


def json_answer(content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return JSON bytes as an answer."""
    return Response(content, status, headers, "application/json")


def json_pieces(name: str, table: pa.Table) -> Iterator[bytes]:
    """Yield a table as ``{"name": [record, ...]}``."""
    yield b'{"' + name.encode() + b'":['
    for start in range(0, len(table), _ROWS):
        records = table.slice(start, _ROWS).to_pylist()
        text = b",".join(map(to_json, records))
        yield text if start == 0 else b"," + text
    yield b"]}"


def arrow_pieces(table: pa.Table) -> Iterator[bytes]:
    """Yield a table as an Arrow IPC stream."""
    sink = _Pieces()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), table.schema) as writer:
        for batch in table.to_batches(max_chunksize=_ARROW_ROWS):
            writer.write_batch(batch)
            yield sink.take()
    yield sink.take()


class _Pieces:
    """A file that gives away what was written to it."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        return len(self._held[-1])

    def take(self) -> bytes:
        held, self._held = b"".join(self._held), []
        return held

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        self.closed = True
