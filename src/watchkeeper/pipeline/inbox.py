"""Which acknowledged batches are applied next: in the order in which they came, and never across the moment of a seal."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from watchkeeper.errors import CorruptStore, SchemaError
from watchkeeper.pipeline.accept import Accepting
from watchkeeper.pipeline.apply import add_to_counter, now
from watchkeeper.pipeline.body import from_body
from watchkeeper.pipeline.catalog import Catalog, Model, Version, store_schema
from watchkeeper.pipeline.group import Entry, times_of
from watchkeeper.pipeline.roles import guess_schema, with_process
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.pipeline.windows import Windows
from watchkeeper.store import rows
from watchkeeper.store.database import Database
from watchkeeper.window import calendar_window, microseconds

_LOG = logging.getLogger("watchkeeper")
_MOST_BATCHES = 2_000
_LOOKED_AT = 10_000


class Inbox:
    """Reads the inbox. Rows of a version whose schema is not known yet wait there until enough have come to guess it."""

    def __init__(self, database: Database, catalog: Catalog, windows: Windows, settings: PipelineSettings) -> None:
        self._database = database
        self._catalog = catalog
        self._windows = windows
        self._settings = settings
        self._taken = 0
        self.passed = False

    def take(self, connection: sqlite3.Connection, *, one: bool, hurried: bool) -> list[Entry]:
        """Return the next group; empty where nothing waits. ``hurried`` guesses schemas without waiting for more rows."""
        held = self._guess_schemas(connection, hurried)
        group: list[Entry] = []
        count = self._taken = 0
        self.passed = False
        marks: dict[int, int] = {}
        for row in self._waiting(connection, held):
            entry = self._entry(row)
            if entry is None:
                continue
            group.append(entry)
            count += entry.rows.num_rows
            self._taken += len(row["body"])
            self.passed = self._passes(connection, entry, marks)
            if one or self.passed or count >= self._settings.group_rows:
                break
        self._add_process(group)
        return group

    def release(self, accepting: Accepting) -> None:
        """Say that the group that was taken is applied."""
        accepting.inbox_bytes = max(0, accepting.inbox_bytes - self._taken)

    def _waiting(self, connection: sqlite3.Connection, held: set[int]) -> Iterator[dict[str, Any]]:
        marks = ", ".join("?" * len(held))
        condition = f"WHERE version_id IS NULL OR version_id NOT IN ({marks})" if held else ""
        query = f"SELECT seq FROM inbox {condition} ORDER BY seq LIMIT {_MOST_BATCHES}"
        for (seq,) in connection.execute(query, list(held)).fetchall():
            try:
                found = rows.select_one(connection, "inbox", seq=seq)
            except CorruptStore as error:
                self._lose(seq, error)
                continue
            if found is not None:
                yield found

    def _entry(self, row: dict[str, Any]) -> Entry | None:
        version = self._catalog.versions[row["version_id"]] if row["version_id"] is not None else None
        model = version.model if version is not None else self._model(row["model_id"])
        try:
            table = from_body(row["body"])
        except CorruptStore as error:
            self._lose(row["seq"], error)
            return None
        return Entry(row["seq"], model, version, row["stage"], row["kind"], row["received"], table)

    def _model(self, number: int) -> Model:
        return next(model for model in list(self._catalog.models.values()) if model.id == number)

    def _lose(self, seq: int, error: CorruptStore) -> None:
        """Take a damaged batch out, and say how many rows it cost."""
        _LOG.error("A batch in the inbox is damaged, and its rows are lost: %s", error)

        def job(connection: sqlite3.Connection) -> None:
            query = "SELECT model_id, batch, rows FROM inbox WHERE seq = ?"
            model, batch, count = connection.execute(query, (seq,)).fetchone()
            reason = f"the stored batch is damaged: {count} rows are lost"
            rows.insert(
                connection, "quarantine", model_id=model, version="", kind="damage", batch=batch, row=-1, reason=reason,
                content="null", received=now(),
            )  # fmt: skip
            add_to_counter(connection, model, "lost", count)
            connection.execute("DELETE FROM inbox WHERE seq = ?", (seq,))

        self._database.write(job).result()

    # --- seals --------------------------------------------------------------------------------------------------------

    def _passes(self, connection: sqlite3.Connection, entry: Entry, marks: dict[int, int]) -> bool:
        """Whether this batch brings an event clock past a seal or the end of a day: what comes later must not be in it.

        ``marks`` holds, for each model in the group, the next moment at which that is so.
        """
        model, latest = entry.model, entry.latest()
        if model.clock != "event" or latest is None:
            return False
        delay = self._windows.evaluation_delay(connection, model)
        zone = self._zone(model)
        if model.id not in marks:
            now = model.watermark if model.watermark is not None else latest
            midnight = microseconds(calendar_window(now, "day", zone).end)
            marks[model.id] = min(midnight, self._windows.next_seal(connection, model) or midnight)
        if entry.kind == "predictions":
            first = int(times_of(entry.rows).min())
            ends = [microseconds(calendar_window(first, every, zone).end) + delay for every in self._windows.measured]
            mark = model.watermark if model.watermark is not None else -(2**62)
            marks[model.id] = min([marks[model.id], *(end for end in ends if end > mark)])
        return latest >= marks[model.id]

    def _zone(self, model: Model) -> str | None:
        schemas = [v.schema for v in self._catalog.versions_of(model) if v.schema is not None]
        return schemas[0].zone if schemas else None

    # --- schemas ------------------------------------------------------------------------------------------------------

    def _guess_schemas(self, connection: sqlite3.Connection, hurried: bool) -> set[int]:
        """Guess the schemas of versions that have enough rows; returns the versions that have to wait."""
        unknown = [v for v in list(self._catalog.versions.values()) if v.schema is None]
        held = set()
        for version in unknown:
            query = "SELECT coalesce(sum(rows), 0), min(received) FROM inbox WHERE version_id = ?"
            count, oldest = connection.execute(query, (version.id,)).fetchone()
            waited = count and (now() - oldest) / 1e6 >= self._settings.infer_wait
            if count and (hurried or waited or count >= self._settings.infer_rows):
                self._guess(connection, version)
            if version.schema is None:
                held.add(version.id)
        return held

    def _add_process(self, group: list[Entry]) -> None:
        """Give a version the columns for what its process used, when a batch first tells of it.

        Rows that were counted before said nothing of it, so their profiles count it as null when they are next read.
        """
        for entry in group:
            version, names = entry.version, entry.rows.column_names
            if version is None or version.schema is None or not {"@cpu", "@memory"} & {*names}:
                continue
            told = [name.removeprefix("@") for name in names]
            schema = with_process(version.schema, told, [*names, *version.unknown])
            try:
                if schema is not version.schema:
                    self._catalog.set_wider(version, schema)
            except SchemaError as error:
                _LOG.error("What a process used cannot be counted: %s", error)

    def _guess(self, connection: sqlite3.Connection, version: Version) -> None:
        tables, count = [], 0
        query = "SELECT seq FROM inbox WHERE version_id = ? ORDER BY seq"
        for (seq,) in connection.execute(query, (version.id,)).fetchall():
            try:
                found = rows.select_one(connection, "inbox", seq=seq)
                tables.append(from_body(found["body"]) if found else None)
            except CorruptStore as error:
                self._lose(seq, error)
                continue
            count += tables[-1].num_rows if tables[-1] is not None else 0
            if count >= _LOOKED_AT:
                break
        first = joined([t for t in tables if t is not None])
        if first is not None:
            model = version.model
            of = f"Model {model.name!r} in {model.environment!r}, version {version.name!r}"
            schema = guess_schema(first, version.given, of).freeze()
            self._database.write(lambda writer: store_schema(writer, version, schema)).result()
            version.schema = schema


def joined(tables: list[pa.Table]) -> pa.Table | None:
    """Return tables as one, columns of types that do not go together as in the first; None where there is none."""
    if not tables:
        return None
    segments = [json.loads((t.schema.metadata or {}).get(b"segments", b"[]")) for t in tables]
    kept = [tables[0]]
    schema = tables[0].schema
    for table in tables[1:]:
        try:
            schema = pa.unify_schemas([schema, table.schema], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            continue
        kept.append(table)
    whole = pa.concat_tables(kept, promote_options="permissive")
    return whole.replace_schema_metadata(
        {"segments": json.dumps(list(dict.fromkeys(s for some in segments for s in some)))}
    )
