"""Windows measured as rows and labels come, restated when they change, and sealed once."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from watchkeeper.pipeline.apply import delays_of
from watchkeeper.pipeline.catalog import Catalog, Model, Version
from watchkeeper.pipeline.detecting import Sealed, Series
from watchkeeper.pipeline.measure import NUMBERS, Measured, measure
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.pipeline.stored import ProfileStore, labelled_rows
from watchkeeper.pipeline.values import Place
from watchkeeper.profiles.profile import Profile
from watchkeeper.store import rows
from watchkeeper.store.database import Database, Job
from watchkeeper.window import DAY, calendar_window, microseconds

_LEAST_DELAYS = 100
_MOST_EMPTY = 1_000
Numbers = tuple[float | int | None, ...]
_Key = tuple[int, str, str, int]


@dataclass(frozen=True, slots=True)
class Span:
    """A window as its row in the store says."""

    version_id: int
    stage: str
    every: str
    start: int
    stop: int
    revision: int
    sealed_at: int | None
    dirty: int
    rows: int

    @property
    def key(self) -> _Key:
        """What tells it apart."""
        return self.version_id, self.stage, self.every, self.start

    @property
    def place(self) -> Place:
        """The same, with its end."""
        return Place(*self.key, self.stop)

    @property
    def where(self) -> dict[str, Any]:
        """The same, for queries."""
        return {"version_id": self.version_id, "stage": self.stage, "every": self.every, "start": self.start}


class Loop(Protocol):
    """Is told of seals, and of what was measured."""

    def at_seal(self, connection: sqlite3.Connection, sealed: Sealed) -> Job | None:
        """Return what is to be written with a seal."""
        ...

    def told(self, model: Model, *, sealed: bool) -> None:
        """Hear that a window's measurements, or its seal, are in the store."""
        ...


class Windows:
    """Measures windows. Each measurement that changed is appended with the next revision and when it was known."""

    def __init__(
        self, database: Database, catalog: Catalog, profiles: ProfileStore, settings: PipelineSettings, loop: Loop
    ) -> None:
        self._loop = loop
        self._database = database
        self._catalog = catalog
        self._profiles = profiles
        self._settings = settings
        self.measured = settings.measured
        self._measured_at: dict[_Key, float] = {}
        self._series: dict[tuple[int, str, str], dict[tuple[Any, ...], int]] = {}
        self._delays: dict[int, int] = {}

    def evaluation_delay(self, connection: sqlite3.Connection, model: Model) -> int:
        """Return how long after its end a window of a model is sealed, in microseconds."""
        if self._settings.evaluation_delay is not None:
            return int(self._settings.evaluation_delay.total_seconds() * 1e6)
        if model.id not in self._delays:
            stored = rows.select_one(connection, "model", id=model.id)
            kept = stored["seal_delay"] if stored is not None else None
            self._delays[model.id] = DAY if kept is None else kept
        return self._delays[model.id]

    def renew_delay(self, connection: sqlite3.Connection, model: Model) -> None:
        """Learn from the labels so far how late labels are.

        Done when the model's clock passes the end of a day or a seal, and never in between: so what is sealed when depends
        on what came, in its order, and not on how the worker happened to group it.
        """
        stored = rows.select_one(connection, "model", id=model.id)
        if self._settings.evaluation_delay is not None or stored is None:
            return
        known = delays_of(stored["delays"])
        delay = known.key_at(0.95) if known.count >= _LEAST_DELAYS else DAY
        if delay != self.evaluation_delay(connection, model):
            self._database.write(lambda c: rows.update(c, "model", {"id": model.id}, seal_delay=delay)).result()
            self._delays[model.id] = delay

    def next_seal(self, connection: sqlite3.Connection, model: Model) -> int | None:
        """Return the earliest moment at which a window of a model is to be sealed; None where none is open."""
        versions = [v.id for v in self._catalog.versions_of(model)]
        marks = ", ".join("?" * len(versions))
        query = f"SELECT min(stop) FROM measured WHERE sealed_at IS NULL AND version_id IN ({marks})"
        found = connection.execute(query, versions).fetchone()[0]
        return None if found is None else int(found) + self.evaluation_delay(connection, model)

    def seal(self, connection: sqlite3.Connection, model: Model) -> int:
        """Measure and seal every window of a model whose time has come; returns how many."""
        now, delay = model.now(), self.evaluation_delay(connection, model)
        self._add_empty(connection, model, now - delay)
        versions = [v.id for v in self._catalog.versions_of(model)]
        due = [s for s in self._spans(connection, sealed_at=None, version_id=versions) if s.stop + delay <= now]
        for span in sorted(due, key=lambda s: (s.stop, s.key)):
            self._write(connection, span, seal=True)
            _look_again(connection)  # the next is judged by what this one did
        return len(due)

    def measure_dirty(self, connection: sqlite3.Connection, *, all_: bool) -> int:
        """Measure windows that changed, those that were measured a moment ago only where ``all_`` says so; returns how many."""
        moment, done = time.monotonic(), 0
        for span in self._spans(connection, dirty=1):
            before = self._measured_at.get(span.key)
            if not all_ and before is not None and moment - before < self._settings.measure_pause:
                continue
            self._write(connection, span, seal=False)
            done += 1
        return done

    def _spans(self, connection: sqlite3.Connection, **where: Any) -> list[Span]:
        names, values = rows.condition(where)
        fields = "version_id, stage, every, start, stop, revision, sealed_at, dirty, rows"
        found = connection.execute(f"SELECT {fields} FROM measured{names} ORDER BY start", values).fetchall()
        return [Span(*row) for row in found]

    def _add_empty(self, connection: sqlite3.Connection, model: Model, until: int) -> None:
        """Add the windows that nothing fell into: that no rows came is to be seen, and judged, like anything else.

        They are the serving version's, but only where no version of the model has rows: what was served by another is no gap.
        """
        versions = self._catalog.versions_of(model)
        version = next((v for v in versions if v.name == model.serving), None)
        if version is None or version.schema is None:
            return
        marks, numbers = ", ".join("?" * len(versions)), [v.id for v in versions]
        missing: list[Place] = []
        for every in self.measured:
            query = (
                "SELECT coalesce(max(CASE WHEN sealed_at IS NOT NULL THEN stop END), min(start)) FROM measured "
                f"WHERE version_id IN ({marks}) AND stage = 'serving' AND every = ?"
            )
            (at,) = connection.execute(query, (*numbers, every)).fetchone()
            if at is None:
                continue
            query = f"SELECT start FROM measured WHERE version_id IN ({marks}) AND stage = 'serving' AND every = ?"
            query += " AND start >= ?"
            there = {start for (start,) in connection.execute(query, (*numbers, every, at))}
            for _ in range(_MOST_EMPTY):
                window = calendar_window(at, every, version.schema.zone)
                start, at = at, microseconds(window.end)
                if at > until:
                    break
                if start not in there:
                    missing.append(Place(version.id, "serving", every, start, at))
        if missing:
            self._database.write(lambda writer: _insert_empty(writer, missing, model.now())).result()
            _look_again(connection)

    def _write(self, connection: sqlite3.Connection, span: Span, *, seal: bool) -> None:
        version = self._catalog.versions[span.version_id]
        if span.dirty or span.revision < 0:
            job, count, numbers = self._measure(connection, version, span, seal)
        else:
            job, count, numbers = _seal_only(span, version), span.rows, self._latest(connection, span)

        def before(first: int, last: int) -> Profile | None:
            return self._profiles.merged(connection, version, span.stage, first, last)

        sealed = Sealed(version, span.place, count, numbers, before)
        follows = self._loop.at_seal(connection, sealed) if seal else None

        def both(writer: sqlite3.Connection) -> None:
            job(writer)
            if follows is not None:
                follows(writer)

        self._database.write(both).result()
        self._loop.told(version.model, sealed=seal)
        self._measured_at[span.key] = time.monotonic()

    def _measure(
        self, connection: sqlite3.Connection, version: Version, span: Span, seal: bool
    ) -> tuple[Job, int, dict[Series, Numbers]]:
        """Return what is to be written of a window, how many rows it has, and its measurements."""
        profile = self._profiles.merged(connection, version, span.stage, span.start, span.stop)
        known = version.model.now()
        revision = span.revision + 1
        found = measure(profile, version.baseline, (span.stop - span.start) / 1e6) if profile is not None else []
        old = self._latest(connection, span)
        changed = [m for m in found if old.get(m.series) != m.numbers]
        gone = [series for series in old.keys() - {m.series for m in found} if old[series][0] is not None]
        changes: dict[str, Any] = {"revision": revision, "known_at": known, "dirty": 0}
        if profile is not None:
            changes |= {"rows": profile.rows, "labelled": labelled_rows(profile)}
        if seal:
            changes |= {"sealed_at": known, "sealed_revision": revision}
        series = self._series_of(connection, span)

        def job(writer: sqlite3.Connection) -> None:
            made = [(_series_id(writer, series, span, m), span.start, revision, known, *m.numbers) for m in changed]
            made += [(series[s], span.start, revision, known, *[None] * len(NUMBERS)) for s in gone]
            rows.insert_many(writer, "measurement", made)
            rows.update(writer, "measured", span.where, **changes)

        return job, profile.rows if profile is not None else 0, {m.series: m.numbers for m in found}

    def _latest(self, connection: sqlite3.Connection, span: Span) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """Return the numbers of each series of a window as they were last known."""
        by_id = {number: series for series, number in self._series_of(connection, span).items()}
        names = ", ".join(f"m.{name}" for name in NUMBERS)
        query = (
            f"SELECT m.series_id, {names}, max(m.revision) FROM series s JOIN measurement m ON m.series_id = s.id "
            "WHERE s.version_id = ? AND s.stage = ? AND s.every = ? AND m.start = ? GROUP BY m.series_id"
        )
        found = connection.execute(query, span.key).fetchall()
        return {by_id[number]: tuple(numbers[:-1]) for number, *numbers in found if number in by_id}

    def _series_of(self, connection: sqlite3.Connection, span: Span) -> dict[tuple[Any, ...], int]:
        key = (span.version_id, span.stage, span.every)
        if key not in self._series:
            where: dict[str, Any] = {"version_id": span.version_id, "stage": span.stage, "every": span.every}
            self._series[key] = {
                (s["segment"], s["column_name"], s["metric"], s["params"], s["source"]): s["id"]
                for s in rows.select_all(connection, "series", **where)
            }
        return self._series[key]


def _series_id(
    connection: sqlite3.Connection, known: dict[tuple[Any, ...], int], span: Span, measured: Measured
) -> int:
    if measured.series not in known:
        segment, column, metric, params, source = measured.series
        known[measured.series] = rows.insert(
            connection, "series", version_id=span.version_id, stage=span.stage, every=span.every, segment=segment,
            column_name=column, metric=metric, params=params, source=source, unit=measured.unit,
        )  # fmt: skip
    return known[measured.series]


def _look_again(connection: sqlite3.Connection) -> None:
    """Have a connection that reads see what was written meanwhile."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
        connection.execute("BEGIN")


def _insert_empty(writer: sqlite3.Connection, missing: list[Place], known: int) -> None:
    for place in missing:
        rows.insert(writer, "measured", **asdict(place), revision=-1, known_at=known, rows=0, labelled=0, dirty=0)


def _seal_only(span: Span, version: Version) -> Job:
    sealed = {"sealed_at": version.model.now(), "sealed_revision": span.revision}
    return lambda connection: rows.update(connection, "measured", span.where, **sealed)
