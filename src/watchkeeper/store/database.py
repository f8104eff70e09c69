"""The database of a store: one thread writes, commits in groups, and answers only when the commit is on disk."""

from __future__ import annotations

import contextlib
import queue
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from watchkeeper.errors import CorruptStore, StoreFailed, StoreVersion, WatchkeeperError
from watchkeeper.store.folders import EVENTS, QUARANTINE, make_folder, make_private, new_file
from watchkeeper.store.layout import APPLICATION_ID, FORMAT, statements
from watchkeeper.store.log import lost_commits

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], Any]
NAME = "watchkeeper.db"
_MOST_JOBS = 256
_STOP = object()
_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""The latter is raised in place of the former where what SQLite says of damage quotes the damage."""


class Database:
    """SQLite in WAL mode with ``synchronous=FULL``: a commit that returned survives the loss of power.

    Jobs that wait are committed together, each in a savepoint of its own, so that one that fails takes nothing with it.

    Attributes
    ----------
    lost_commits
        So many transactions were left out when it was opened, because the log rotted before them; ``quarantine`` has the log.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self.lost_commits = _keep_damaged_log(folder)
        self._connection = self._open()
        self._thread = threading.Thread(target=self._work, name="watchkeeper-writer", daemon=True)
        self._thread.start()

    def _open(self) -> sqlite3.Connection:
        make_private(self.path, "-wal", "-shm")  # SQLite makes the latter with the rights of the former
        try:
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA page_size = 4096")
            connection.execute("PRAGMA journal_mode = WAL")
            self._set_up(connection)
            self._prepare(connection)
        except _UNREADABLE as error:
            raise CorruptStore(str(self.path), str(error)) from error
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA temp_store = MEMORY")  # what a savepoint remembers is no business of /var/tmp
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA journal_size_limit = 67108864")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        events = self.path.parent / EVENTS
        if found == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            if events.exists():
                connection.close()
                raise CorruptStore(
                    str(self.path), "it is empty or gone, but the store was used before; restore a backup"
                )
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements():
                connection.execute(statement)
            connection.execute("COMMIT")
        elif connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            connection.close()
            raise CorruptStore(str(self.path), "it is not a store of Watchkeeper")
        elif found != FORMAT:
            connection.close()
            raise StoreVersion(str(self.path.parent), found, FORMAT)
        make_folder(events, self.path.parent)

    def write(self, job: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Have a job done in the next commit. The future resolves when that is on disk.

        It fails with the job's own error, or with :class:`StoreFailed` where the disk refused.
        """
        future: Future[T] = Future()
        self._jobs.put((job, future))
        return future

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one state of the store, however long it reads; one for each thread.

        Raises
        ------
        CorruptStore
            What is read is damaged.
        """
        connection = getattr(self._local, "connection", None)
        if connection is None:
            uri = f"{self.path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            self._local.connection = connection
            with self._lock:
                self._readers.append(connection)
        if connection.in_transaction:
            yield connection
            return
        try:
            connection.execute("BEGIN")
            yield connection
        except _UNREADABLE as error:
            if isinstance(error, sqlite3.ProgrammingError | sqlite3.IntegrityError):
                raise
            raise CorruptStore(str(self.path), str(error)) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def close(self) -> None:
        """Do what waits, then close."""
        self._jobs.put(_STOP)
        self._thread.join()
        with self._lock:
            for connection in self._readers:
                connection.close()
            self._readers.clear()
        self._connection.close()

    def _work(self) -> None:
        ended = False
        while not ended:
            group = [self._jobs.get()]
            with contextlib.suppress(queue.Empty):
                while len(group) < _MOST_JOBS:
                    group.append(self._jobs.get_nowait())
            ended = _STOP in group
            jobs = [item for item in group if item is not _STOP]
            if jobs:
                self._commit(jobs)

    def _commit(self, jobs: list[tuple[Job, Future[Any]]]) -> None:
        answers: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for job, future in jobs:
                answers.append((future, *self._attempt(job)))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            failure = StoreFailed(str(error))
            answers = [(future, None, failure) for _, future in jobs]
        for future, answer, failed in answers:
            if failed is not None:
                future.set_exception(failed)
            else:
                future.set_result(answer)

    def _attempt(self, job: Job) -> tuple[Any, BaseException | None]:
        self._connection.execute("SAVEPOINT job")
        try:
            answer = job(self._connection)
        except Exception as error:
            self._connection.execute("ROLLBACK TO job")
            self._connection.execute("RELEASE job")
            known = isinstance(error, WatchkeeperError)
            return None, error if known or not isinstance(error, sqlite3.Error) else StoreFailed(str(error))
        self._connection.execute("RELEASE job")
        return answer, None


def _keep_damaged_log(folder: Path) -> int:
    """Return how many transactions a damaged log has lost; keep a copy of such a log, for SQLite removes it."""
    log = folder / f"{NAME}-wal"
    lost = lost_commits(log)
    if lost:
        make_folder(folder / QUARANTINE, folder)
        with log.open("rb") as source, new_file(folder / QUARANTINE / f"log-{time.time_ns()}") as copy:
            shutil.copyfileobj(source, copy)
    return lost
