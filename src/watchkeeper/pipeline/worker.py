"""The one thread that counts: takes acknowledged batches in order, applies them, measures, seals, and tidies up."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from watchkeeper.errors import CorruptStore, StoreError, StoreFailed, WatchkeeperError
from watchkeeper.pipeline.accept import Accepting
from watchkeeper.pipeline.apply import Applied, Applier, now, write_job
from watchkeeper.pipeline.catalog import Catalog, Version
from watchkeeper.pipeline.damage import report_damage, report_lost_log, report_profile, set_batch_aside
from watchkeeper.pipeline.detecting import Detecting
from watchkeeper.pipeline.gather import Gatherer
from watchkeeper.pipeline.group import Entry
from watchkeeper.pipeline.inbox import Inbox
from watchkeeper.pipeline.partition import RawRows
from watchkeeper.pipeline.restating import Restating
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.pipeline.stored import ProfileStore, StoredWindow
from watchkeeper.pipeline.upkeep import Upkeep
from watchkeeper.pipeline.windows import Windows
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema
from watchkeeper.store import files
from watchkeeper.store.database import Database, Job

T = TypeVar("T")
_LOG = logging.getLogger("watchkeeper")
_IDLE = 1.0
_TIDY_EVERY = 10.0
_LONGEST_PAUSE = 30.0


class Worker:
    """Applies what was accepted. Whatever fails is tried again; a batch that cannot be counted is set aside alone.

    Everything that it keeps in memory can be made anew from the store, and is, after any failure.
    """

    def __init__(
        self, database: Database, catalog: Catalog, settings: PipelineSettings, root: Path, accepting: Accepting,
        detecting: Detecting,
    ) -> None:  # fmt: skip
        self._detecting = detecting
        self._database = database
        self._catalog = catalog
        self._accepting = accepting
        self._root = root
        self._profiles = ProfileStore(settings.base)
        raw = RawRows(root, lambda kind, row, error: report_damage(database, root, kind, row, error))
        self._gatherer = Gatherer(catalog, raw, detecting.thinning)
        self._applier = Applier(catalog, raw, self._profiles)
        self._windows = Windows(database, catalog, self._profiles, settings, detecting)
        self._inbox = Inbox(database, catalog, self._windows, settings)
        self._restating = Restating(database, catalog, raw, settings)
        self.upkeep = Upkeep(database, catalog, settings, root, self._profiles)
        self._profiles.mend = self._mend
        self._commands: list[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]] = []
        self._state = threading.Condition()
        self._stopping = False
        self._settling = 0
        self._quiet = 0
        self._tidied = time.monotonic()
        self._careful = False
        self.failures = 0
        self._thread = threading.Thread(target=self._run, name="watchkeeper-worker", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether it works."""
        return self._thread.is_alive() and not self._stopping

    def start(self) -> None:
        """Learn what the store holds, remove what a killed process left half done, and begin."""
        with self._database.reading() as connection:
            self._gatherer.load(connection)
            known = {path for (path,) in connection.execute("SELECT path FROM file")}
            size = connection.execute("SELECT coalesce(sum(length(body)), 0) FROM inbox").fetchone()[0]
        if self._database.lost_commits:
            report_lost_log(self._database)
        files.remove_strays(self._root, known)
        self._accepting.inbox_bytes = size
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Count what was accepted, as far as ``timeout`` seconds allow, and end."""
        if self._thread.is_alive():
            self.settle(timeout)
        self._stopping = True
        self._accepting.arrived.set()
        if self._thread.is_alive():
            self._thread.join()

    def settle(self, timeout: float) -> bool:
        """Wait until nothing waits and every changed window is measured; returns whether that came to be."""
        with self._state:
            self._settling += 1
            before = self._quiet
            self._accepting.arrived.set()
            done = self._state.wait_for(lambda: self._quiet > before + 1 or not self._thread.is_alive(), timeout)
            self._settling -= 1
        return bool(done) and self._thread.is_alive()

    def adopt(self, version: Version, reference: Profile, schema: Schema) -> None:
        """Give a version a reference, and with it its schema; what was counted already is counted anew if need be."""
        self._do(lambda connection: self._restating.adopt(connection, version, reference, schema))

    def widen(self, version: Version, given: Schema) -> None:
        """Add columns to a version's schema; what was counted already is counted anew with them."""
        self._do(lambda connection: self._restating.widen(connection, version, given))

    def tidy_now(self) -> int:
        """Do all upkeep that is due; returns how many partitions and days it changed."""

        def some(connection: sqlite3.Connection) -> int:
            return self.upkeep.flush(connection, all_=True)

        done = 0
        while moved := self._do(some):
            done += moved
        while self._do(self.upkeep.merge_hours):
            done += 1
        return done + self._do(lambda connection: self.upkeep.expire(connection, now()))

    def _do(self, command: Callable[[sqlite3.Connection], T]) -> T:
        """Have something done between two groups, by the thread that works."""
        future: Future[T] = Future()
        with self._state:
            self._commands.append((command, future))
        self._accepting.arrived.set()
        return future.result()

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping:
            if pause:
                self._accepting.arrived.wait(pause)
            self._accepting.arrived.clear()
            try:
                worked = self._step()
                pause = 0.0 if worked else _IDLE
                self._careful = self._careful and worked
            except Exception as error:
                self._failed(error)
                pause = min(_LONGEST_PAUSE, max(0.1, 2 * pause))
        self._cancel_commands()

    def _cancel_commands(self) -> None:
        for _, future in self._commands:
            future.set_exception(StoreFailed("the server is closing"))

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self._careful = True
        _LOG.error("Counting failed and is tried again: %s: %s", type(error).__name__, error, exc_info=error)
        self._profiles.forget()
        self._detecting.forget()
        try:
            with self._database.reading() as connection:
                self._gatherer.load(connection)
        except (sqlite3.Error, CorruptStore) as again:
            _LOG.error("The store cannot be read: %s", again)

    def _step(self) -> bool:
        """Do one thing; returns whether there may be more to do at once."""
        with self._state:
            command = self._commands.pop(0) if self._commands else None
        with self._database.reading() as connection:
            if command is not None:
                self._carry_out(connection, *command)
                return True
            hurried = self._settling > 0
            entries = self._inbox.take(connection, one=self._careful, hurried=hurried)
            prepared = self._prepare(connection, entries) if entries else None
        if prepared is not None:
            self._commit(*prepared, entries)
        return bool(entries) or self._measure(hurried=hurried) or self._tidy()

    def _mend(
        self, connection: sqlite3.Connection, of: tuple[int, str], window: StoredWindow, error: WatchkeeperError
    ) -> Profile:
        """Return a damaged profile made anew from the raw rows, and put it in its place."""
        version, stage = self._catalog.versions[of[0]], of[1]
        made = self._applier.made_anew(connection, version, stage, (window.start, window.stop))
        if made.rows == 0:
            raise error
        report_profile(self._database, version.model.id, of, replace(window, profile=made), error)
        return made

    def _carry_out(
        self, connection: sqlite3.Connection, command: Callable[[sqlite3.Connection], Any], future: Future[Any]
    ) -> None:
        try:
            answer = command(connection)
        except Exception as error:
            future.set_exception(error)
            return
        self._profiles.forget()
        self._gatherer.forget()
        future.set_result(answer)

    def _prepare(self, connection: sqlite3.Connection, entries: list[Entry]) -> tuple[Applied, Job] | None:
        """Return what a group changes and the transaction that keeps it; None where its one batch had to be set aside."""
        try:
            applied = self._applier.apply(connection, self._gatherer.gather(connection, entries))
            return applied, write_job(applied, entries, self._windows.measured, now())
        except (StoreError, OSError, MemoryError):  # no fault of the batch: it waits until the store can be read again
            raise
        except Exception as error:
            if not self._careful or len(entries) > 1:
                raise
            self._failed(error)
            set_batch_aside(self._database, self._root, entries[0], error)
            return None

    def _commit(self, applied: Applied, job: Job, entries: list[Entry]) -> None:
        """Keep a group, and seal the windows whose time its event clock has brought."""
        self._database.write(job).result()
        self._remember(applied, entries)
        if entries[-1].model.clock == "event" and self._inbox.passed:
            with self._database.reading() as connection:
                self._windows.renew_delay(connection, entries[-1].model)
                self._windows.seal(connection, entries[-1].model)

    def _remember(self, applied: Applied, entries: list[Entry]) -> None:
        """Bring what is kept in memory up to what was committed."""
        for version, stage, window in applied.windows:
            self._profiles.keep(version.id, stage, window)
        by_id = {e.model.id: e.model for e in entries}
        for number, mark in applied.group.watermarks.items():
            model = by_id[number]
            model.watermark = mark if model.watermark is None else max(model.watermark, mark)
        for number, unknown in applied.group.unknown.items():
            self._catalog.versions[number].unknown = unknown
        for number, some in applied.group.unmet.items():
            self._gatherer.waiting[number] = self._gatherer.waiting.get(number, 0) + len(some)
        self._inbox.release(self._accepting)

    def _measure(self, *, hurried: bool) -> bool:
        with self._database.reading() as connection:
            models = [m for m in list(self._catalog.models.values()) if m.clock == "wall" or hurried]
            for model in models:
                if model.clock == "wall":
                    self._windows.renew_delay(connection, model)
            due = [m for m in models if hurried or self._detecting.due(connection, m)]
            sealed = sum(self._windows.seal(connection, model) for model in due)
        with self._database.reading() as connection:
            measured = self._windows.measure_dirty(connection, all_=hurried)
        return sealed + measured > 0

    def _tidy(self) -> bool:
        """Do some upkeep, when some time has passed, and say that nothing waits."""
        worked = False
        if time.monotonic() - self._tidied > _TIDY_EVERY:
            with self._database.reading() as connection:
                worked = self.upkeep.flush(connection) > 0
            with self._database.reading() as connection:
                if self.upkeep.merge_hours(connection):
                    self._profiles.forget()
                    worked = True
            with self._database.reading() as connection:
                worked |= self.upkeep.expire(connection, now()) > 0
            self._tidied = self._tidied if worked else time.monotonic()
        if not worked:
            with self._state:
                self._quiet += 1
                self._state.notify_all()
        return worked or self._settling > 0
