"""A flipped bit in each of several Parquet files, a damaged profile: that is lost, no more, and it is said (I5)."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from audit import stored
from harness import SCHEMA, TARGET, Store
from loads import HOURS, batch, labels, predictions

from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.store import backup, files
from watchkeeper.store.database import NAME

SETTINGS = PipelineSettings(flush_after=timedelta(0), measure_pause=0.0)
ROWS = [predictions(0, number, 200, seed=40) for number in range(3)]


def submit(pipeline: Pipeline, kind: str, name: str, rows: pa.Table) -> None:
    sent = batch(kind, name, rows, arrow=True)
    pipeline.submit(kind, TARGET, sent.id, sent.form, sent.body).result(30)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with a Parquet file of predictions and one of labels for each of three hours."""
    folder = tmp_path_factory.mktemp("rot") / "store"
    with Pipeline.open(folder, SETTINGS) as pipeline:
        pipeline.register(TARGET, SCHEMA, "wall")
        for number, rows in enumerate(ROWS):
            submit(pipeline, "predictions", f"p{number}", rows)
            submit(pipeline, "labels", f"l{number}", labels(rows))
        assert pipeline.settle()
        pipeline.tidy()
    assert len(list(folder.rglob("*.parquet"))) == 2 * HOURS
    return folder


def with_damage(whole: Path, folder: Path, turn: int) -> tuple[Path, int, str]:
    """Copy the store and flip a bit in one of its files; returns its name, its rows and their kind."""
    shutil.copytree(whole, folder)
    with closing(sqlite3.connect(folder / NAME)) as connection:
        found = connection.execute("SELECT path, rows, kind FROM file ORDER BY id").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path, rows, kind = found[turn % len(found)]
    content = bytearray((folder / path).read_bytes())
    content[len(content) * (turn + 1) // 8] ^= 1 << turn % 8
    (folder / path).write_bytes(content)
    return folder / path, rows, kind


@pytest.mark.parametrize("turn", range(6))
def test_a_damaged_file_costs_its_own_rows_and_that_is_said(whole: Path, tmp_path: Path, turn: int) -> None:
    damaged, rows, kind = with_damage(whole, tmp_path / "store", turn)
    with pytest.raises(Exception, match=f"{damaged.name} is damaged: its checksum is wrong"):
        backup.check(tmp_path / "store")
    with Pipeline.open(tmp_path / "store", SETTINGS) as pipeline:
        before = pipeline.models("default")[0]
        for number, some in enumerate(ROWS):  # another word on every label has every hour read
            submit(pipeline, "labels", f"again{number}", labels(some, changed=True))
        assert pipeline.settle()
        after = pipeline.models("default")[0]
        told = [t["reason"] for t in pipeline.quarantine(TARGET)]
        assert pipeline.status()["worker_failures"] == 0
    assert (before["lost"], after["lost"]) == (0, rows)
    assert len(told) == 1
    assert told[0].startswith(f"file of raw {kind} is damaged: {rows} rows are lost")
    assert damaged.parent.name in told[0]
    assert damaged.name in told[0]
    assert not damaged.exists()
    assert [p.name for p in (tmp_path / "store" / "quarantine").iterdir()] == [
        str(damaged.relative_to(tmp_path / "store")).replace("/", "-")
    ]
    lost = rows if kind == "predictions" else 0
    assert after["rows"] == before["rows"]  # they were counted; the profile still has them
    with closing(sqlite3.connect(tmp_path / "store" / NAME)) as connection:
        kept = stored(connection, tmp_path / "store", "predictions")
    assert kept is not None
    assert kept.num_rows == before["rows"] - lost
    backup.check(tmp_path / "store")


def test_files_that_are_believed_unchecked_are_caught(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "read_rows", lambda root, path, digest, columns=None: pq.read_table(root / path))
    monkeypatch.setattr(files, "set_aside", lambda root, path: None)
    with pytest.raises((AssertionError, pa.ArrowException)):
        test_a_damaged_file_costs_its_own_rows_and_that_is_said(whole, tmp_path, 1)


def test_a_damaged_file_is_reported_when_files_are_put_together(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "store")
    with Pipeline.open(tmp_path / "store", SETTINGS) as pipeline:
        for number in range(5):
            submit(pipeline, "predictions", f"more{number}", predictions(0, 50 + number, 200, seed=41))
            assert pipeline.settle()
            if number == 3:
                file = next(
                    p
                    for p in tmp_path.rglob("*.parquet")
                    if "id" in pq.read_schema(p).names and "n00" in pq.read_schema(p).names
                )
                rows = pq.read_metadata(file).num_rows
                file.write_bytes(file.read_bytes()[:-1] + b"?")
            pipeline.tidy()
        model = pipeline.models("default")[0]
        assert pipeline.status()["worker_failures"] == 0
    assert model["lost"] == rows
    assert not file.exists()
    backup.check(tmp_path / "store")


def damage_row(folder: Path, table: str) -> None:
    """Flip a bit in the body of one row, below all checks of the database."""
    with closing(sqlite3.connect(folder / NAME)) as connection:
        number, body = connection.execute(f"SELECT id, body FROM {table} ORDER BY id LIMIT 1").fetchone()
        changed = bytearray(body)
        changed[len(body) // 2] ^= 4
        connection.execute(f"UPDATE {table} SET body = ? WHERE id = ?", (bytes(changed), number))
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_a_damaged_profile_is_made_anew_and_nothing_is_lost(whole: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    shutil.copytree(whole, store.folder)
    with Pipeline.open(store.folder, SETTINGS) as pipeline:
        right = pipeline.profile(TARGET, None, None).to_bytes()
    damage_row(store.folder, "profile")
    more = predictions(0, 77, 200, seed=42)
    with Pipeline.open(store.folder, SETTINGS) as pipeline:
        submit(pipeline, "predictions", "more", more)
        assert pipeline.settle()
        model = pipeline.models("default")[0]
        profile = pipeline.profile(TARGET, None, None)
        assert pipeline.status()["worker_failures"] == 0
    assert right != profile.to_bytes()
    assert (model["rows"], model["lost"]) == (sum(t.num_rows for t in ROWS) + more.num_rows, 0)
    assert profile.rows == model["rows"]
    backup.check(store.folder)


@pytest.mark.parametrize("tidy", [False, True])
def test_damaged_rows_in_the_database_cost_themselves_and_that_is_said(tmp_path: Path, tidy: bool) -> None:
    folder, never = tmp_path / "store", PipelineSettings(flush_after=timedelta(days=999))
    with Pipeline.open(folder, never) as pipeline:
        pipeline.register(TARGET, SCHEMA, "wall")
        submit(pipeline, "predictions", "p0", ROWS[0])
        assert pipeline.settle()
    damage_row(folder, "part")
    with closing(sqlite3.connect(folder / NAME)) as connection:
        cost = connection.execute("SELECT rows FROM part ORDER BY id LIMIT 1").fetchone()[0]
    with Pipeline.open(folder, never) as pipeline:
        if tidy:
            pipeline.tidy()
        submit(pipeline, "predictions", "p1", ROWS[1])
        assert pipeline.settle()
        model = pipeline.models("default")[0]
        told = [t["reason"] for t in pipeline.quarantine(TARGET)]
        assert pipeline.status()["worker_failures"] == 0
    assert (model["rows"], model["lost"]) == (ROWS[0].num_rows + ROWS[1].num_rows, cost)
    assert len(told) == 1
    assert f"{cost} rows are lost" in told[0]
    backup.check(folder)
