"""A store that nobody has open, compared with what was acknowledged: missing, doubled, partial and altered rows."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from loads import Ledger

from watchkeeper.pipeline.body import from_body
from watchkeeper.store import backup, files, rows
from watchkeeper.store.database import NAME


def stored(connection: sqlite3.Connection, root: Path, kind: str) -> pa.Table | None:
    """Return all raw rows of a kind, from the database and from Parquet files."""
    found = [from_body(part["body"]) for part in rows.select_all(connection, "part", kind=kind)]
    for file in rows.select_all(connection, "file", kind=kind, state="fine"):
        found.append(files.read_rows(root, file["path"], file["digest"]))
        assert found[-1].num_rows == file["rows"]
    return pa.concat_tables(found, promote_options="permissive") if found else None


def findings(folder: Path, ledger: Ledger) -> list[str]:
    """Return everything that is wrong with a store after all of a ledger was acknowledged and counted; empty is good."""
    wrong = list(ledger.strange)
    try:
        backup.check(folder)
    except Exception as error:  # whatever it is, it is wrong
        wrong.append(f"the check says: {error}")
    with contextlib.closing(sqlite3.connect(folder / NAME)) as connection:
        wrong += [f"integrity: {row[0]}" for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        kept = {name for (name,) in connection.execute("SELECT id FROM batch")}
        wrong += [f"batch {name} is lost" for name in ledger.acknowledged if name not in kept]
        waiting = connection.execute("SELECT count(*) FROM inbox").fetchone()[0]
        wrong += [f"{waiting} batches are not counted"] * bool(waiting)
        expected = _expected(ledger, "predictions")
        found = stored(connection, folder, "predictions")
        wrong += _differences("predictions", expected, found, ["id"])
        told, late = _expected(ledger, "labels"), stored(connection, folder, "labels")
        if late is not None:
            late = late.rename_columns(["timestamp" if name == "time" else name for name in late.column_names])
        wrong += _differences("labels", told, late, ["id", "timestamp"])
        wrong += _counts(connection, expected, told)
        known = {path for (path,) in connection.execute("SELECT path FROM file")}
    events = folder / files.FOLDER
    wrong += [
        f"stray file {p.name}" for p in events.rglob("*") if p.is_file() and str(p.relative_to(folder)) not in known
    ]
    return wrong


def _expected(ledger: Ledger, kind: str) -> pa.Table | None:
    found = ledger.tables(kind)
    return pa.concat_tables(found) if found else None


def _differences(kind: str, sent: pa.Table | None, found: pa.Table | None, keys: list[str]) -> list[str]:
    """Return what is missing, doubled or altered."""
    if sent is None or found is None:
        there = [name for name, table in (("sent", sent), ("stored", found)) if table is not None and table.num_rows]
        return [f"{kind} were only {there[0]}"] if there else []
    wrong = []
    lost = set(sent["id"].to_pylist()) - set(found["id"].to_pylist())
    more = set(found["id"].to_pylist()) - set(sent["id"].to_pylist())
    if lost:
        wrong.append(f"{len(lost)} rows of {kind} are lost, such as {sorted(lost)[:3]}")
    if more:
        wrong.append(f"{len(more)} rows of {kind} were never acknowledged, such as {sorted(more)[:3]}")
    if found.num_rows != sent.num_rows and not lost and not more:
        wrong.append(f"{kind}: {sent.num_rows} rows were sent, {found.num_rows} are stored")
    if not wrong:
        order = [(key, "ascending") for key in keys]
        sent, found = sent.sort_by(order), found.sort_by(order)
        shared = [name for name in sent.column_names if name in found.column_names]
        assert {"id", *keys} <= set(shared)
        altered = [n for n in shared if not _same(sent[n], found[n])]
        wrong += [f"the column {name} of {kind} is altered" for name in altered]
    return wrong


def _same(sent: pa.ChunkedArray, found: pa.ChunkedArray) -> bool:
    cast = found.cast(sent.type)
    return bool(pc.all(pc.coalesce(pc.equal(sent, cast), pc.and_(sent.is_null(), cast.is_null())), min_count=0).as_py())


def _counts(connection: sqlite3.Connection, sent: pa.Table | None, told: pa.Table | None) -> list[str]:
    """Return where counts contradict the rows."""
    count = sent.num_rows if sent is not None else 0
    labelled = len(set(told["id"].to_pylist())) if told is not None else 0
    sums: dict[str, Any] = {
        "rows of profiles": ("SELECT coalesce(sum(rows), 0) FROM profile", count),
        "labels of profiles": ("SELECT coalesce(sum(labelled), 0) FROM profile", labelled),
        "rows of partitions": ("SELECT coalesce(sum(rows), 0) FROM partition", count),
        "labels of partitions": ("SELECT coalesce(sum(labelled), 0) FROM partition", labelled),
        "labels that wait": ("SELECT count(*) FROM waiting", 0),
        "refused or damaged": ("SELECT count(*) FROM quarantine", 0),
        "duplicates and losses": ("SELECT coalesce(sum(value), 0) FROM counter", 0),
    }
    found = {name: connection.execute(query).fetchone()[0] for name, (query, _) in sums.items()}
    return [f"{name}: {found[name]}, not {want}" for name, (_, want) in sums.items() if found[name] != want]
