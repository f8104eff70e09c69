"""What is kept is for the user who keeps it: files and folders of a store, and backups, are closed to all others."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchkeeper.cli import run
from watchkeeper.errors import InputError
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.values import Target
from watchkeeper.store.folders import private

BODY = b'{"predictions": [{"prediction": 1}]}'
DATABASE = ("watchkeeper.db", "watchkeeper.db-wal", "watchkeeper.db-shm")


@pytest.fixture(autouse=True)
def _generous() -> Iterator[None]:
    """Have what is made readable for all, as most systems do."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_to_others(folder: Path) -> list[str]:
    return [str(path) for path in (folder, *folder.rglob("*")) if rights(path) & 0o077]


def fill(store: Path) -> None:
    with Pipeline.open(store) as pipeline:
        target = Target("default", "m", "production", "1")
        pipeline.submit("predictions", target, None, "application/json", BODY).result()
        assert pipeline.settle()
        pipeline.tidy()
        assert [rights(store / name) for name in DATABASE] == [0o600] * 3
        assert open_to_others(store) == []


def test_a_store_its_backup_and_what_is_restored_are_closed(tmp_path: Path) -> None:
    fill(tmp_path / "store")
    assert run(["backup", str(tmp_path / "b.tar"), "--store", str(tmp_path / "store")]) == 0
    assert rights(tmp_path / "b.tar") == 0o600
    (tmp_path / "new").mkdir()
    assert run(["restore", str(tmp_path / "b.tar"), "--store", str(tmp_path / "new")]) == 0
    assert open_to_others(tmp_path / "new") == []


def test_an_open_store_of_before_is_closed_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = tmp_path / "store"
    fill(store)
    store.chmod(0o755)
    (store / DATABASE[0]).chmod(0o644)
    with caplog.at_level(logging.WARNING, "watchkeeper.store"):
        fill(store)
    assert [r.getMessage() for r in caplog.records if "0700" in r.getMessage()] != []


def test_a_folder_with_other_things_is_not_closed_but_refused(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "thesis.tex").touch()
    with pytest.raises(InputError, match="chmod 700"):
        Pipeline.open(tmp_path / "shared")
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["thesis.tex"]
    assert rights(tmp_path / "shared") == 0o755


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        Pipeline.open(tmp_path / "file")


def test_the_check_sees_what_is_open(tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    with private():
        (tmp_path / "closed").touch()
    assert open_to_others(tmp_path) == [str(tmp_path / "open")]
