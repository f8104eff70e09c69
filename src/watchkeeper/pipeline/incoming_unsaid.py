"""What a table leaves unsaid: roles that the schema of another version tells, and which of its columns is the time."""

from __future__ import annotations

import json
from collections.abc import Collection

import pyarrow as pa

from watchkeeper.errors import InvalidBatch
from watchkeeper.schema import Schema

_SHOWN = 20
_ROLES = ("id", "timestamp", "target", "prediction", "score", "latency", "error", "segments", "sensitive",
          "crossed", "segment_bins", "zone", "task", "positive", "classes")  # fmt: skip


def roles_like(given: Schema | None, other: Schema, columns: Collection[str]) -> Schema | None:
    """Return the roles of another version's schema, for a table that has all its predictions and scores.

    Parameters
    ----------
    given
        What was said of the table's own version, which counts before the other's.
    columns
        The names of the table's columns.

    Returns
    -------
    roles
        None where the table lacks one of these columns, or there are none.
    """
    needed = [*([other.prediction] if other.prediction else []), *other.scores().values()]
    if not needed or not set(needed) <= set(columns):
        return None
    made = (given or Schema()).replace()
    for role in _ROLES:
        if getattr(made, role) in (None, [], {}):
            setattr(made, role, getattr(other, role))
    for role in ("id", "timestamp"):
        if getattr(made, role) not in columns:
            setattr(made, role, getattr(given, role) if given is not None else None)
    made.segments = [name for name in made.segments if name in columns]
    made.sensitive = [name for name in made.sensitive if name in columns]
    made.crossed = [pair for pair in made.crossed if set(pair) <= set(columns)]
    made.segment_bins = {name: edges for name, edges in made.segment_bins.items() if name in columns}
    return made


def nothing_predicted(columns: Collection[str]) -> InvalidBatch:
    """Return the error that no column is known to be a prediction, score or error."""
    names = sorted(columns)
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return InvalidBatch(
        "A table of predictions has a column of predictions, scores or errors; this one has none that is known to be one. "
        f"It has: {shown}. Set the version's reference, register its schema, or name --score or --prediction "
        "('watchkeeper log')."
    )


def check_times(metadata: dict[bytes, bytes] | None, columns: dict[str, pa.ChunkedArray]) -> None:
    """Refuse rows of a file that nobody said the times of, where a column may hold them: they would all be of this hour.

    Raises
    ------
    InvalidBatch
        The sender asks for it (``{"times": "told"}`` under ``watchkeeper``), no column is the time, and one has times.
    """
    if "@time" in columns or _said(metadata).get("times") != "told":
        return
    found = [name for name, column in columns.items() if not name.startswith("@") and _is_time(column.type)]
    if found:
        hint = f"did you mean --timestamp {found[0]}?" if len(found) == 1 else f"it may be one of {', '.join(found)}."
        raise InvalidBatch(
            f"Nobody said which column is the time of the predictions, so all would be of this hour: {hint} "
            "Say --timestamp now if they were made just now."
        )


def _said(metadata: dict[bytes, bytes] | None) -> dict[str, object]:
    try:
        found = json.loads((metadata or {}).get(b"watchkeeper", b"{}"))
    except ValueError:  # is refused where its other words are read
        return {}
    return found if isinstance(found, dict) else {}


def _is_time(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))
