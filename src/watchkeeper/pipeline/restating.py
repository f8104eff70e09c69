"""A version's schema changes: what was counted under the old one is counted anew under the new, from the raw rows."""

from __future__ import annotations

import sqlite3
from typing import Any

import pyarrow as pa

from watchkeeper.errors import Conflict, SchemaMismatch
from watchkeeper.pipeline.apply import mark_dirty, now
from watchkeeper.pipeline.body import to_body
from watchkeeper.pipeline.catalog import Catalog, Version, store_schema
from watchkeeper.pipeline.inbox import joined
from watchkeeper.pipeline.partition import RawRows, profile_of, with_labels
from watchkeeper.pipeline.roles import KEPT, PROCESS, column_by_place, fit_schema, with_process
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.pipeline.stored import StoredWindow, window_row
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema
from watchkeeper.store import rows
from watchkeeper.store.database import Database
from watchkeeper.window import HOUR, calendar_window, microseconds

MOST_ROWS = 2_000_000
_LOOKED_AT = 10_000
_ADDED = {
    "kinds", "guessed", "importances", "segments", "crossed", "segment_bins", "sensitive", "features", "threshold",
}  # fmt: skip
"""Fields of a schema that widening it adds to, or that do not keep it from being widened."""


class Restating:
    """Gives versions another schema. One transaction changes everything, so nothing is ever counted under two."""

    def __init__(self, database: Database, catalog: Catalog, raw: RawRows, settings: PipelineSettings) -> None:
        self._database = database
        self._catalog = catalog
        self._raw = raw
        self._settings = settings

    def adopt(self, connection: sqlite3.Connection, version: Version, reference: Profile, schema: Schema) -> None:
        """Give a version a reference and its schema."""
        old = version.schema
        if old is not None and old.fingerprint != schema.fingerprint:
            try:
                reference, schema = _fit(reference, old)
            except SchemaMismatch:
                told = [role for role in PROCESS if getattr(old, role) is not None]
                schema = with_process(schema, told, old.kinds.keys() - old.operational)
                reference = reference.widen(schema)
                self._restate(connection, version, schema)
        self._catalog.set_reference(version, reference, schema)
        self._mark_all(connection, version)

    def widen(self, connection: sqlite3.Connection, version: Version, given: Schema) -> None:
        """Add the columns that ``given`` names and the version's schema does not know.

        Raises
        ------
        Conflict
            It says of a known column or role something else than the schema does.
        """
        old = version.schema
        assert old is not None
        if old.task is None and version.reference is None and (given.task or given.score or given.prediction):
            self._give_task(connection, version, given)
            return
        changed = [
            name for name, value in given.to_dict().items()
            if name not in _ADDED
            and value not in (None, [], {}) and value != getattr(old, name)
        ]  # fmt: skip
        changed += [f"segment_bins.{n}" for n, e in given.segment_bins.items() if old.segment_bins.get(n, e) != e]
        changed += [f"kinds.{name}" for name, kind in given.kinds.items() if old.kinds.get(name, kind) != kind]
        if changed:
            raise Conflict(
                f"Version {version.name!r} counts rows under a schema already, which says something else of "
                f"{', '.join(changed[:5])}. Columns can be added to it. For anything else give the version a "
                "reference, by whose schema its rows are counted anew, or log under another version."
            )
        new = {name: kind for name, kind in given.kinds.items() if name not in old.kinds}
        cut: list[Any] = [s for s in given.segments if s not in old.segments]
        cut += [pair for pair in given.crossed if pair not in old.crossed]
        bins = {name: edges for name, edges in given.segment_bins.items() if name not in old.segment_bins}
        if not new and not cut and not bins:
            return
        wider = old.replace(kinds=old.kinds | new, segments=[*old.segments, *cut], segment_bins=old.segment_bins | bins)
        schema = wider.freeze()
        reference = version.reference.widen(schema) if version.reference is not None else None
        self._restate(connection, version, schema)
        if reference is not None:
            self._catalog.set_reference(version, reference, schema)
        else:
            self._database.write(lambda writer: store_schema(writer, version, schema)).result()
            version.schema = schema
        version.unknown = [name for name in version.unknown if name not in schema.kinds]
        self._mark_all(connection, version)

    def _give_task(self, connection: sqlite3.Connection, version: Version, given: Schema) -> None:
        """Count the rows of a version whose task could not be guessed under the schema that somebody gives at last."""
        old = version.schema
        assert old is not None
        roles = {column: place for place, column in column_by_place(old).items()}
        tables: list[pa.Table] = []
        for partition in rows.select_all(connection, "partition", version_id=version.id, tail="ORDER BY start"):
            tables += self._raw.read(connection, partition["id"], "predictions")
            if sum(len(table) for table in tables) >= _LOOKED_AT:
                break
        first = joined([t.rename_columns([roles.get(name, name) for name in t.column_names]) for t in tables])
        if first is None:
            raise Conflict(f"Version {version.name!r} has no raw rows any more that a schema could be tried on.")
        schema = fit_schema(first, given.replace(segments=list(dict.fromkeys([*given.segments, *old.segments]))))
        self._restate(connection, version, schema.freeze())
        self._mark_all(connection, version)

    def _restate(self, connection: sqlite3.Connection, version: Version, schema: Schema) -> None:
        old = version.schema
        assert old is not None
        partitions = rows.select_all(connection, "partition", version_id=version.id)
        total = sum(p["rows"] for p in partitions)
        if total > MOST_ROWS:
            raise Conflict(
                f"Version {version.name!r} has {total:,} rows under another schema, too many to count anew. Give the "
                "reference to the next version, before its first row."
            )
        kept = sum(row["rows"] for row in _profile_rows(connection, version))
        if kept != total:
            raise Conflict(
                f"Version {version.name!r} has rows whose raw form is no longer kept, so they cannot be counted under another "
                "schema. Give the reference to the next version, before its first row."
            )
        made = [self._partition(connection, p, old, schema) for p in partitions]

        def job(writer: sqlite3.Connection) -> None:
            store_schema(writer, version, schema)
            writer.execute("DELETE FROM profile WHERE version_id = ?", (version.id,))
            for partition, tables, row in made:
                where = (partition["id"],)
                writer.execute("DELETE FROM part WHERE partition_id = ? AND kind = 'predictions'", where)
                writer.execute("DELETE FROM file WHERE partition_id = ? AND kind = 'predictions'", where)
                for count, body in tables:
                    rows.insert(writer, "part", partition_id=partition["id"], kind="predictions", rows=count, body=body)
                rows.insert(writer, "profile", **row)

        self._database.write(job).result()
        version.schema = schema

    def _partition(
        self, connection: sqlite3.Connection, partition: dict[str, Any], old: Schema, schema: Schema
    ) -> tuple[dict[str, Any], list[tuple[int, bytes]], dict[str, Any]]:
        tables = [_renamed(t, old, schema) for t in self._raw.read(connection, partition["id"], "predictions")]
        labels = self._raw.labels_of(connection, partition["id"])
        whole = Profile(schema)
        for table in tables:
            whole = whole.merge(profile_of(with_labels(table, schema, labels), schema))
        window = StoredWindow(partition["start"], partition["start"] + HOUR, whole)
        bodies = [(t.num_rows, to_body(t.combine_chunks())) for t in tables]
        return partition, bodies, window_row(partition["version_id"], partition["stage"], window)

    def _mark_all(self, connection: sqlite3.Connection, version: Version) -> None:
        """Have every window of a version measured anew."""
        spans = set()
        query = "SELECT stage, start FROM profile WHERE version_id = ?"
        zone = version.schema.zone if version.schema is not None else None
        for stage, start in connection.execute(query, (version.id,)):
            for every in self._settings.measured:
                span = calendar_window(start, every, zone)
                spans.add((version.id, stage, every, microseconds(span.start), microseconds(span.end)))
        self._database.write(lambda writer: mark_dirty(writer, spans, now())).result()


def _fit(reference: Profile, schema: Schema) -> tuple[Profile, Schema]:
    """Return a reference under the schema by which rows are counted already; raises :class:`SchemaMismatch`."""
    return reference.widen(schema), schema


def _profile_rows(connection: sqlite3.Connection, version: Version) -> list[dict[str, Any]]:
    query = "SELECT rows FROM profile WHERE version_id = ?"
    return [{"rows": count} for (count,) in connection.execute(query, (version.id,))]


def _renamed(table: pa.Table, old: Schema, new: Schema) -> pa.Table:
    """Return raw rows with the names that the new schema has for roles, those included that the old one did not name.

    A feature that has the name of a role from now on makes room: a row stays the one that it was counted as.
    """
    before, after = column_by_place(old), column_by_place(new)
    names = {column: after.get(place, place if place.startswith(KEPT) else column) for place, column in before.items()}
    names |= {place: column for place, column in after.items() if column not in {*table.column_names, *before.values()}}
    told = [names.get(name, name) for name in table.column_names]
    roles = {new for name, new in zip(table.column_names, told, strict=True) if name in names}
    kept = [n for n, new in zip(table.column_names, told, strict=True) if n in names or new not in roles]
    return table.select(kept).rename_columns([names.get(name, name) for name in kept])
