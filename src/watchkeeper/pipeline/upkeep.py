"""What keeps a store small: rows move to Parquet, hours become days, and what is too old goes."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from watchkeeper.errors import CorruptStore
from watchkeeper.pipeline.body import from_body
from watchkeeper.pipeline.catalog import Catalog, Version
from watchkeeper.pipeline.damage import report_damage
from watchkeeper.pipeline.partition import Partition, intact
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.pipeline.stored import ProfileStore, StoredWindow, window_row
from watchkeeper.profiles.profile import merge
from watchkeeper.store import files, rows
from watchkeeper.store.database import Database
from watchkeeper.window import HOUR, calendar_window, microseconds

_LARGE = 8 << 20
_SMALL_FILE = 32 << 20
_MOST_FILES = 4
_SOME = 64
_BATCHES_KEPT = 30 * 24 * HOUR


class Upkeep:
    """Work for when nothing else waits. Every step is small, and may be cut off at any point."""

    def __init__(
        self, database: Database, catalog: Catalog, settings: PipelineSettings, root: Path, profiles: ProfileStore
    ) -> None:
        self._profiles = profiles
        self._database = database
        self._catalog = catalog
        self._settings = settings
        self._root = root
        self._removing = threading.Lock()

    @contextlib.contextmanager
    def keeping_files(self) -> Iterator[None]:
        """Keep every file where it is, for a backup."""
        with self._removing:
            yield

    # --- rows to Parquet ----------------------------------------------------------------------------------------------

    def flush(self, connection: sqlite3.Connection, *, all_: bool = False) -> int:
        """Move rows of some partitions that are done, or large, from the database to Parquet; returns of how many.

        ``all_`` has those of every partition moved, though not at once: call it until it returns 0.
        """
        query = "SELECT partition_id, kind, sum(length(body)) FROM part GROUP BY partition_id, kind"
        done = 0
        for number, kind, size in connection.execute(query).fetchall():
            found = rows.select_one(connection, "partition", id=number)
            version = self._catalog.versions[found["version_id"]] if found else None
            if found is None or version is None:
                continue
            partition = Partition(version, found["stage"], found["start"], number)
            after = int(self._settings.flush_after.total_seconds() * 1e6)
            if all_ or size > _LARGE or partition.start + HOUR + after <= version.model.now():
                done += self._flush(connection, partition, kind)
            if done >= _SOME and not all_:
                break
        return done

    def _flush(self, connection: sqlite3.Connection, partition: Partition, kind: str) -> bool:
        """Move some of a partition's parts to a file, and join its small files once there are several.

        About :data:`_LARGE` bytes move in one transaction, since acknowledgements wait behind it; more are for the next
        call. Returns whether anything moved.
        """

        def tell(what: str, row: dict[str, Any], error: Exception) -> None:
            report_damage(self._database, self._root, what, row, error)

        number = partition.id or 0
        old = [f for f in intact(connection, "file", number, kind, tell) if f["bytes"] < _SMALL_FILE]
        tables, kept, parts, size = [], [], [], 0
        for file in old if len(old) >= _MOST_FILES else []:
            try:
                tables.append(files.read_rows(self._root, file["path"], file["digest"]))
                kept.append(file)
            except CorruptStore as error:
                tell("file", file, error)
        for part in intact(connection, "part", number, kind, tell):
            if size > _LARGE:
                break
            size += len(part["body"])
            try:
                tables.append(from_body(part["body"]))
                parts.append(part)
            except CorruptStore as error:
                tell("part", part, error)
        column = (partition.version.schema.id or "id") if partition.version.schema and kind == "predictions" else "id"
        written = [
            (table.num_rows, files.write_rows(self._root, partition.place, table))
            for table in _joined(tables, column if kind == "predictions" else None)
        ]

        def job(writer: sqlite3.Connection) -> None:
            for count, made in written:
                rows.insert(
                    writer, "file", partition_id=partition.id, kind=kind, path=made.path, rows=count, bytes=made.size,
                    digest=made.digest, state="fine",
                )  # fmt: skip
            writer.executemany("DELETE FROM part WHERE id = ?", [(part["id"],) for part in parts])
            writer.executemany("DELETE FROM file WHERE id = ?", [(file["id"],) for file in kept])

        self._database.write(job).result()
        self._remove([file["path"] for file in kept])
        return bool(parts)

    def _remove(self, paths: list[str]) -> None:
        if paths:
            with self._removing:
                for path in paths:
                    (self._root / path).unlink(missing_ok=True)

    # --- hours to days ------------------------------------------------------------------------------------------------

    def merge_hours(self, connection: sqlite3.Connection) -> bool:
        """Merge the hours of one old day into one profile; returns whether there was such a day."""
        kept = int(self._settings.hours_kept.total_seconds() * 1e6)
        query = "SELECT version_id, stage, min(start) FROM profile WHERE stop - start <= ? GROUP BY version_id, stage"
        for number, stage, first in connection.execute(query, (HOUR,)).fetchall():
            version = self._catalog.versions[number]
            if version.schema is None:
                continue
            day = calendar_window(first, "day", version.schema.zone)
            if microseconds(day.end) + kept <= version.model.now():
                self._merge_day(connection, version, stage, (microseconds(day.start), microseconds(day.end)))
                return True
        return False

    def _merge_day(self, connection: sqlite3.Connection, version: Version, stage: str, span: tuple[int, int]) -> None:
        hours = list(self._profiles.between(connection, version, stage, *span))
        whole = merge(hour.profile for hour in hours)
        row = window_row(version.id, stage, StoredWindow(*span, whole))

        def job(writer: sqlite3.Connection) -> None:
            writer.executemany("DELETE FROM profile WHERE id = ?", [(hour.id,) for hour in hours])
            rows.insert(writer, "profile", **row)

        self._database.write(job).result()

    # --- what is too old ----------------------------------------------------------------------------------------------

    def expire(self, connection: sqlite3.Connection, now: int) -> int:
        """Remove raw rows past their retention, and old batch ids; returns how many partitions went."""
        kept = int(self._settings.retention.total_seconds() * 1e6)
        numbers: list[int] = []
        for version in list(self._catalog.versions.values()):
            query = "SELECT id FROM partition WHERE version_id = ? AND start <= ? LIMIT 1000"
            before = version.model.now() - kept - HOUR
            numbers += [number for (number,) in connection.execute(query, (version.id, before))]
        paths = [f["path"] for n in numbers for f in rows.select_all(connection, "file", partition_id=n)]

        def job(writer: sqlite3.Connection) -> None:
            for number in numbers:
                for table in ("part", "file", "foreign_id"):
                    writer.execute(f"DELETE FROM {table} WHERE partition_id = ?", (number,))
                writer.execute("DELETE FROM partition WHERE id = ?", (number,))
            writer.execute("DELETE FROM batch WHERE received < ?", (now - _BATCHES_KEPT,))

        self._database.write(job).result()
        self._remove(paths)
        return len(numbers)


def _joined(tables: list[pa.Table], sort_by: str | None) -> list[pa.Table]:
    """Return tables joined where their types agree, rows of predictions sorted by id."""
    groups: list[list[pa.Table]] = []
    for table in tables:
        for group in groups:
            try:
                pa.unify_schemas([group[0].schema, table.schema])
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                continue
            group.append(table)
            break
        else:
            groups.append([table])
    joined = [pa.concat_tables(group, promote_options="default").replace_schema_metadata(None) for group in groups]
    return [table.sort_by(sort_by) if sort_by is not None else table for table in joined]
