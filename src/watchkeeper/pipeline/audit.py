"""Who did what and when, append-only: each record holds the digest of the one before, so that no edit goes unseen."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import Any

from watchkeeper.pipeline.apply import now
from watchkeeper.pipeline.catalog import project_id
from watchkeeper.store import rows

_FIRST = b""


def record(
    connection: sqlite3.Connection,
    project: str,
    actor: str,
    what: str,
    target: str,
    detail: dict[str, Any] | None = None,
) -> None:
    """Append a record, in the transaction of what it tells of.

    Parameters
    ----------
    actor
        The name of a key, ``server`` for what it did by itself, ``operator`` for a command over the open store.
    what
        A verb and its object, such as ``incident.acknowledge``, ``key.create``, ``action.start``.
    """
    last = connection.execute("SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    seq, previous = (last[0] + 1, last[1]) if last else (1, _FIRST)
    told = json.dumps(detail or {}, sort_keys=True, default=str)
    number, at = project_id(connection, project), now()
    digest = _digest(seq, at, number, actor, what, target, told, previous)
    rows.insert(
        connection, "audit", seq=seq, at=at, project_id=number, actor=actor, what=what, target=target, detail=told,
        previous=previous, digest=digest,
    )  # fmt: skip


def first_broken(connection: sqlite3.Connection) -> int | None:
    """Return the first record that is not as it was written, or whose predecessor is missing; None where all are fine."""
    previous, expected = _FIRST, 1
    names = "seq, at, project_id, actor, what, target, detail, previous, digest"
    for *told, before, digest in connection.execute(f"SELECT {names} FROM audit ORDER BY seq"):
        if told[0] != expected or before != previous or digest != _digest(*told, before):
            return expected
        previous, expected = digest, expected + 1
    return None


def _digest(*told: Any) -> bytes:
    return hashlib.sha256(b"\0".join(repr(value).encode() for value in told)).digest()
