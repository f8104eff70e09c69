"""Every byte flipped, every file cut off anywhere: what is served is right, or it is said that it is not (I4)."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from harness import TARGET
from small import Verdict, flips, make, replaced, resting, send, truncations

from watchkeeper.errors import ProfileError, StoreError, WatchkeeperError
from watchkeeper.pipeline.body import from_body
from watchkeeper.profiles.profile import Profile
from watchkeeper.store import backup, rows
from watchkeeper.store.database import NAME, Database
from watchkeeper.store.lock import read_holder
from watchkeeper.store.log import lost_commits

Damages = Iterable[tuple[int, bytes]]
_BATCHES = 6


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "store"
    make(folder)
    return folder


@pytest.fixture(scope="module")
def logged(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store whose last batches are in the write-ahead log alone, as a killed server leaves it."""
    working, left = (tmp_path_factory.mktemp(name) / "store" for name in ("working", "left"))
    shutil.copytree(made, working)
    pipeline = resting(working)
    for number in range(20, 20 + _BATCHES):
        send(pipeline, number)
    shutil.copytree(working, left)
    pipeline.close(0)
    (left / f"{NAME}-shm").unlink()
    return left


def judged(folder: Path, damages: Damages, serve_every: int) -> Counter[str]:
    """Return how often damage of the database was harmless, was found, and was neither; raises what is none of our errors."""
    verdict, path, found = Verdict(folder), folder / NAME, Counter[str]()
    for turn, (place, content) in enumerate(damages):
        with replaced(path, content):
            said = verdict.of(serve=turn % serve_every == 0)
        found[said if said in {"same", "found"} else f"{said} at {place}"] += 1
    return found


def all_well(found: Counter[str]) -> None:
    print(dict(found))
    assert set(found) <= {"same", "found"}
    assert found["found"] > 0


def test_a_flipped_byte_of_the_database_is_harmless_or_found(made: Path) -> None:
    content = (made / NAME).read_bytes()
    all_well(judged(made, flips(content, range(0, len(content), 487)), serve_every=3))


@pytest.mark.long
def test_any_flipped_byte_of_the_database_is_harmless_or_found(made: Path) -> None:
    content = (made / NAME).read_bytes()
    all_well(judged(made, flips(content, range(len(content))), serve_every=53))


def test_a_database_that_is_cut_off_is_found(made: Path) -> None:
    content = (made / NAME).read_bytes()
    found = judged(made, truncations(content, range(0, len(content), 4001)), serve_every=1)
    all_well(found)
    assert found["same"] == 0


@pytest.mark.long
def test_a_database_that_is_cut_off_anywhere_is_found(made: Path) -> None:
    content = (made / NAME).read_bytes()
    assert set(judged(made, truncations(content, range(0, len(content), 41)), serve_every=7)) == {"found"}


def test_rows_that_are_believed_unchecked_are_caught(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "checked", lambda table, row: row[:-1])
    content = (made / NAME).read_bytes()
    found = judged(made, flips(content, range(0, len(content), 487)), serve_every=3)
    assert any("NOT FOUND" in said for said in found)


def batches(folder: Path) -> list[str]:
    """Return the batches that a store has, opened as a server does, each checked to be whole."""
    database = Database(folder)
    try:
        with database.reading() as connection:
            kept = {b["id"] for b in rows.select_all(connection, "batch")}
            inbox = rows.select_all(connection, "inbox", tail="ORDER BY seq")
        for entry in inbox:
            assert from_body(entry["body"]).num_rows == entry["rows"]
            assert entry["batch"] in kept
        return [entry["batch"] for entry in inbox] + [f"LOST {database.lost_commits}"] * bool(database.lost_commits)
    finally:
        database.close()


class Logs:
    """Opens a store over and over with other content of its log."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = scratch / "store"
        shutil.copytree(folder, self.folder)
        self.log = self.folder / f"{NAME}-wal"
        self.content, self._main = self.log.read_bytes(), (self.folder / NAME).read_bytes()
        self.before = batches_in(self.folder)
        self.all = self.having(self.content)

    def having(self, content: bytes) -> list[str]:
        (self.folder / NAME).write_bytes(self._main)
        self.log.write_bytes(content)
        found = batches(self.folder)
        shutil.rmtree(self.folder / "quarantine", ignore_errors=True)
        return found

    def cut(self, step: int) -> None:
        """Whatever is cut off, what is left is a prefix, and more is left where less is cut off."""
        least = 0
        for place, content in truncations(self.content, range(0, len(self.content), step)):
            found = self.having(content)
            assert found == self.all[: len(found)], place
            assert len(found) >= least, place
            least = len(found)

    def heads(self) -> list[int]:
        """Return the places of what is no page: the head of the log, and that of each frame."""
        frames = range(32, len(self.content), 4096 + 24)
        return [*range(32), *(frame + place for frame in frames for place in range(24))]

    def flipped(self, places: Iterable[int]) -> Counter[str]:
        """Whatever is flipped, what is left is a prefix; that it is shorter is said unless the last transaction is hit."""
        found: Counter[str] = Counter()
        for place, content in flips(self.content, places):
            left = self.having(content)
            said = [name for name in left if name.startswith("LOST")]
            left = left[: len(left) - len(said)]
            assert left == self.all[: len(left)], place
            missing = len(self.all) - len(left)
            if missing and not said:
                assert missing == 1, f"{missing} batches are gone after {place}, and nobody says so"
                assert place > len(self.content) * (1 - 1.5 / _BATCHES), place
            found["whole" if not missing else "said" if said else "the last"] += 1
        print(dict(found))
        return found


def batches_in(folder: Path) -> list[str]:
    """Return the batches that the main file has without its log."""
    with contextlib.closing(sqlite3.connect(f"file:{folder / NAME}?immutable=1", uri=True)) as connection:
        return [batch for (batch,) in connection.execute("SELECT batch FROM inbox ORDER BY seq")]


def test_a_log_that_is_cut_off_keeps_a_prefix(logged: Path, tmp_path: Path) -> None:
    logs = Logs(logged, tmp_path)
    assert len(logs.all) == len(logs.before) + _BATCHES
    logs.cut(step=331)


def test_a_flipped_byte_of_the_log_keeps_a_prefix_and_what_is_lost_is_said(logged: Path, tmp_path: Path) -> None:
    logs = Logs(logged, tmp_path)
    found = logs.flipped([*range(0, len(logs.content), 331), *logs.heads()])
    assert found["said"] > found["the last"] > 0


@pytest.mark.long
def test_a_log_cut_off_or_flipped_anywhere_keeps_a_prefix(logged: Path, tmp_path: Path) -> None:
    logs = Logs(logged, tmp_path)
    logs.cut(step=1)
    logs.flipped(range(len(logs.content)))


def test_a_log_that_lost_batches_unsaid_is_caught(
    logged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchkeeper.store.database.lost_commits", lambda log: 0)
    logs = Logs(logged, tmp_path)
    with pytest.raises(AssertionError, match="nobody says so"):
        logs.flipped(range(0, len(logs.content), 331))


def test_what_is_left_of_an_older_log_is_not_taken_for_damage(tmp_path: Path) -> None:
    log = tmp_path / f"{NAME}-wal"
    with contextlib.closing(sqlite3.connect(tmp_path / NAME, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")
        for turn in range(4):
            for number in range(20 - 4 * turn):
                connection.execute("INSERT INTO t VALUES (randomblob(3000))")
                assert lost_commits(log) == 0, (turn, number)
            connection.execute("PRAGMA wal_checkpoint(RESTART)")
        assert lost_commits(log) == 0


def test_every_model_is_told_that_the_log_was_damaged(logged: Path, tmp_path: Path) -> None:
    logs = Logs(logged, tmp_path)
    content = bytearray(logs.content)
    content[100] ^= 1
    (logs.folder / NAME).write_bytes((logged / NAME).read_bytes())
    logs.log.write_bytes(content)
    pipeline = resting(logs.folder)
    pipeline._worker.start()
    reasons = [told["reason"] for told in pipeline.quarantine(TARGET) if told["kind"] == "damage"]
    pipeline.close()
    assert len(reasons) == 1
    assert f"{_BATCHES} transactions" in reasons[0]
    assert [path.read_bytes() for path in (logs.folder / "quarantine").glob("log-*")] == [bytes(content)]


def test_an_empty_database_beside_a_used_store_removes_nothing(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(made, folder)
    files = set(folder.rglob("*.parquet"))
    for damage in (lambda path: path.write_bytes(b""), lambda path: path.unlink()):
        damage(folder / NAME)
        with pytest.raises(StoreError, match="was used before"):
            resting(folder)
        assert files == set(folder.rglob("*.parquet"))


@pytest.mark.parametrize("content", [b"", b"{", b'{"pid": 1', b"\xff" * 999, b'{"pid": "x"}', b"[]", b"null"])
def test_whatever_is_in_the_lock_file_a_store_opens(made: Path, content: bytes) -> None:
    (made / "lock").write_bytes(content)
    pipeline = resting(made)
    held = read_holder(made)
    pipeline.close(0)
    assert held is not None
    assert held.pid > 0
    assert read_holder(made) is None


def test_a_flipped_byte_of_a_profile_or_one_cut_off_is_refused(made: Path) -> None:
    pipeline = resting(made)
    content = pipeline.profile(TARGET, None, None).to_bytes()
    pipeline.close(0)
    assert Profile.from_bytes(content).to_bytes() == content
    for damages in (flips(content, range(len(content))), truncations(content, range(len(content)))):
        for place, damaged in damages:
            with pytest.raises(ProfileError):
                assert Profile.from_bytes(damaged) is None, place


def the_backup(folder: Path, file: Path) -> bytes:
    pipeline = resting(folder)
    file.write_bytes(b"".join(pipeline.backup()))
    pipeline.close(0)
    return file.read_bytes()


def damaged_backups(file: Path, damages: Damages, whole: dict[str, bytes], scratch: Path) -> Counter[str]:
    """Return how often a damaged backup was refused, and how often it was restored as it was."""
    found: Counter[str] = Counter()
    for place, content in damages:
        file.write_bytes(content)
        target = scratch / "restored"
        try:
            backup.restore(file, target)
        except WatchkeeperError:
            found["refused"] += 1
        else:
            assert contents(target) == whole, place
            found["same"] += 1
        assert found["same"] or not target.exists() or not any(p.name == NAME for p in target.iterdir()), place
        shutil.rmtree(target, ignore_errors=True)
    print(dict(found))
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("step", [1499, pytest.param(101, marks=pytest.mark.long)])
def test_a_damaged_backup_is_refused_or_restored_as_it_was(made: Path, tmp_path: Path, step: int) -> None:
    file = tmp_path / "backup.tar"
    content = the_backup(made, file)
    backup.restore(file, tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    places = range(0, len(content), step)
    flipped = damaged_backups(file, flips(content, places), whole, tmp_path)
    assert flipped["refused"] > flipped["same"]
    cut = damaged_backups(file, truncations(content, places), whole, tmp_path)
    assert cut["refused"] >= len(places) - 10240 // step - 1  # a tar ends with zeros that nobody misses
