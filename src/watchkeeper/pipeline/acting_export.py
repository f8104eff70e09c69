"""The rows that a retraining gets, and those that the server keeps to itself to judge it by."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from watchkeeper.errors import ActionRefused
from watchkeeper.pipeline.acting_command import write_durably
from watchkeeper.pipeline.catalog import Catalog, Version
from watchkeeper.pipeline.partition import RawRows, with_labels
from watchkeeper.schema import Schema, label_text
from watchkeeper.store.database import Database

Bounds = tuple[int, int]
"""An interval of hours, in microseconds."""


Keeping = Callable[[], AbstractContextManager[None]]
"""Keeps the store's files where they are while some of them are read."""
_AT_ONCE = 24


class Exports:
    """Writes labelled rows from the store as Parquet, so that a command needs nothing of the store's inside.

    Upkeep puts files together and removes what they were made of; it waits while a day of them is read, and no longer.
    """

    def __init__(self, database: Database, catalog: Catalog, raw: RawRows, keeping: Keeping) -> None:
        self._database = database
        self._catalog = catalog
        self._raw = raw
        self._keeping = keeping

    def training(self, version: Version, bounds: Bounds, path: Path) -> None:
        """Write features and labels of every version of a model that has the features of ``version``."""
        schema = schema_of(version)
        wanted = set(features_of(schema))
        others = [v for v in self._catalog.versions_of(version.model) if v.schema and wanted <= v.schema.kinds.keys()]
        tables = [t for v in others for t in self._labelled(v, bounds, schema)]
        write_table(path, for_command(_joined(tables, schema), schema))

    def holdout(self, version: Version, bounds: Bounds) -> pa.Table:
        """Return the labelled rows of a version with what it said of them; rows without its score or prediction are left out.

        Raises
        ------
        ActionRefused
            There are none any more.
        """
        schema = schema_of(version)
        found = _joined(list(self._labelled(version, bounds, schema)), schema)
        judged = judged_column(schema)
        found = found.filter(pc.is_valid(found[judged])) if judged in found.column_names else found.slice(0, 0)
        if found.num_rows == 0:
            raise ActionRefused("No row of the hold-out is there any more: raw rows are kept for their retention only.")
        return found

    def _labelled(self, version: Version, bounds: Bounds, names: Schema) -> Iterator[pa.Table]:
        """Yield the rows of a version that have a label, hour by hour; id, time and label are called as ``names`` does."""
        query = "SELECT id FROM partition WHERE version_id = ? AND stage = 'serving' AND start >= ? AND start < ?"
        with self._database.reading() as connection:
            found = [n for (n,) in connection.execute(f"{query} ORDER BY start", (version.id, *bounds))]
        for first in range(0, len(found), _AT_ONCE):
            with self._keeping(), self._database.reading() as connection:
                for number in found[first : first + _AT_ONCE]:
                    yield from self._of_hour(connection, number, version, names)

    def _of_hour(
        self, connection: sqlite3.Connection, number: int, version: Version, names: Schema
    ) -> Iterator[pa.Table]:
        schema = schema_of(version)
        labels = self._raw.labels_of(connection, number)
        for table in self._raw.read(connection, number, "predictions"):
            whole = with_labels(table, schema, labels)
            known = whole.filter(pc.is_valid(whole[schema.target or "label"]))
            if known.num_rows:
                yield _renamed(known, schema, names)


def schema_of(version: Version) -> Schema:
    """Return the schema of a version that has rows."""
    if version.schema is None:
        raise ActionRefused(f"Version {version.name} has no schema yet.")
    return version.schema


def judged_column(schema: Schema) -> str:
    """Return the column by which two versions are compared: the score of a binary task, else the prediction."""
    score = schema.scores().get(label_text(schema.positive)) if schema.task == "binary" else None
    return score or schema.prediction or "prediction"


def features_of(schema: Schema) -> list[str]:
    """Return the model's inputs, segments and sensitive columns among them."""
    aside = {name for name, role in schema.roles() if role not in {"feature", "segment", "sensitive"}}
    return [name for name in schema.kinds if name not in aside]


def for_command(table: pa.Table, schema: Schema) -> pa.Table:
    """Return rows without what the serving version said of them, and without what the service measured."""
    aside = {*schema.scores().values(), schema.prediction, *schema.operational}
    return table.select([name for name in table.column_names if name not in aside])


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet, whole and on disk when this returns."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(None), sink, compression="zstd")
    write_durably(path, sink.getvalue().to_pybytes())


def _joined(tables: Sequence[pa.Table], schema: Schema) -> pa.Table:
    """Return tables as one, by time; columns that another version does not have are null, types are widened."""
    wanted = [name for name in _columns(schema) if any(name in t.column_names for t in tables)]
    parts = [t.select([name for name in wanted if name in t.column_names]) for t in tables]
    if not parts:
        return pa.table({name: pa.nulls(0, pa.string()) for name in _columns(schema)})
    try:
        whole = pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        whole = pa.concat_tables([_as_text(p, _clashing(parts)) for p in parts], promote_options="permissive")
    time = schema.timestamp or "timestamp"
    return whole.select(wanted).sort_by(time) if time in wanted else whole.select(wanted)


def _renamed(table: pa.Table, own: Schema, names: Schema) -> pa.Table:
    new = {getattr(own, role): getattr(names, role) for role in ("id", "timestamp", "target")}
    return table.rename_columns([new.get(name) or name for name in table.column_names])


def _columns(schema: Schema) -> list[str]:
    named: list[Any] = [name for name, role in schema.roles()]
    return list(dict.fromkeys([*named, *schema.kinds]))


def _clashing(parts: Sequence[pa.Table]) -> set[str]:
    types: dict[str, set[str]] = {}
    for part in parts:
        for field in part.schema:
            if not pa.types.is_null(field.type):
                types.setdefault(field.name, set()).add(str(field.type))
    return {name for name, seen in types.items() if len(seen) > 1}


def _as_text(table: pa.Table, columns: set[str]) -> pa.Table:
    for place, name in enumerate(table.column_names):
        if name in columns:
            table = table.set_column(place, name, table[name].cast(pa.string()))
    return table
