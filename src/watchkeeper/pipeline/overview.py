"""Reading for people who look: series by window in few queries, as what the page draws and not as a table of everything."""

from __future__ import annotations

import sqlite3
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from watchkeeper.errors import CorruptStore
from watchkeeper.pipeline import serving
from watchkeeper.pipeline.catalog import Catalog, Model, Version
from watchkeeper.pipeline.measure import NUMBERS
from watchkeeper.pipeline.serving import History
from watchkeeper.profiles import codec
from watchkeeper.profiles.column import Column, read_column
from watchkeeper.profiles.profile import Profile, merge
from watchkeeper.schema import Schema
from watchkeeper.sketches.protocol import part_of
from watchkeeper.store import rows
from watchkeeper.store.database import Database
from watchkeeper.window import moment

SHOWN = {"hour": 14 * 24, "day": 90, "week": 104, "month": 36}
"""So many windows of each length are drawn at once."""
_UNRESOLVED = ["open", "acknowledged"]
_MOST_KEPT = 20_000
_MOST_OUTCOMES = 400
_OUTCOMES: weakref.WeakKeyDictionary[Database, OrderedDict[tuple[Any, ...], Profile | None]] = (
    weakref.WeakKeyDictionary()
)
_KEPT: weakref.WeakKeyDictionary[Database, OrderedDict[tuple[Any, ...], Column | None]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Span:
    """A window of a model: all versions' rows in it, and whose numbers are drawn: those of the version that served.

    ``served`` is False where the version had rows but was not the one that was set to serve.
    """

    start: int
    stop: int
    rows: int
    labelled: int
    sealed: bool
    version: int
    sealed_revision: int | None
    served: bool = True


@dataclass(slots=True)
class Series:
    """One metric of something, by window: the numbers as they are known now, and the values that the seal found."""

    version_id: int
    metric: str
    column: str | None
    segment: str | None
    source: str
    unit: str | None
    points: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    sealed: dict[int, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which series; an empty ``metrics`` means all. ``column`` and ``segment``: a name, ``"*"`` for any, None for of none."""

    stage: str = "serving"
    every: str = "day"
    metrics: tuple[str, ...] = ()
    column: str | None = None
    segment: str | None = None
    source: str | None = None


class Overview:
    """Answers what a page asks; never writes, and sees only what was committed."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog

    def spans(
        self, versions: Sequence[Version], stage: str, every: str, most: int | None = None, before: int = 2**62,
        first: str | None = None,
    ) -> list[Span]:  # fmt: skip
        """Return the last windows that have rows, earliest first.

        A window is drawn by the version that served in its middle; where that has no rows, by the only one that has, or the
        largest. ``before`` leaves out windows that start at that moment (in microseconds) or later; a version named ``first``
        goes before the one that served.
        """
        limit = f"AND start < {int(before)} ORDER BY start DESC LIMIT {int(most or SHOWN[every])}"
        found: dict[int, list[dict[str, Any]]] = {}
        with self._database.reading() as connection:
            for version in versions:
                where = {"version_id": version.id, "stage": stage, "every": every}
                for row in rows.select_all(connection, "measured", tail=limit, **where):
                    found.setdefault(row["start"], []).append(row)
            history = _history(connection, versions[0].model) if versions and stage == "serving" else History()
        last, names = sorted(found)[-(most or SHOWN[every]) :], {v.id: v.name for v in versions}
        return [_span(found[start], names, history, first) for start in last]

    def history(self, model: Model) -> History:
        """Return which version served when."""
        with self._database.reading() as connection:
            return _history(connection, model)

    def series(self, versions: Sequence[Version], asked: Asked, spans: Sequence[Span]) -> list[Series]:
        """Return what was measured in these windows, the latest revision of each."""
        if not spans or not versions:
            return []
        with self._database.reading() as connection:
            found = {row[0]: Series(*row[1:]) for row in self._series_rows(connection, versions, asked)}
            seals = {(span.version, span.start): span.sealed_revision for span in spans}
            for number, start, revision, *numbers in _points(connection, list(found), spans):
                series = found[number]
                series.points[start] = tuple(numbers)
                seal = seals.get((series.version_id, start))
                if seal is not None and revision <= seal:
                    series.sealed[start] = numbers[0]
        return list(found.values())

    def _series_rows(
        self, connection: sqlite3.Connection, versions: Sequence[Version], asked: Asked
    ) -> Iterator[tuple[Any, ...]]:
        where: dict[str, Any] = {"version_id": [v.id for v in versions], "stage": asked.stage, "every": asked.every}
        if asked.metrics:
            where["metric"] = list(asked.metrics)
        where |= {n: v for n, v in (("segment", asked.segment), ("column_name", asked.column)) if v != "*"}
        if asked.source is not None:
            where["source"] = asked.source
        for row in rows.select_all(connection, "series", **where):
            if row["params"] != '{"scale": "raw"}':  # the same distance in the column's own unit
                yield (
                    row["id"], row["version_id"], row["metric"], row["column_name"], row["segment"], row["source"],
                    row["unit"],
                )  # fmt: skip

    def column_in(self, version: Version, stage: str, span: Span, name: str) -> Column | None:
        """Return one column's state in a window; None where it is not known there. A state that was read stays at hand."""
        kept = _KEPT.setdefault(self._database, OrderedDict())
        key = (version.id, stage, span.start, span.stop, span.rows, name)
        if key not in kept:
            kept[key] = self._read_column(version, stage, span, name)
            while len(kept) > _MOST_KEPT:
                kept.popitem(last=False)
        return kept[key]

    def _read_column(self, version: Version, stage: str, span: Span, name: str) -> Column | None:
        """Decode no more than the column: a whole profile takes twice as long."""
        parts: list[Any] = []
        with self._database.reading() as connection:
            query = "SELECT id FROM profile WHERE version_id = ? AND stage = ? AND start >= ? AND start < ?"
            numbers = [row[0] for row in connection.execute(query, (version.id, stage, span.start, span.stop))]
            for row in rows.select_all(connection, "profile", id=numbers) if numbers else ():
                state = codec.decode(row["body"])
                schema = Schema.from_dict(part_of(state, "schema")).freeze()
                if name in schema.kinds and name in part_of(state, "columns"):
                    parts.append(read_column(part_of(part_of(state, "columns"), name), schema, name))
        return type(parts[0]).merged(parts) if parts else None

    def outcomes_in(self, version: Version, stage: str, span: Span) -> Profile | None:
        """Return a window's outcomes as a profile without columns; None where it has none. What was read stays at hand."""
        kept = _OUTCOMES.setdefault(self._database, OrderedDict())
        key = (version.id, stage, span.start, span.stop, span.rows, span.labelled)
        if key not in kept:
            with self._database.reading() as connection:
                found = [Profile.outcomes_from(codec.decode(body)) for body in self._bodies(connection, key)]
            kept[key] = merge(found) if found else None
            while len(kept) > _MOST_OUTCOMES:
                kept.popitem(last=False)
        return kept[key]

    def _bodies(self, connection: sqlite3.Connection, key: tuple[Any, ...]) -> Iterator[bytes]:
        query = "SELECT id FROM profile WHERE version_id = ? AND stage = ? AND start >= ? AND start < ?"
        numbers = [row[0] for row in connection.execute(query, key[:4])]
        for row in rows.select_all(connection, "profile", id=numbers) if numbers else ():
            yield row["body"]

    def lengths(self, versions: Sequence[Version]) -> list[str]:
        """Return which lengths of windows are measured, the shortest first."""
        names, values = rows.condition({"version_id": [v.id for v in versions]})
        with self._database.reading() as connection:
            found = {row[0] for row in connection.execute(f"SELECT DISTINCT every FROM measured{names}", values)}
        return [every for every in SHOWN if every in found]

    def segments(self, versions: Sequence[Version], stage: str, every: str) -> list[str]:
        """Return the names of the segments that were measured: ``column=value``."""
        numbers = [v.id for v in versions]
        names, values = rows.condition({"version_id": numbers, "stage": stage, "every": every})
        query = f"SELECT DISTINCT segment FROM series{names} AND segment IS NOT NULL AND column_name IS NULL"
        with self._database.reading() as connection:
            return sorted(row[0] for row in connection.execute(query, values))

    def incidents(self, models: Iterable[Model], *, resolved: bool = False) -> dict[int, list[dict[str, Any]]]:
        """Return incidents by the number of their model, the latest first; only those that are not resolved, unless asked."""
        where: dict[str, Any] = {"model_id": [m.id for m in models]} | ({} if resolved else {"state": _UNRESOLVED})
        found: dict[int, list[dict[str, Any]]] = {}
        with self._database.reading() as connection:
            for row in rows.select_all(connection, "incident", tail="ORDER BY id DESC", **where):
                found.setdefault(row["model_id"], []).append(row)
        return found

    def verdicts(self, versions: Sequence[Version], spans: Sequence[Span]) -> list[dict[str, Any]]:
        """Return what the monitors said of the last window that they judged."""
        if not spans:
            return []
        where: dict[str, Any] = {"version_id": [v.id for v in versions], "every": "day"}
        with self._database.reading() as connection:
            names, values = rows.condition(where)
            last = connection.execute(f"SELECT max(start) FROM verdict{names}", values).fetchone()[0]
            return [] if last is None else rows.select_all(connection, "verdict", start=last, **where)

    def counters(self, models: Iterable[Model]) -> dict[int, dict[str, int]]:
        """Return what was counted of each model: rows that wait, were refused or lost."""
        found: dict[int, dict[str, int]] = {m.id: {} for m in models}
        with self._database.reading() as connection:
            for row in rows.select_all(connection, "counter", model_id=list(found)):
                found[row["model_id"]][row["name"]] = row["value"]
            for table, query in (
                ("pending", "coalesce(sum(rows), 0) FROM inbox"),
                ("waiting", "count(*) FROM waiting"),
            ):
                for number, count in connection.execute(f"SELECT model_id, {query} GROUP BY model_id").fetchall():
                    found.get(number, {})[table] = count
        return found


def _history(connection: sqlite3.Connection, model: Model) -> History:
    return serving.history(connection, model.id, model.serving)


def _span(found: list[dict[str, Any]], names: dict[int, str], history: History, first: str | None) -> Span:
    served = history.at((found[0]["start"] + found[0]["stop"]) // 2)

    def weight(row: dict[str, Any]) -> tuple[bool, bool, int, int]:
        name, count = names[row["version_id"]], row["rows"] or 0
        return count > 0 and name == first, count > 0 and name == served, count, row["version_id"]

    most = max(found, key=weight)
    return Span(
        most["start"], most["stop"], sum(r["rows"] or 0 for r in found), sum(r["labelled"] or 0 for r in found),
        all(r["sealed_at"] is not None for r in found), most["version_id"], most["sealed_revision"],
        served in {None, names[most["version_id"]]},
    )  # fmt: skip


def _points(connection: sqlite3.Connection, series: list[int], spans: Sequence[Span]) -> Iterator[tuple[Any, ...]]:
    """Yield series, start, revision and numbers of each measurement in an interval, revisions in their order."""
    if not series:
        return
    numbers = ", ".join(NUMBERS)
    marks = ", ".join("?" * len(series))
    query = (
        f"SELECT series_id, start, revision, known_at, {numbers}, crc FROM measurement "
        f"WHERE series_id IN ({marks}) AND start BETWEEN ? AND ? ORDER BY series_id, start, revision"
    )
    for row in connection.execute(query, [*series, spans[0].start, spans[-1].start]):
        if rows.crc_of(row[:-1]) != row[-1]:
            raise CorruptStore("a measurement", f"its checksum is wrong (series {row[0]}, {moment(row[1])})")
        yield (*row[:3], *row[4:-1])
