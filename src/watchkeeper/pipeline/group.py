"""What a group of acknowledged batches changes, gathered by partition before any of it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from watchkeeper.pipeline.catalog import Model, Version
from watchkeeper.pipeline.partition import Key, Partition
from watchkeeper.sketches.kernel import Int64s, UInt64s


@dataclass(slots=True)
class Entry:
    """A batch from the inbox: its place in the order of arrival, whose it is, and its rows."""

    seq: int
    model: Model
    version: Version | None
    stage: str
    kind: str
    received: int
    rows: pa.Table

    def latest(self) -> int | None:
        """Return its largest event time, in microseconds; None where it has no rows."""
        return int(times_of(self.rows).max()) if self.rows.num_rows else None


@dataclass(slots=True)
class Late:
    """Labels of one model, each with the order in which it came; ``waiting`` is its number if it had come before."""

    ids: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    waiting: list[int | None] = field(default_factory=list)

    def add(self, table: pa.Table, received: int, waiting: int | None = None) -> None:
        """Add a table of labels (``@id``, ``@target``, ``@time``) that came in one batch."""
        count = table.num_rows
        self.ids += table["@id"].to_pylist()
        self.values += table["@target"].to_pylist()
        self.times += times_of(table).tolist()
        self.received += [received] * count
        self.waiting += [waiting] * count

    def row(self, place: int) -> tuple[str, Any, int, int]:
        """Return one label as ``(id, label, time, received)``."""
        return self.ids[place], self.values[place], self.times[place], self.received[place]


@dataclass(slots=True)
class Change:
    """What a group does to one partition.

    Attributes
    ----------
    rows
        New rows without their labels, with the schema's names.
    labels
        New labels of its rows as ``(id, label, time, received)``, in the order in which they came.
    """

    partition: Partition
    rows: list[pa.Table] = field(default_factory=list)
    hashes: list[UInt64s] = field(default_factory=list)
    foreign: list[UInt64s] = field(default_factory=list)
    labels: list[tuple[str, Any, int, int]] = field(default_factory=list)
    label_hashes: list[int] = field(default_factory=list)

    def winners(self) -> dict[str, tuple[int, int, Any]]:
        """Return the label of each id that counts, of those that are new."""
        found: dict[str, tuple[int, int, Any]] = {}
        for name, value, time, received in self.labels:
            old = found.get(name)
            if old is None or (time, received) >= old[:2]:
                found[name] = (time, received, value)
        return found


@dataclass(slots=True)
class Group:
    """All that a group of batches changes.

    Attributes
    ----------
    changes, late
        By partition, and the labels by model.
    watermarks, counts, unknown
        Largest event time by model; counters by model and name; columns by version that its schema does not know.
    unmet, met
        New labels by model, with the hash of the id, whose prediction is not there; numbers of those that had waited.
    """

    changes: dict[Key, Change] = field(default_factory=dict)
    late: dict[int, Late] = field(default_factory=dict)
    watermarks: dict[int, int] = field(default_factory=dict)
    counts: dict[tuple[int, str], int] = field(default_factory=dict)
    unknown: dict[int, list[str]] = field(default_factory=dict)
    unmet: dict[int, list[tuple[int, tuple[str, Any, int, int]]]] = field(default_factory=dict)
    met: list[int | None] = field(default_factory=list)

    def count(self, model: int, name: str, by: int) -> None:
        """Count something that happened to a model's rows."""
        if by:
            self.counts[model, name] = self.counts.get((model, name), 0) + by


def times_of(table: pa.Table | pa.RecordBatch) -> Int64s:
    """Return the event times of rows that came in, in microseconds."""
    column = table["@time"]
    found: Int64s = (
        column.cast(pa.int64()).to_numpy(zero_copy_only=False)
        if isinstance(column, pa.Array)
        else (column.cast(pa.int64()).to_numpy())
    )
    return found


def slices_by(starts: Int64s) -> list[tuple[int, Int64s]]:
    """Return each distinct start with the places that have it, in order."""
    order = np.argsort(starts, kind="stable")
    ordered = starts[order]
    edges = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else order
    pieces = np.split(order, edges[1:]) if len(order) else []
    return [(int(ordered[edge]), piece) for edge, piece in zip(edges.tolist(), pieces, strict=True)]
