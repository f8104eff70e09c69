"""What is done about bytes that rotted and batches that cannot be counted: set aside, counted, said, and never in the way."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path
from typing import Any

from watchkeeper.pipeline.apply import add_to_counter, now
from watchkeeper.pipeline.body import to_body
from watchkeeper.pipeline.group import Entry
from watchkeeper.pipeline.stored import StoredWindow, window_row
from watchkeeper.store import files, folders, rows
from watchkeeper.store.database import Database

_LOG = logging.getLogger("watchkeeper")


def report_damage(database: Database, root: Path, kind: str, row: dict[str, Any], error: Exception) -> None:
    """Set a damaged file or part aside, with how many rows it cost and of which hour."""
    _LOG.error("Damaged, set aside and left out (%s rows): %s", row["rows"], error)

    def job(connection: sqlite3.Connection) -> None:
        partition = rows.select_one(connection, "partition", id=row["partition_id"])
        query = "SELECT model_id FROM version WHERE id = ?"
        model = connection.execute(query, (partition["version_id"],)).fetchone()[0] if partition else 0
        if kind == "file":
            rows.insert(connection, "file", replace=True, **(row | {"state": "damaged"}))
        else:
            connection.execute("DELETE FROM part WHERE id = ?", (row["id"],))
        _note(connection, model, "", f"{kind} of raw {row['kind']} is damaged: {row['rows']} rows are lost ({error})")
        add_to_counter(connection, model, "lost", row["rows"])

    database.write(job).result()
    if kind == "file":
        files.set_aside(root, row["path"])


def report_profile(database: Database, model: int, of: tuple[int, str], window: StoredWindow, error: Exception) -> None:
    """Put a profile that was made anew in the place of a damaged one, and say so where rows of it are no longer there."""
    _LOG.warning("A damaged profile is made anew from %s raw rows: %s", window.profile.rows, error)
    row = window_row(*of, window)

    def job(connection: sqlite3.Connection) -> None:
        query = "SELECT rows FROM profile WHERE id = ?"
        before = connection.execute(query, (window.id,)).fetchone()
        rows.insert(connection, "profile", replace=True, **row)
        if before is not None and before[0] != window.profile.rows:
            reason = f"a profile is damaged, and made anew from {window.profile.rows} rows where there were {before[0]}"
            _note(connection, model, "", reason)

    database.write(job).result()


def report_lost_log(database: Database) -> None:
    """Say to every model that the database's log was damaged, and how much it cost."""
    reason = (
        f"the log of the database is damaged: {database.lost_commits} transactions (batches, or counts of them) are lost; "
        "what is left of it is kept"
    )
    _LOG.error("%s", reason)

    def job(connection: sqlite3.Connection) -> None:
        for (model,) in connection.execute("SELECT id FROM model").fetchall():
            _note(connection, model, "", reason)

    database.write(job).result()


def set_batch_aside(database: Database, root: Path, entry: Entry, error: Exception) -> None:
    """Take a batch that cannot be counted out of the inbox and keep it as a file, so that the next ones can be."""
    folder = root / files.QUARANTINE
    folders.make_folder(folder, root)
    path = folder / f"batch-{entry.seq}.arrow"
    with path.open("wb") as file:
        file.write(to_body(entry.rows.combine_chunks()))
        file.flush()
        os.fsync(file.fileno())
    folders.sync_folder(folder)
    reason = f"the batch could not be counted ({type(error).__name__}: {error}); it is kept as {path.name}"
    _LOG.error("%s", reason)

    def job(connection: sqlite3.Connection) -> None:
        _note(connection, entry.model.id, entry.version.name if entry.version else "", reason)
        add_to_counter(connection, entry.model.id, "lost", entry.rows.num_rows)
        connection.execute("DELETE FROM inbox WHERE seq = ?", (entry.seq,))

    database.write(job).result()


def _note(connection: sqlite3.Connection, model: int, version: str, reason: str) -> None:
    rows.insert(
        connection, "quarantine", model_id=model, version=version, kind="damage", batch="", row=-1, reason=reason,
        content="null", received=now(),
    )  # fmt: skip
