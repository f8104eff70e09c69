"""A backup while four writers write: what was acknowledged before it began is in it, and a flipped byte is found (I16)."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from audit import stored
from harness import Forker, Store
from loads import Sent, Writers

from watchkeeper.errors import WatchkeeperError
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.store import backup
from watchkeeper.store.database import NAME


def take(store: Store, forker: Forker, file: Path, times: int, sabotage: list[str] | None = None) -> list[list[Sent]]:
    """Take backups while four writers write; returns what was acknowledged before each began."""
    server = forker.start(store.folder, sabotage)
    assert server.ready(), server.complaints()
    writers, before = Writers(store, seed=16), []
    writers.use(server)
    writers.start()
    for number in range(times):
        assert writers.ledger.await_more(12)
        with writers.ledger.changed:
            before.append(list(writers.ledger.acknowledged.values()))
        status, body = store.ask(server, "GET", "/api/v1/backup")
        assert status == 200
        file.with_suffix(f".{number}").write_bytes(body)
    writers.stop()
    server.kill()
    return before


def missing(folder: Path, acknowledged: list[Sent]) -> list[str]:
    """Return the batches that a restored store has not, once it has counted what it took; rows are looked for one by one."""
    with Pipeline.open(folder) as pipeline:
        assert pipeline.settle()
    backup.check(folder)
    with contextlib.closing(sqlite3.connect(folder / NAME)) as connection:
        kept = {name for (name,) in connection.execute("SELECT id FROM batch")}
        found = {kind: stored(connection, folder, kind) for kind in ("predictions", "labels")}
        waiting = connection.execute("SELECT count(*) FROM waiting").fetchone()[0]
    ids = {kind: _ids(table) for kind, table in found.items()}
    gone = [sent.id for sent in acknowledged if sent.id not in kept]
    gone += [s.id for s in acknowledged if s.kind == "predictions" and not set(s.rows["id"].to_pylist()) <= ids[s.kind]]
    labelled = sum(len(set(s.rows["id"].to_pylist()) - ids["labels"]) for s in acknowledged if s.kind == "labels")
    if labelled > waiting:
        gone.append(f"{labelled} labels")
    if found["predictions"] is not None and len(ids["predictions"]) != found["predictions"].num_rows:
        gone.append("rows are doubled")
    return gone


def _ids(table: pa.Table | None) -> set[str]:
    return set(table["id"].to_pylist()) if table is not None else set()


def test_what_was_acknowledged_before_a_backup_is_in_it(forker: Forker, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    for number, before in enumerate(take(store, forker, file, 3)):
        made = file.with_suffix(f".{number}")
        assert backup.verify(made).rows["batch"] >= len(before)
        backup.restore(made, tmp_path / f"restored-{number}")
        assert missing(tmp_path / f"restored-{number}", before) == []


def test_a_backup_without_the_log_is_caught(forker: Forker, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    (before,) = take(store, forker, file, 1, ["half_a_backup"])
    made = file.with_suffix(".0")
    try:
        backup.restore(made, tmp_path / "restored")
        gone = missing(tmp_path / "restored", before)
    except WatchkeeperError:
        return
    assert gone


def test_the_command_finds_a_flipped_byte(forker: Forker, store: Store, tmp_path: Path) -> None:
    take(store, forker, tmp_path / "backup", 1)
    made = tmp_path / "backup.0"
    command = [sys.executable, "-c", "from watchkeeper.cli import main; main()", "restore", "--verify", str(made)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    content = bytearray(made.read_bytes())
    content[len(content) // 2] ^= 1
    made.write_bytes(content)
    with pytest.raises(WatchkeeperError, match="is not as it was written"):
        backup.verify(made)
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    assert said.returncode == 64
    assert "is not as it was written" in said.stderr
