"""Ways to break a server on purpose: each is a mistake that somebody could make, and that a gate must catch."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Any

from watchkeeper.pipeline import accept, pipeline, worker
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.store import backup, database, files, folders, lock

_SETTINGS = {"flush_after": timedelta(0), "hours_kept": timedelta(0), "measure_pause": 0.2, "infer_wait": 0.1}


def hurry(settings: dict[str, Any]) -> None:
    """Have upkeep done all the time, and set what an order says; this breaks nothing."""
    made = PipelineSettings(**(_SETTINGS | settings))
    opened = pipeline.Pipeline.open.__func__  # type: ignore[attr-defined]
    pipeline.Pipeline.open = classmethod(lambda cls, folder, _=None: opened(cls, folder, made))  # type: ignore[method-assign]
    worker._TIDY_EVERY = worker._IDLE = 0.02


def acknowledge_early() -> None:
    """Answer before the commit."""

    def commit(self: database.Database, jobs: list[Any]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for job, future in jobs:
            answer, failed = self._attempt(job)
            future.set_exception(failed) if failed is not None else future.set_result(answer)
        time.sleep(0.2)  # long, so that few kills are needed to fall into it
        self._connection.execute("COMMIT")

    database.Database._commit = commit  # type: ignore[method-assign]


def sync_less() -> None:
    """Commit without a sync: durable against kill -9, not against the loss of power."""
    whole = database.Database._set_up

    def set_up(self: database.Database, connection: sqlite3.Connection) -> None:
        whole(self, connection)
        connection.execute("PRAGMA synchronous = NORMAL")

    database.Database._set_up = set_up  # type: ignore[method-assign]


class _NoSync:
    """The module os, with an fsync that does nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, descriptor: int) -> None:
        """Do nothing."""


def files_unsynced() -> None:
    """Register Parquet files that may not be on disk."""
    files.os = _NoSync()  # type: ignore[attr-defined]


def names_unsynced() -> None:
    """Sync files and not the folders that name them."""
    folders.sync_folder = lambda folder: None


def removed_early() -> None:
    """Remove what a compaction replaces before the new state is on disk."""
    whole = worker.Upkeep._flush

    def flush(self: Any, connection: sqlite3.Connection, partition: Any, kind: str) -> None:
        paths = connection.execute(
            "SELECT path FROM file WHERE partition_id = ? AND kind = ?", (partition.id, kind)
        ).fetchall()
        kept = [(path, (self._root / path).read_bytes()) for (path,) in paths]
        if len(kept) >= 4:
            for path, _ in kept:
                (self._root / path).unlink()
            for path, content in kept:  # so that the compaction still finds them
                (self._root / path).write_bytes(content)
        whole(self, connection, partition, kind)

    worker.Upkeep._flush = flush  # type: ignore[method-assign]


def forgetful() -> None:
    """Take every batch for a new one."""

    def replayed(connection: sqlite3.Connection, project: str, name: str, digest: bytes) -> None:
        with contextlib.suppress(sqlite3.OperationalError):  # a connection that only reads, before the batch is read
            connection.execute("DELETE FROM batch WHERE id = ?", (name,))

    accept._replayed = replayed


def released_later() -> None:
    """Release what was counted in a transaction of its own, after the one that counts."""
    whole = worker.write_job

    def write_job(applied: Any, entries: list[Any], measured: Any, known: int) -> Any:
        return whole(applied, [], measured, known)

    def commit(self: worker.Worker, applied: Any, job: Any, entries: list[Any]) -> None:
        self._database.write(job).result()
        time.sleep(0.2)
        release = [(entry.seq,) for entry in entries]
        self._database.write(lambda c: c.executemany("DELETE FROM inbox WHERE seq = ?", release)).result()
        self._remember(applied, entries)

    worker.write_job = write_job
    worker.Worker._commit = commit  # type: ignore[method-assign]


def impatient() -> None:
    """Write from whatever thread, without waiting for others."""

    def write(self: database.Database, job: Callable[[sqlite3.Connection], Any]) -> Future[Any]:
        with contextlib.closing(sqlite3.connect(self.path, timeout=0, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            answer: Future[Any] = Future()
            answer.set_result(job(connection))
            connection.execute("COMMIT")
            return answer

    database.Database.write = write  # type: ignore[method-assign,assignment]


def unlocked() -> None:
    """Take no lock."""
    lock.fcntl = type("NoLock", (), {"flock": staticmethod(lambda *_: None), "LOCK_EX": 0, "LOCK_NB": 0, "LOCK_SH": 0})  # type: ignore[attr-defined]


def abrupt() -> None:
    """Acknowledge early, and end at SIGTERM without finishing."""
    acknowledge_early()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    from watchkeeper.server.run import Server

    Server.handle_exit = lambda self, number, frame: os._exit(0)  # type: ignore[method-assign]


def half_a_backup() -> None:
    """Back up the database's main file, and not what waits in its log."""
    whole = backup.stream

    @functools.wraps(whole)
    def stream(path: Path, root: Path) -> Iterator[bytes]:
        alone = root.parent / "alone"
        alone.mkdir(exist_ok=True)
        (alone / path.name).write_bytes(path.read_bytes())
        yield from whole(alone / path.name, root)

    backup.stream = stream


KNOWN: dict[str, Callable[[], None]] = {
    made.__name__: made
    for made in (
        acknowledge_early, sync_less, files_unsynced, names_unsynced, removed_early, forgetful, released_later,
        impatient, unlocked, abrupt, half_a_backup,
    )
}  # fmt: skip
