"""The main path of a server, in one object: accept, apply, measure, seal, and answer questions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from watchkeeper.client.usage import Usage
from watchkeeper.errors import CorruptProfile
from watchkeeper.pipeline.accept import Accepting
from watchkeeper.pipeline.apply import now
from watchkeeper.pipeline.catalog import Catalog, schema_from
from watchkeeper.pipeline.changes import Changes
from watchkeeper.pipeline.damage import report_damage
from watchkeeper.pipeline.facts import Facts
from watchkeeper.pipeline.keys import Keys
from watchkeeper.pipeline.loop import Loop, Parts
from watchkeeper.pipeline.partition import RawRows
from watchkeeper.pipeline.reading import Reading, of_reference, reference_words
from watchkeeper.pipeline.roles import check_reference
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.pipeline.values import Kind, MeasurementQuery, Receipt, Target
from watchkeeper.pipeline.worker import Worker
from watchkeeper.profiles.profile import Profile
from watchkeeper.store import backup
from watchkeeper.store.database import Database
from watchkeeper.store.lock import FolderLock


class Pipeline(Loop):
    """A store that is open: takes batches, counts them, measures windows, and tells of them. Thread-safe.

    Made by :meth:`open`; holds the folder until :meth:`close`.
    """

    def __init__(self, folder: Path, settings: PipelineSettings, lock: FolderLock) -> None:
        self.folder = folder
        self._lock = lock
        self._started = time.monotonic()
        self.database = Database(folder)
        try:
            self.catalog = Catalog(self.database)
            self.keys = Keys(self.database)
            self._accepting = Accepting(self.database, self.catalog, settings)
            self._reading = Reading(self.database, self.catalog)
            raw = RawRows(folder, lambda kind, row, error: report_damage(self.database, folder, kind, row, error))
            super().__init__(
                Parts(
                    self.database,
                    self.catalog,
                    raw,
                    folder,
                    self.set_reference,
                    self._keeping_files,
                    Changes(),
                    settings.measured,
                )
            )
            self._worker = Worker(self.database, self.catalog, settings, folder, self._accepting, self.detecting)
        except BaseException:
            self.database.close()
            raise

    @classmethod
    def open(cls, folder: Path, settings: PipelineSettings | None = None) -> Pipeline:
        """Open the store in ``folder`` (an empty one is made), finish what a killed process left, and begin to work.

        Raises
        ------
        StoreLocked
            Another process has it open.
        StoreVersion, CorruptStore
            It is of another format, or damaged.
        """
        folder = folder.absolute()  # commands of actions run elsewhere
        lock = FolderLock(folder)
        try:
            made = cls(folder, settings or PipelineSettings(), lock)
        except BaseException:
            lock.close()
            raise
        made._worker.start()
        made._start_loop()
        return made

    def close(self, timeout: float = 10.0) -> None:
        """Count what was accepted, as far as ``timeout`` seconds allow, and let the folder go; what remains is in the inbox."""
        self._worker.stop(timeout)
        self._end_loop(timeout)
        self.database.close()
        self._lock.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keeping_files(self) -> AbstractContextManager[None]:
        return self._worker.upkeep.keeping_files()

    def announce(self, url: str) -> None:
        """Let other processes on this machine, and those who are told of incidents, know where it answers."""
        self.address = url
        self._lock.announce(url)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until everything accepted is counted and measured; returns whether it is."""
        return self._worker.settle(timeout)

    def tidy(self) -> int:
        """Do all upkeep that is due at once: rows to Parquet, hours to days, what is too old; returns how much was done."""
        return self._worker.tidy_now()

    # --- in -----------------------------------------------------------------------------------------------------------

    def submit(
        self, kind: Kind, target: Target, batch_id: str | None, content_type: str, body: bytes,
        usage: Usage | None = None,
    ) -> Future[Receipt]:  # fmt: skip
        """Take a batch; the future resolves once it is on disk. See :meth:`Accepting.submit`."""
        return self._accepting.submit(kind, target, batch_id, content_type, body, usage)

    def register(
        self, target: Target, schema: dict[str, Any] | None, clock: str | None, facts: Facts | None = None
    ) -> dict[str, Any]:
        """Register a version: what is known of its schema, by which clock its model goes, and facts of its training.

        Raises
        ------
        Conflict
            The version has another schema already, or the model another clock and rows.
        SchemaError, UnknownKey
            The schema contradicts itself or has unknown keys.
        """
        given = schema_from(schema) if schema is not None else None
        version = self.catalog.version(target, make=True)
        if clock is not None:
            self.catalog.set_clock(version.model, clock)
        if given is not None and version.schema is None:
            self.catalog.set_given(version, given)
        elif given is not None and version.schema is not None:
            self._worker.widen(version, given)
        if facts:
            self.catalog.set_facts(version, facts)
        if version.model.serving is None:
            self.catalog.set_serving(version.model, version.name)
        return next(v for v in self._reading.versions(target) if v["version"] == target.version)

    def set_reference(self, target: Target, data: bytes) -> dict[str, Any]:
        """Make a profile the reference of a version; every window is then measured against it.

        Raises
        ------
        CorruptProfile, ProfileVersion
            The bytes are no profile of this release.
        Conflict
            The version counts rows under a schema that the reference does not fit.
        SchemaError
            The reference names neither score nor prediction.
        """
        profile = Profile.from_bytes(data)
        if profile.rows == 0:
            raise CorruptProfile("it has no rows")
        version = self.catalog.version(target, make=True)
        schema = check_reference(profile.schema).freeze()
        self._worker.adopt(version, profile.widen(schema), schema)
        if version.model.serving is None:
            self.catalog.set_serving(version.model, version.name)
        words = {"notices": of_reference(profile)} | reference_words(profile)
        return {"model": target.model, "version": target.version} | words

    def serving(self, target: Target) -> str | None:
        """Return the version that serves."""
        return self.catalog.model(target).serving

    def set_serving(self, target: Target, version: str) -> None:
        """Say which version serves; raises :class:`UnknownModel` for one that is not there."""
        found = self.catalog.version(Target(target.project, target.model, target.environment, version))
        self.catalog.set_serving(found.model, version)

    # --- out ----------------------------------------------------------------------------------------------------------

    def models(self, project: str) -> list[dict[str, Any]]:
        """See :meth:`Reading.models`."""
        return self._reading.models(project)

    def versions(self, target: Target) -> list[dict[str, Any]]:
        """See :meth:`Reading.versions`."""
        return self._reading.versions(target)

    def windows(self, target: Target, every: str, start: datetime | None, end: datetime | None) -> list[dict[str, Any]]:
        """See :meth:`Reading.windows`."""
        return self._reading.windows(target, every, start, end)

    def measurements(self, query: MeasurementQuery) -> pa.Table:
        """See :meth:`Reading.measurements`."""
        return self._reading.measurements(query)

    def profile(self, target: Target, start: datetime | None, end: datetime | None) -> Profile:
        """See :meth:`Reading.profile`."""
        return self._reading.profile(target, start, end)

    def distribution(self, target: Target, column: str, start: datetime | None, end: datetime | None) -> dict[str, Any]:
        """See :meth:`Reading.distribution`."""
        return self._reading.distribution(target, column, start, end)

    def quarantine(self, target: Target, limit: int = 100) -> list[dict[str, Any]]:
        """See :meth:`Reading.quarantine`."""
        return self._reading.quarantine(target, limit)

    def status(self) -> dict[str, float | int | bool | str]:
        """Return how the pipeline does: whether it is ready, and gauges."""
        with self.database.reading() as connection:
            waiting, pending, oldest = connection.execute(
                "SELECT count(*), coalesce(sum(rows), 0), min(received) FROM inbox"
            ).fetchone()
            labels = connection.execute("SELECT count(*) FROM waiting").fetchone()[0]
            counters = connection.execute("SELECT name, sum(value) FROM counter GROUP BY name").fetchall()
        found: dict[str, float | int | bool | str] = {
            "ready": self._worker.alive, "uptime_seconds": time.monotonic() - self._started, "inbox_batches": waiting,
            "inbox_rows": pending, "inbox_age_seconds": 0.0 if oldest is None else max(0.0, (now() - oldest) / 1e6),
            "labels_waiting": labels, "models": len(self.catalog.models), "worker_failures": self._worker.failures,
        }  # fmt: skip
        return found | {f"{name}_rows": int(value) for name, value in counters}

    def backup(self) -> Iterator[bytes]:
        """Yield a consistent backup of the whole store as a tar, while work goes on."""
        with self._worker.upkeep.keeping_files():
            yield from backup.stream(self.database.path, self.folder)
