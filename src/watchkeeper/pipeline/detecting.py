"""What a seal sets off: findings, what they do to incidents, who is told and what is proposed, all in one transaction."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from watchkeeper.detection.between import reference_basis, reference_spread
from watchkeeper.detection.columns import natural_variations
from watchkeeper.detection.importance import unpaged
from watchkeeper.detection.series import Finding, Point, SeriesKey
from watchkeeper.detection.verdict import worst
from watchkeeper.detection.watched import PERFORMANCE
from watchkeeper.metrics.names import DRIFT
from watchkeeper.pipeline.catalog import Model, Version
from watchkeeper.pipeline.changes import Changes
from watchkeeper.pipeline.incidents import Incidents
from watchkeeper.pipeline.measure import NUMBERS
from watchkeeper.pipeline.rules import InForce, Rules
from watchkeeper.pipeline.units_told import units_told
from watchkeeper.pipeline.values import Place
from watchkeeper.profiles.profile import Profile
from watchkeeper.response.evaluate import evaluate
from watchkeeper.response.incidents import Explanation, explain, identity, react
from watchkeeper.response.schedule import Schedule
from watchkeeper.store import rows
from watchkeeper.store.database import Job
from watchkeeper.window import Window, moment

Series = tuple[str | None, str | None, str, str, str]
"""Segment, column, metric, parameters and source, as :attr:`Measured.series` has them."""
_HISTORY = 60
_RAW = json.dumps({"scale": "raw"})
"""Of two units of one distance, the one that is only shown."""
_JUDGED_BY_DISTANCE = {"wasserstein", "jensen_shannon"}
_BEFORE = 14
"""Sealed windows before, whose effects say how far a column lay from the reference already."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed window with its rows and its measurements as they are known at the seal.

    ``between`` returns the profile of the rows between two moments, in microseconds; None where there are none.
    """

    version: Version
    window: Place
    rows: int
    numbers: Mapping[Series, tuple[float | int | None, ...]]
    between: Callable[[int, int], Profile | None] | None = None


class Findings:
    """Evaluates monitors on a sealed window, with the sealed windows before it, as each was known at its own seal."""

    def __init__(self) -> None:
        self._histories: dict[tuple[int, str, SeriesKey], list[Point]] = {}

    def of(self, connection: sqlite3.Connection, force: InForce, sealed: Sealed) -> list[Finding]:
        """Return what each check says."""
        latest, window = self._points(sealed), sealed.window
        span = Window(moment(window.start), moment(window.stop))
        found = evaluate(force.monitors, span, latest, self.history_of(connection, sealed), force.share)
        self._remember(sealed, latest)
        baseline = sealed.version.baseline
        return found if baseline is None else unpaged(found, baseline.profile.schema, force.opening)

    def pass_over(self, sealed: Sealed) -> None:
        """Hear of a sealed window that nobody judges: histories that lack it are read anew."""
        for place in [p for p in self._histories if p[:2] == (sealed.version.id, sealed.window.every)]:
            del self._histories[place]

    def forget(self) -> None:
        """Forget what was read of the store, after a failure."""
        self._histories.clear()

    def history_of(self, connection: sqlite3.Connection, sealed: Sealed) -> Callable[[SeriesKey], Sequence[Point]]:
        """Return how to get the sealed windows of a series before this one, oldest first."""
        window, version = sealed.window, sealed.version

        def history(key: SeriesKey) -> Sequence[Point]:
            place = (version.id, window.every, key)
            if place not in self._histories:
                known = _read_history(connection, window, key)
                self._histories[place] = [_with_reference(p, key, version, window.every) for p in known]
            return [p for p in self._histories[place] if p.start < window.start]

        return history

    def _points(self, sealed: Sealed) -> dict[SeriesKey, Point]:
        window = sealed.window
        found: dict[SeriesKey, Point] = {}
        for (segment, column, metric, params, source), numbers in sealed.numbers.items():
            if params != _RAW and numbers[NUMBERS.index("n")] is not None:  # without rows it was withdrawn
                key = SeriesKey(metric, column, segment, source)
                point = _point(window.start, window.stop, numbers, sealed.rows)
                found[key] = _with_reference(point, key, sealed.version, window.every)
        return found

    def _remember(self, sealed: Sealed, latest: Mapping[SeriesKey, Point]) -> None:
        """Add a window to the histories at hand; in the store it is there once its seal is committed."""
        for (version, every, key), known in self._histories.items():
            if (version, every) == (sealed.version.id, sealed.window.every) and key in latest:
                known.append(latest[key])
                del known[:-_HISTORY]


class Detecting:
    """Evaluates the monitors in force when a window is sealed. What it concludes is written with the seal, or not at all."""

    def __init__(self, rules: Rules, incidents: Incidents, changes: Changes, follow: Callable[[], None]) -> None:
        self._changes = changes
        self._follow = follow
        self._rules = rules
        self._incidents = incidents
        self._findings = Findings()
        self._looked: dict[int, datetime] = {}

    def at_seal(self, connection: sqlite3.Connection, sealed: Sealed) -> Job | None:
        """Return what is to be written with the seal of a window; None where no monitor looks at such windows."""
        window = sealed.window
        force = self._rules.of(connection, sealed.version) if window.stage == "serving" else None
        if force is None or window.every != force.monitors.every:
            self._findings.pass_over(sealed)
            return None
        return self._written(connection, force, sealed, self._findings.of(connection, force, sealed))

    def told(self, model: Model, *, sealed: bool) -> None:
        """Let those who look know that measurements, or a seal with all that follows from it, are in the store."""
        self._changes.publish("measured", model.project, model.name, model.environment)
        if sealed:
            self._follow()
            self._changes.publish("incident", model.project, model.name, model.environment)

    def due(self, connection: sqlite3.Connection, model: Model) -> bool:
        """Whether it is time to seal what a model's wall clock has brought, by the schedule that somebody applied."""
        force = self._rules.stored(connection, model)
        now = datetime.now(UTC)
        if force is not None and not force.monitors.schedule.due(self._looked.get(model.id), now):
            return False
        self._looked[model.id] = now
        return True

    def thinning(self, connection: sqlite3.Connection, model: Model) -> Schedule | None:
        """Return the schedule that somebody applied, where it leaves rows out."""
        force = self._rules.stored(connection, model)
        return force.monitors.schedule if force is not None and force.monitors.schedule.thins else None

    def forget(self) -> None:
        """Forget what was read of the store, after a failure."""
        self._findings.forget()

    # --- what is written ----------------------------------------------------------------------------------------------

    def _written(self, connection: sqlite3.Connection, force: InForce, sealed: Sealed, findings: list[Finding]) -> Job:
        version, window = sealed.version, sealed.window
        standing = self._incidents.standing(connection, version.model.id)
        steps = react({cause: held.standing for cause, held in standing.items()}, findings, force.opening)
        columns = self._explained(connection, sealed, findings) if any(s.kind == "open" for s in steps) else []
        by_monitor: dict[str, list[Finding]] = {}
        for finding in findings:
            by_monitor.setdefault(finding.monitor, []).append(finding)
        known = version.model.now()
        verdicts = [_verdict_row(window, name, some, known) for name, some in by_monitor.items()]

        def job(writer: sqlite3.Connection) -> None:
            rows.insert_many(writer, "verdict", verdicts, replace=True)
            for step in steps:
                self._incidents.carry_out(writer, force, version, standing.get(step.cause), step, columns, window)

        return job

    def _explained(self, connection: sqlite3.Connection, sealed: Sealed, findings: list[Finding]) -> list[Explanation]:
        """Return the columns that moved as something began, measured against the windows before."""
        evidence = [f for f in findings if f.column is not None and f.alarming]
        history = self._findings.history_of(connection, sealed)
        keys = {identity(f): SeriesKey(f.metric, f.column, f.segment, f.source) for f in evidence}
        earlier = {check: [_effect(p, key) for p in history(key)[-_BEFORE:]] for check, key in keys.items()}
        return units_told(explain(evidence, earlier), sealed)


def _effect(point: Point, key: SeriesKey) -> float:
    """Return the effect that the evidence of a finding has; a distance that comes without one is its own."""
    return point.value if key.metric in DRIFT and math.isnan(point.effect) else point.effect


def _verdict_row(window: Place, monitor: str, findings: list[Finding], known: int) -> list[Any]:
    told = [f.to_dict() for f in findings if f.verdict != "ok"] or [f.to_dict() for f in findings[:1]]
    name = worst(f.verdict for f in findings)
    place = [window.version_id, window.stage, window.every, window.start]
    return [*place, monitor, name, len(findings), json.dumps(told), known]


def numbers_at_seal(connection: sqlite3.Connection, window: Place) -> dict[Series, tuple[float | int | None, ...]]:
    """Return the measurements of a sealed window as they were known when it was sealed."""
    names = ", ".join(f"m.{name}" for name in NUMBERS)
    query = (
        f"SELECT s.segment, s.column_name, s.metric, s.params, s.source, {names}, max(m.revision) FROM series s "
        "JOIN measurement m ON m.series_id = s.id "
        "JOIN measured w ON w.version_id = s.version_id AND w.stage = s.stage AND w.every = s.every AND w.start = m.start "
        "WHERE s.version_id = ? AND s.stage = ? AND s.every = ? AND m.start = ? AND m.revision <= w.sealed_revision "
        "GROUP BY s.id"
    )
    found = connection.execute(query, (window.version_id, window.stage, window.every, window.start)).fetchall()
    return {tuple(row[:5]): tuple(row[5:-1]) for row in found}


def _point(start: int, stop: int, numbers: Sequence[float | int | None], of: int) -> Point:
    told = {name: math.nan if value is None else value for name, value in zip(NUMBERS, numbers, strict=True)}
    whole = {name: int(numbers[NUMBERS.index(name)] or 0) for name in ("n", "basis")}
    return Point(start, stop, **{**told, **whole}, rows=of)  # type: ignore[arg-type]


def _column_of(segment: str | None) -> str | None:
    return None if segment is None else segment.split("=", 1)[0]


def _with_reference(point: Point, key: SeriesKey, version: Version, every: str) -> Point:
    """Return a point with what the reference says about it: how much days differ anyway, or what a column moves anyway."""
    baseline = version.baseline
    if baseline is not None and key.metric in PERFORMANCE:
        point = replace(point, reference_basis=reference_basis(baseline, key.metric, key.segment))
    if baseline is not None and every == "day" and key.metric in PERFORMANCE:
        spread = reference_spread(baseline, key.metric, point.reference, _column_of(key.segment))
        return replace(
            point, reference_sd=spread.sd, reference_windows=spread.windows, reference_mean=spread.mean,
            reference_correlation=spread.correlation,
        )  # fmt: skip
    if key.metric in _JUDGED_BY_DISTANCE and key.column is not None:
        natural = {} if baseline is None else baseline.once("natural", lambda: natural_variations(baseline))
        return replace(point, floor=max(DRIFT[key.metric].floor or 0.0, natural.get(key.column, 0.0)))
    return point


def _read_history(connection: sqlite3.Connection, window: Place, key: SeriesKey) -> list[Point]:
    """Return the last sealed windows of a series, oldest first, as they were known at their seal."""
    names = ", ".join(f"m.{name}" for name in NUMBERS)
    query = (
        f"SELECT w.start, w.stop, w.rows, {names}, max(m.revision) FROM series s "
        "JOIN measurement m ON m.series_id = s.id "
        "JOIN measured w ON w.version_id = s.version_id AND w.stage = s.stage AND w.every = s.every AND w.start = m.start "
        "WHERE s.version_id = ? AND s.stage = ? AND s.every = ? AND s.metric = ? AND s.segment IS ? AND s.column_name IS ? "
        "AND s.source = ? AND s.params <> ? AND w.sealed_revision IS NOT NULL AND m.revision <= w.sealed_revision "
        f"AND w.start < ? GROUP BY w.start HAVING m.n IS NOT NULL ORDER BY w.start DESC LIMIT {_HISTORY}"
    )
    where = (
        window.version_id,
        window.stage,
        window.every,
        key.metric,
        key.segment,
        key.column,
        key.source,
        _RAW,
        window.start,
    )
    found = connection.execute(query, where).fetchall()
    return [_point(start, stop, numbers[:-1], of) for start, stop, of, *numbers in reversed(found)]
