"""What goes to the server in one request and is counted once: a body under an id."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from watchkeeper.client.usage import Usage
from watchkeeper.client.values import plain_row

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
MOST_BODY = 4 * 2**20
MOST_LINE = 2**20
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """A body, where it goes (path and query below ``/api/v1``), how many rows it holds, and what the process used."""

    id: str
    target: str
    body: bytes
    rows: int
    content_type: str = JSON
    usage: Usage | None = None


def line(row: Row) -> str | None:
    """Return a row as JSON; None for one that cannot be put into a megabyte."""
    try:
        text = _encode(row)
        if len(text) <= MOST_LINE and "\\ud" not in text:
            return text
    except (TypeError, ValueError, RecursionError, RuntimeError):  # keys or numbers that JSON does not have
        pass
    text = _encode(plain_row(row))
    return text if len(text) <= MOST_LINE else None


def body(kind: str, lines: Iterable[str]) -> bytes:
    """Return the body of a batch of ``kind`` (``predictions`` or ``labels``) from its rows as JSON."""
    return f'{{"{kind}":[{",".join(lines)}]}}'.encode("ascii")


def kind_of(target: str) -> str:
    """Return what a target takes: ``predictions`` or ``labels``."""
    return target.partition("?")[0].strip("/")
