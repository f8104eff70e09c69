"""A partition: the rows of one version and stage in one hour of event time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.capture.batch import Batch, category_text
from watchkeeper.errors import CorruptStore
from watchkeeper.pipeline.body import from_body
from watchkeeper.pipeline.catalog import Version
from watchkeeper.pipeline.identity import IdSet, hashes_of
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import NUMBER_TASKS, Schema
from watchkeeper.sketches.kernel import UInt64s
from watchkeeper.store import files, rows
from watchkeeper.window import moment

LABELS = pa.schema(
    [("id", pa.string()), ("time", pa.timestamp("us", "UTC")), ("received", pa.int64())]
)  # and the label itself, of whatever type it came in
Key = tuple[int, str, int]
"""Version, stage, and the start of the hour in microseconds."""


@dataclass(slots=True)
class Partition:
    """What the worker knows of a partition; all of it can be made anew from the store.

    Attributes
    ----------
    id
        Its number in the store; None until it is first written.
    ids, labelled
        Hashes of the ids of its rows, and of those that have a label.
    """

    version: Version
    stage: str
    start: int
    id: int | None = None
    rows: int = 0
    labels: int = 0
    ids: IdSet = field(default_factory=IdSet)
    labelled: IdSet = field(default_factory=IdSet)

    @property
    def key(self) -> Key:
        """What tells it apart."""
        return self.version.id, self.stage, self.start

    @property
    def place(self) -> str:
        """Its folder below the events: numbers, a stage, a day and an hour."""
        at = moment(self.start)
        return f"model-{self.version.model.id}/version-{self.version.id}/{self.stage}/{at:%Y-%m-%d}/{at:%H%M}"


class RawRows:
    """Reads the raw rows and labels of partitions, from parts in the database and from Parquet files.

    A damaged file or part is reported through ``tell`` and left out: it costs its own rows and nothing else.
    """

    def __init__(self, root: Path, tell: Any) -> None:
        self._root = root
        self._tell = tell

    def read(self, connection: sqlite3.Connection, number: int | None, kind: str) -> list[pa.Table]:
        """Return the tables of a kind (``predictions`` or ``labels``) in the order in which they came."""
        return [] if number is None else list(self._tables(connection, number, kind))

    def _tables(self, connection: sqlite3.Connection, number: int, kind: str) -> Iterator[pa.Table]:
        for file in intact(connection, "file", number, kind, self._tell):
            try:
                yield files.read_rows(self._root, file["path"], file["digest"])
            except CorruptStore as error:
                self._tell("file", file, error)
        for part in intact(connection, "part", number, kind, self._tell):
            try:
                yield from_body(part["body"])
            except CorruptStore as error:
                self._tell("part", part, error)

    def load(self, connection: sqlite3.Connection, version: Version, stage: str, start: int) -> Partition:
        """Return a partition as the store knows it; an empty one where it does not."""
        made = Partition(version, stage, start)
        found = rows.select_one(connection, "partition", version_id=version.id, stage=stage, start=start)
        if found is None:
            return made
        made.id, made.rows, made.labels = found["id"], found["rows"], found["labelled"]
        column = (version.schema or Schema()).id or "id"
        made.ids = IdSet(_hashes([t[column] for t in self.read(connection, made.id, "predictions")]))
        made.labelled = IdSet(_hashes([t["id"] for t in self.read(connection, made.id, "labels")]))
        return made

    def labels_of(self, connection: sqlite3.Connection, number: int | None) -> dict[str, tuple[int, int, Any]]:
        """Return the label of each id: when it became known, its place in the order of arrival, and its value.

        Where an id has several, the one that became known last counts; of those, the one that came last.
        """
        found: dict[str, tuple[int, int, Any]] = {}
        for table in self.read(connection, number, "labels"):
            merge_labels(found, table)
        return found


def intact(
    connection: sqlite3.Connection, table: str, partition: int, kind: str, tell: Any
) -> Iterator[dict[str, Any]]:
    """Yield the rows of ``file`` or ``part`` that a partition has of a kind, in order; a damaged one is told of instead."""
    fine = " AND state = 'fine'" if table == "file" else ""
    query = f"SELECT id FROM {table} WHERE partition_id = ? AND kind = ?{fine} ORDER BY id"
    for (number,) in connection.execute(query, (partition, kind)).fetchall():
        try:
            found = rows.select_one(connection, table, id=number)
        except CorruptStore as error:
            names = rows.COLUMNS[table]
            values = connection.execute(f"SELECT {', '.join(names)} FROM {table} WHERE id = ?", (number,)).fetchone()
            tell(table, dict(zip(names, values, strict=True)), error)
            continue
        if found is not None:
            yield found


def merge_labels(found: dict[str, tuple[int, int, Any]], table: pa.Table) -> None:
    """Put a table of labels into ``found``; a later one takes the place of an earlier one."""
    times = table["time"].cast(pa.int64()).to_pylist()
    columns = table["id"].to_pylist(), times, table["received"].to_pylist(), table["label"].to_pylist()
    for name, time, received, value in zip(*columns, strict=True):
        old = found.get(name)
        if old is None or (time, received) >= old[:2]:
            found[name] = (time, received, value)


def label_column(values: list[Any], schema: Schema) -> pa.Array:
    """Return labels as one column: numbers for a regression, else text as classes are written."""
    if schema.task in NUMBER_TASKS:
        return pa.array([float(v) if _is_number(v) else None for v in values], pa.float64())
    return pa.array([None if v is None else _label_of(v) for v in values], pa.string())


def _label_of(value: Any) -> str:
    """Return a label as classes are written; a set of labels with bars between them."""
    return "|".join(map(category_text, value)) if isinstance(value, list) else category_text(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
    return value is not None


def profile_of(table: pa.Table, schema: Schema) -> Profile:
    """Return the profile of rows that have the schema's names."""
    profile = Profile(schema)
    for batch in table.combine_chunks().to_batches():
        profile.update(Batch(batch, schema))
    return profile


def with_labels(table: pa.Table, schema: Schema, labels: dict[str, tuple[int, int, Any]]) -> pa.Table:
    """Return rows with the labels that are known, in the target's column; rows that brought one keep it where none is."""
    target, column = schema.target or "label", schema.id or "id"
    names = table[column].to_pylist()
    values = [labels[name][2] if name in labels else None for name in names]
    late = label_column(values, schema)
    if target in table.column_names:
        own = label_column(table[target].to_pylist(), schema)
        return table.set_column(table.column_names.index(target), target, pc.coalesce(late, own))
    return table.append_column(target, late)


def _hashes(columns: list[pa.ChunkedArray]) -> UInt64s:
    found = [hashes_of(chunk.cast(pa.string())) for column in columns for chunk in column.chunks if len(chunk)]
    return np.concatenate(found) if found else np.empty(0, dtype=np.uint64)
