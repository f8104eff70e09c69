"""The history of what serves: each change with its moment, and nothing of what was said before any time had passed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchkeeper.pipeline.serving import History, history, serve
from watchkeeper.store import rows
from watchkeeper.store.database import Database


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    database = Database(folder)
    database.write(lambda c: rows.insert(c, "model", id=7, project_id=1, name="m", serving=None)).result()
    yield database
    database.close()


def told(store: Database, *steps: tuple[str, int | None]) -> History:
    def job(connection: sqlite3.Connection) -> History:
        for version, at in steps:
            serve(connection, 7, version, at)
        return history(connection, 7, None)

    return store.write(job).result()


def test_a_moment_is_of_the_last_version_set_before_it_and_the_first_always_served_before(store: Database) -> None:
    found = told(store, ("1", 100), ("2", 200), ("2", 250), ("1", 300))
    assert found.changes == ((100, "1"), (200, "2"), (300, "1"))
    assert [found.at(at) for at in (0, 199, 200, 299, 300)] == ["1", "1", "2", "2", "1"]


def test_what_was_said_before_a_replay_had_rows_was_never_true_of_one(store: Database) -> None:
    assert told(store, ("1", None), ("2", None), ("3", 50)).changes == ((0, "2"), (50, "3"))


def test_a_store_that_kept_none_knows_what_serves_now_and_begins_from_there(store: Database) -> None:
    with store.reading() as connection:
        assert history(connection, 7, None).at(5) is None
        assert history(connection, 7, "4").at(5) == "4"
    store.write(lambda c: rows.update(c, "model", {"id": 7}, serving="4")).result()
    assert told(store, ("5", 90)).changes == ((0, "4"), (90, "5"))
