"""What a store tells: models, versions, windows, measurements, profiles, distributions and refused rows."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import Any

import pyarrow as pa

from watchkeeper.errors import CorruptStore, UnknownColumn, UnknownModel
from watchkeeper.metrics.estimation import FEWEST_LABELS, calibrate
from watchkeeper.pipeline.catalog import Catalog, Model, Version
from watchkeeper.pipeline.facts import facts_of
from watchkeeper.pipeline.measure import IMPROBABLE, NUMBERS, STRANGE
from watchkeeper.pipeline.roles import column_by_place
from watchkeeper.pipeline.stored import ProfileStore
from watchkeeper.pipeline.values import MeasurementQuery, Target
from watchkeeper.profiles.outcome import BinaryOutcome
from watchkeeper.profiles.profile import Profile, merge
from watchkeeper.report.distribution import distribution
from watchkeeper.report.tables import MEASUREMENTS, with_sequences
from watchkeeper.store import rows
from watchkeeper.store.database import Database
from watchkeeper.window import calendar_window, microseconds, moment

TABLE = pa.schema([*MEASUREMENTS, ("every", pa.string()), ("stage", pa.string()), ("sealed", pa.bool_())])
"""The columns of stored measurements: those of a comparison, and which windows they are of."""
_SPAN = ("version_id", "stage", "every", "start")
_IMPROBABLE = (
    "SELECT m.start, m.value FROM series s JOIN measurement m ON m.series_id = s.id "
    "WHERE s.version_id = ? AND s.stage = ? AND s.every = ? AND s.metric = ? ORDER BY m.start, m.revision"
)
_COUNTED = (
    "SELECT s.metric, s.every, CAST(round(sum(m.value * m.n)) AS INTEGER) FROM series s "
    "JOIN measurement m ON m.series_id = s.id WHERE s.version_id = ? AND s.metric IN (?, ?) AND m.value IS NOT NULL "
    "AND m.revision = (SELECT max(x.revision) FROM measurement x WHERE x.series_id = m.series_id AND x.start = m.start) "
    "GROUP BY s.metric, s.every"
)
"""Counts of what cannot be, by metric and by how long the windows are: each row is in one window of each length."""
_REVISIONS = {
    "latest": "m.revision = (SELECT max(x.revision) FROM measurement x WHERE x.series_id = m.series_id AND x.start = m.start)",
    "sealed": "w.sealed_revision IS NOT NULL AND m.revision = (SELECT max(x.revision) FROM measurement x "
    "WHERE x.series_id = m.series_id AND x.start = m.start AND x.revision <= w.sealed_revision)",
    "all": "1",
}


class Reading:
    """Answers questions; never writes, and sees only what was committed."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog

    def models(self, project: str) -> list[dict[str, Any]]:
        """Return every model of a project with its counts."""
        with self._database.reading() as connection:
            return [self._model(connection, model) for model in self._catalog.models_of(project)]

    def _model(self, connection: sqlite3.Connection, model: Model) -> dict[str, Any]:
        versions = self._catalog.versions_of(model)
        numbers = [v.id for v in versions]
        names, values = rows.condition({"version_id": numbers})
        query = f"SELECT coalesce(sum(rows), 0), coalesce(sum(labelled), 0), min(start), max(stop) FROM profile{names}"
        count, labelled, first, last = connection.execute(query, values).fetchone()
        waiting = "SELECT coalesce(sum(rows), 0) FROM inbox WHERE model_id = ?"
        counters = {c["name"]: c["value"] for c in rows.select_all(connection, "counter", model_id=model.id)}
        return {
            "model": model.name, "environment": model.environment, "clock": model.clock, "serving": model.serving,
            "watermark": _told(model.watermark), "rows": count, "labels": labelled,
            "pending": connection.execute(waiting, (model.id,)).fetchone()[0],
            "labels_waiting": connection.execute(
                "SELECT count(*) FROM waiting WHERE model_id = ?", (model.id,)
            ).fetchone()[0],
            "quarantined": counters.get("quarantined", 0), "duplicates": counters.get("duplicates", 0),
            "lost": counters.get("lost", 0), "sampled_out": counters.get("sampled_out", 0),
            "first": _told(first), "last": _told(last),
            "versions": [v.name for v in versions],
            "unknown_columns": list(dict.fromkeys(name for v in versions for name in unknown_columns(v))),
            "notices": [
                f"Version {v.name!r}: {notice}" for v in versions for notice in (*notices(v), *_of_values(connection, v))
            ],
        }  # fmt: skip

    def versions(self, target: Target) -> list[dict[str, Any]]:
        """Return a model's versions with schema, reference and counts."""
        model = self._catalog.model(target)
        with self._database.reading() as connection:
            return [self._version(connection, version) for version in self._catalog.versions_of(model)]

    def _version(self, connection: sqlite3.Connection, version: Version) -> dict[str, Any]:
        query = "SELECT coalesce(sum(rows), 0), coalesce(sum(labelled), 0), min(start), max(stop) FROM profile "
        count, labelled, first, last = connection.execute(query + "WHERE version_id = ?", (version.id,)).fetchone()
        reference = version.reference
        return {
            "model": version.model.name, "environment": version.model.environment, "version": version.name,
            "serving": version.model.serving == version.name, "rows": count, "labels": labelled,
            "first": _told(first), "last": _told(last),
            "schema": version.schema.to_dict() if version.schema is not None else None,
            "unknown_columns": unknown_columns(version), "notices": [*notices(version), *_of_values(connection, version)],
            "reference": None if reference is None else reference_words(reference),
            "facts": facts_of(connection, version.id),
        }  # fmt: skip

    def windows(self, target: Target, every: str, start: datetime | None, end: datetime | None) -> list[dict[str, Any]]:
        """Return the windows of a version and stage that have rows, earliest first."""
        version = self._catalog.version(target)
        zone = version.schema.zone if version.schema is not None else None
        with self._database.reading() as connection:
            where: dict[str, Any] = {"version_id": version.id, "stage": target.stage, "every": every}
            measured = {w["start"]: w for w in rows.select_all(connection, "measured", **where)}
            improbable = dict(connection.execute(_IMPROBABLE, (*where.values(), IMPROBABLE)).fetchall())
            names, values = _between(start, end)
            query = (
                f"SELECT start, rows, labelled FROM profile WHERE version_id = ? AND stage = ?{names} ORDER BY start"
            )
            found: dict[int, dict[str, Any]] = {}
            for first, count, labelled in connection.execute(query, (version.id, target.stage, *values)):
                window = calendar_window(first, every, zone)
                key = microseconds(window.start)
                known = measured.get(key, {})
                made = found.setdefault(
                    key,
                    {
                        "start": window.start.isoformat(), "end": window.end.isoformat(), "rows": 0, "labels": 0,
                        "revision": _revision(known), "known_at": _told(known.get("known_at")),
                        "sealed": known.get("sealed_at") is not None, "sealed_at": _told(known.get("sealed_at")),
                        "measured": known.get("dirty") == 0, "notices": _of_scores(improbable.get(key)),
                    },
                )  # fmt: skip
                made["rows"] += count
                made["labels"] += labelled
        return [w | {"coverage": w["labels"] / w["rows"] if w["rows"] else None} for _, w in sorted(found.items())]

    def measurements(self, query: MeasurementQuery) -> pa.Table:
        """Return measurements as an Arrow table: a row for each metric, segment, column and window."""
        model = self._catalog.model(query.target)
        versions = [v for v in self._catalog.versions_of(model) if query.target.version in {"", v.name}]
        if not versions:
            raise UnknownModel("version", query.target.version, [v.name for v in self._catalog.versions_of(model)])
        conditions, values = _conditions(query, [v.id for v in versions])
        numbers = ", ".join(f"m.{name}" for name in NUMBERS)
        statement = (
            f"SELECT m.series_id, m.start, m.revision, m.known_at, {numbers}, m.crc FROM series s "
            "JOIN measurement m ON m.series_id = s.id JOIN measured w ON w.version_id = s.version_id AND w.stage = s.stage "
            f"AND w.every = s.every AND w.start = m.start WHERE {conditions} AND {_REVISIONS[query.revisions]} "
            "ORDER BY m.start, s.id, m.revision"
        )
        where: dict[str, Any] = {"version_id": [v.id for v in versions], "stage": query.target.stage}
        with self._database.reading() as connection:
            found = connection.execute(statement, values).fetchall()
            series = {s["id"]: s for s in rows.select_all(connection, "series", **where)}
            spans = {tuple(w[name] for name in _SPAN): w for w in rows.select_all(connection, "measured", **where)}
        names = {v.id: v.name for v in versions}
        dims = [_dims(series, spans, names, *row[:2]) for row in found]
        table = _table(found, dims, model, every_value=query.revisions == "all")
        return with_sequences(table) if query.sequence else table

    def profile(self, target: Target, start: datetime | None, end: datetime | None) -> Profile:
        """Return the profile of all rows in an interval.

        Raises
        ------
        UnknownModel
            There are none.
        """
        version = self._catalog.version(target)
        first = microseconds(start) if start is not None else -(2**62)
        last = microseconds(end) if end is not None else 2**62
        with self._database.reading() as connection:
            found = [w.profile for w in ProfileStore().between(connection, version, target.stage, first, last)]
        if not found:
            raise UnknownModel("window with rows", f"{start or '...'} to {end or '...'}", [])
        return merge(found)

    def distribution(self, target: Target, column: str, start: datetime | None, end: datetime | None) -> dict[str, Any]:
        """Return how a column is distributed in an interval, beside the reference where there is one."""
        version = self._catalog.version(target)
        profile = self.profile(target, start, end)
        if column not in profile.columns:
            raise UnknownColumn(column, profile.columns, "The request")
        before = version.reference
        reference = before.columns[column] if before is not None else None
        shown = distribution(reference if reference is not None else profile.columns[column], profile.columns[column])
        return {"column": column, "kind": profile.schema.kinds[column], "rows": profile.rows,
                "has_reference": reference is not None, "distribution": shown}  # fmt: skip

    def quarantine(self, target: Target, limit: int) -> list[dict[str, Any]]:
        """Return refused rows with their reasons, latest first."""
        model = self._catalog.model(target)
        with self._database.reading() as connection:
            found = rows.select_all(
                connection, "quarantine", tail=f"ORDER BY id DESC LIMIT {int(limit)}", model_id=model.id
            )
        return [
            {k: r[k] for k in ("version", "kind", "batch", "row", "reason")}
            | {"content": json.loads(r["content"]) if r["content"][-3:] != "..." else r["content"]}
            | {"received": _told(r["received"])}
            for r in found
        ]


def unknown_columns(version: Version) -> list[str]:
    """Return the features that came and that the version's schema does not have."""
    kinds = version.schema.kinds if version.schema is not None else {}
    return [name for name in version.unknown if not name.startswith("@") and name not in kinds]


def notices(version: Version) -> list[str]:
    """Return in words what of a version's rows is kept and not counted, and what to do about it."""
    schema = version.schema
    if schema is None:
        return []
    remedy = "Give the version a reference, whose schema names it: its rows are then counted anew."
    known = column_by_place(schema)
    names = [name for name in version.unknown if name.startswith("@") and name not in known]
    found = [f"{name[1:]!r} was logged, and the schema has no role for it. {remedy}" for name in names]
    if schema.task is None:
        found.append(
            "No task could be guessed from its first rows, so predictions and scores are kept and not measured. "
            "Register the version with its schema, or give it a reference: its rows are then counted anew."
        )
    return found


def _of_values(connection: sqlite3.Connection, version: Version) -> list[str]:
    """Return how many scores and classes of a version's measured windows cannot be what they say they are."""
    counts, found = {IMPROBABLE: 0, STRANGE: 0}, []
    for metric, _, count in connection.execute(_COUNTED, (version.id, IMPROBABLE, STRANGE)):
        counts[metric] = max(counts[metric], count)
    if counts[IMPROBABLE]:
        found.append(
            f"{counts[IMPROBABLE]:,} scores lie outside 0 to 1, so they are no probabilities; losses leave them out."
        )
    if counts[STRANGE]:
        classes = ", ".join(version.schema.classes[:5]) if version.schema is not None else ""
        said = f"{counts[STRANGE]:,} rows have a prediction or label of no known class"
        found.append(f"{said} ({classes}); they are counted as missing.")
    return found


def _revision(known: dict[str, Any]) -> int | None:
    """Return the revision of a window's measurements; None before it was measured for the first time."""
    number = known.get("revision")
    return number if number is not None and number >= 0 else None


def _of_scores(improbable: float | None) -> list[str]:
    """Return what a window says of scores that are no probabilities."""
    if not improbable:
        return []
    most = "nothing is estimated without labels" if improbable > 0.5 else "estimates without labels leave them out"
    return [f"{improbable:.1%} of the scores are no probabilities from 0 to 1: {most}."]


def of_reference(reference: Profile) -> list[str]:
    """Return in words what cannot be compared with a reference, and what to do about it."""
    outcome = reference.outcome
    if outcome is None:
        return ["The reference has no task, so performance is not compared: name its target, and score or prediction."]
    if outcome.labelled == 0:
        return [
            "The reference has no labels, so performance has nothing to be worse than, and nothing is estimated without "
            "labels. Make it of rows whose label is known, and name their column as target."
        ]
    if isinstance(outcome, BinaryOutcome) and reference.schema.score is not None and calibrate(outcome) is None:
        return [
            f"Nothing is estimated without labels: that needs scores from 0 to 1, and {FEWEST_LABELS} rows of either class."
        ]
    return []


def reference_words(reference: Profile) -> dict[str, Any]:
    """Return what a listing says of a reference."""
    window = reference.window
    return {
        "rows": reference.rows, "coverage": reference.coverage,
        "start": window.start.isoformat() if window else None, "end": window.end.isoformat() if window else None,
    }  # fmt: skip


def _told(at: int | None) -> str | None:
    return None if at is None else moment(at).isoformat()


def _between(start: datetime | None, end: datetime | None, column: str = "start") -> tuple[str, list[int]]:
    terms, values = "", []
    if start is not None:
        terms, values = f" AND {column} >= ?", [microseconds(start)]
    if end is not None:
        terms, values = f"{terms} AND {column} < ?", [*values, microseconds(end)]
    return terms, values


def _conditions(query: MeasurementQuery, versions: list[int]) -> tuple[str, list[Any]]:
    where: dict[str, Any] = {"s.version_id": versions, "s.stage": query.target.stage}
    given = {
        "s.every": query.every,
        "s.segment": query.segment,
        "s.column_name": query.column,
        "s.source": query.source,
    }
    where |= {name: value or None for name, value in given.items() if value is not None}
    if query.metrics:
        where["s.metric"] = list(query.metrics)
    names, values = rows.condition(where)
    more, times = _between(query.start, query.end, "m.start")
    return names.removeprefix(" WHERE ") + more, values + times


def _dims(
    all_series: dict[int, dict[str, Any]], spans: dict[tuple[Any, ...], dict[str, Any]], versions: dict[int, str],
    number: int, start: int,
) -> dict[str, Any]:  # fmt: skip
    """Return what a measurement is of."""
    series = all_series.get(number)
    window = spans.get((*(series[name] for name in _SPAN[:-1]), start)) if series is not None else None
    if series is None or window is None:
        raise CorruptStore("a measurement", f"what it is of is not there (series {number}, window {start})")
    made = {name: series[name] for name in ("every", "stage", "segment", "metric", "params", "source", "unit")}
    made |= {"version": versions[series["version_id"]], "column": series["column_name"]}
    return made | {"sealed": window["sealed_at"] is not None, "window_start": start, "window_end": window["stop"]}


def _table(found: list[tuple[Any, ...]], dims: list[dict[str, Any]], model: Model, *, every_value: bool) -> pa.Table:
    made: dict[str, list[Any]] = {name: [] for name in TABLE.names}
    for (series, start, revision, known, *numbers, crc), here in zip(found, dims, strict=True):
        if rows.crc_of((series, start, revision, known, *numbers)) != crc:
            raise CorruptStore("a measurement", f"its checksum is wrong ({here['metric']}, {moment(start)})")
        if numbers[0] is None and not every_value:
            continue  # it was withdrawn: the window no longer has such a value
        values = dict(zip(NUMBERS, numbers, strict=True)) | here | {"revision": revision, "known_at": known}
        values |= {"project": model.project, "environment": model.environment, "model": model.name}
        for name in TABLE.names:
            made[name].append(values[name])
    return pa.table({name: pa.array(made[name], TABLE.field(name).type) for name in TABLE.names}, schema=TABLE)
