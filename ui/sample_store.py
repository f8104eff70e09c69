"""Fill a store as months of watched models would, row by row and without counting anything; for tests, pictures, benchmarks."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import watchkeeper as wk
from watchkeeper.pipeline.measure import NUMBERS
from watchkeeper.schema import Schema
from watchkeeper.store import rows
from watchkeeper.store.database import Database
from watchkeeper.window import calendar_window, microseconds, moment

JSON = dict[str, Any]
HOSTILE = "<img src=x onerror=alert(1)>"
ZONE = "America/New_York"
LAST = datetime(2026, 5, 31, 12, tzinfo=UTC)
NAMES = [
    "late-flights",
    "credit-risk",
    "churn",
    "fraud-cards",
    "eta-minutes",
    "search-rank",
    "spam",
    "price-elasticity",
    "claims-triage",
    "energy-demand",
    "returns",
    "lead-score",
]
FEATURES = [
    "dep_delay",
    "precip",
    "temp",
    "wind_speed",
    "visib",
    "humid",
    "carrier",
    "dest",
    "origin",
    "distance",
    "air_time",
    "pressure",
    "dewp",
    "seats",
    "manufacturer",
    "is_holiday",
    "hour",
    "weekday",
]
PERFORMANCE = {
    "roc_auc": (0.871, 0.012),
    "accuracy": (0.84, 0.011),
    "f1": (0.71, 0.02),
    "precision": (0.78, 0.02),
    "recall": (0.66, 0.022),
    "log_loss": (0.37, 0.012),
    "brier": (0.112, 0.005),
    "ece": (0.021, 0.004),
}
ODD = "wind_gust"
"""The column that is called :data:`HOSTILE` unless asked otherwise."""
SEGMENTS = {"origin": ["EWR", "JFK", "LGA"], "carrier": ["UA", "B6", "DL", "AA", HOSTILE]}


@dataclass(frozen=True)
class Size:
    """How much a store holds."""

    models: int = 8
    columns: int = 18
    days: int = 90
    segments: bool = True
    profiles: int = 0
    hostile: bool = True
    rows: int = 11_000


def furnish(folder: Path, size: Size | None = None) -> None:
    """Make a store in a folder and fill it."""
    size = size or Size()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    database = Database(folder)
    try:
        for number in range(size.models):
            name = NAMES[number] if number < len(NAMES) else f"model-{number:03d}"
            Filled(name, number, size, number == 0).write(database)
    finally:
        database.close()


class Filled:
    """One model over its days. The first falls towards the end, since its columns move and a label feed goes on."""

    def __init__(self, name: str, number: int, size: Size, hostile: bool) -> None:
        self.name, self.number, self.size, self.hostile = name, number, size, hostile
        self.random = random.Random(number)
        made = [moment(microseconds(LAST) - i * 86_400_000_000) for i in range(size.days)]
        self.windows = [calendar_window(microseconds(at), "day", ZONE) for at in reversed(made)]
        self.columns = [FEATURES[i] if i < len(FEATURES) else f"feature_{i:03d}" for i in range(size.columns)]
        if hostile:
            self.columns[2] = HOSTILE if size.hostile else ODD
        odd = {} if size.hostile else {"carrier": [*SEGMENTS["carrier"][:-1], "WN"]}
        self.segments = SEGMENTS | odd
        self.falls = number in {0, 3, 6}

    def write(self, database: Database) -> None:
        """Write it in a few commits."""
        ids = database.write(self._versions).result()
        database.write(lambda c: self._measured(c, ids)).result()
        database.write(lambda c: self._months(c, ids)).result()
        for of in self._series():
            database.write(lambda c, of=of: self._points(c, ids, of)).result()
        if self.size.profiles and self.number == 0:
            database.write(lambda c: self._profiles(c, ids)).result()

    def _versions(self, connection: Any) -> list[int]:
        now = microseconds(LAST)
        project = rows.select_one(connection, "project", name="default")
        project_id = project["id"] if project else rows.insert(connection, "project", name="default")
        serving = "2" if self.number % 2 == 0 else "1"
        model = rows.insert(
            connection,
            "model",
            project_id=project_id,
            environment="production",
            name=self.name,
            clock="event",
            serving=serving,
            created=now,
            watermark=now,
            seal_delay=4 * 86_400_000_000,
        )
        if self.number % 2 == 0:
            changes = [[0, "1"], [microseconds(self.windows[self.size.days * 2 // 5].start), "2"]]
            rows.insert(connection, "setting", name=f"serving:{model}", value=json.dumps(changes))
        found = []
        for version in ("1", "2") if self.number % 2 == 0 else ("1",):
            schema = self.schema().to_dict()
            found.append(
                rows.insert(
                    connection,
                    "version",
                    model_id=model,
                    name=version,
                    given=json.dumps(schema),
                    schema=json.dumps(schema),
                    created=now,
                    unknown="[]",
                )
            )
        if self.number == 1:
            rows.insert(connection, "counter", model_id=model, name="quarantined", value=41)
        return found

    def schema(self) -> Schema:
        """Return what is known of its columns."""
        kinds = {
            name: "categorical" if name in {"carrier", "dest", "origin", "manufacturer"} else "numeric"
            for name in self.columns
        }
        return Schema(
            timestamp="when",
            target="late",
            prediction="predicted",
            score="score",
            segments=["origin", "carrier"],
            kinds=kinds
            | {
                "when": "datetime",
                "late": "boolean",
                "predicted": "boolean",
                "score": "numeric",
                "origin": "categorical",
                "carrier": "categorical",
            },
            task="binary",
            positive="1",
            classes=["0", "1"],
            zone=ZONE,
        )

    def version_of(self, day: int) -> int:
        """Return the place of the version that served on a day."""
        return int(self.number % 2 == 0 and day >= self.size.days * 2 // 5)

    def count_of(self, day: int) -> int:
        """Return how many rows came on a day; fewer on weekends."""
        weekend = self.windows[day].start.weekday() >= 5
        return int(
            self.size.rows * (0.62 if weekend else 1.0) * (1 + 0.04 * math.sin(day * 1.7)) / (1 + self.number % 5)
        )

    def coverage_of(self, day: int) -> float:
        """Return which share of a day's rows has labels; those of the last days are still to come."""
        left = self.size.days - day
        return 0.0 if self.number == 5 else 0.96 if left > 6 else max(0.0, 0.16 * (left - 1))

    def fall_of(self, day: int) -> float:
        """Return how far a model has fallen on a day, 0 to 1."""
        late = self.size.days - day
        return 0.0 if not self.falls else min(1.0, max(0.0, (19 - late) / 9))

    def _measured(self, connection: Any, ids: list[int]) -> None:
        made = []
        for day, window in enumerate(self.windows):
            sealed = self.size.days - day > 3
            count = self.count_of(day)
            stop = microseconds(window.end)
            made.append(
                [
                    ids[self.version_of(day)],
                    "serving",
                    "day",
                    microseconds(window.start),
                    stop,
                    1,
                    stop + 86_400_000_000,
                    count,
                    int(count * self.coverage_of(day)),
                    stop + 86_400_000_000 if sealed else None,
                    0 if sealed else None,
                    0,
                ]
            )
        rows.insert_many(connection, "measured", made)

    def _months(self, connection: Any, ids: list[int]) -> None:
        """Write the months of the version that serves now: their rows, and how well it did in each."""
        place = self.version_of(self.size.days - 1)
        days = [d for d in range(self.size.days) if self.version_of(d) == place]
        months = sorted({calendar_window(microseconds(self.windows[d].start), "month", ZONE) for d in days})
        series = {
            metric: rows.insert(
                connection,
                "series",
                version_id=ids[place],
                stage="serving",
                every="month",
                metric=metric,
                params="{}",
                source="realised",
            )
            for metric in PERFORMANCE
        }
        for window in months:
            within = [d for d in days if window.start <= self.windows[d].start < window.end]
            count = sum(self.count_of(d) for d in within)
            labelled = int(sum(self.count_of(d) * self.coverage_of(d) for d in within))
            start, stop, fall = (
                microseconds(window.start),
                microseconds(window.end),
                sum(map(self.fall_of, within)) / len(within),
            )
            rows.insert_many(
                connection,
                "measured",
                [[ids[place], "serving", "month", start, stop, 0, stop, count, labelled, stop, 0, 0]],
            )
            for metric, (centre, noise) in PERFORMANCE.items():
                worse = 1 if metric in {"log_loss", "brier", "ece"} else -1
                value, half = centre + worse * 0.07 * fall, noise / 3
                numbers = {
                    "value": value,
                    "low": value - half,
                    "high": value + half,
                    "n": labelled,
                    "reference": centre,
                }
                row = [series[metric], start, 0, stop, *[numbers.get(name) for name in NUMBERS]]
                rows.insert_many(connection, "measurement", [row] if labelled else [])

    def _series(self) -> Iterator[list[JSON]]:
        made: list[JSON] = [
            {"metric": metric, "source": s} for s in ("realised", "estimated") for metric in PERFORMANCE
        ]
        service = {
            "latency_p50": "s",
            "latency_p95": "s",
            "latency_p99": "s",
            "failure_rate": "share",
            "throughput": "rows/s",
        }
        made += [{"metric": name, "source": "realised", "unit": unit} for name, unit in service.items()]
        if self.number == 0:
            made += [
                {"metric": "cpu_seconds", "source": "realised", "unit": "s"},
                {"metric": "rss_bytes", "source": "realised", "unit": "bytes"},
            ]
        if self.size.segments:
            made += [
                {"metric": metric, "source": "realised", "segment": f"{column}={value}"}
                for column, values in self.segments.items()
                for value in values
                for metric in ("roc_auc", "f1")
            ]
        yield made
        for start in range(0, len(self.columns), 25):
            yield [
                {"metric": metric, "source": "realised", "column": name}
                for name in self.columns[start : start + 25]
                for metric in (
                    ("jensen_shannon", "psi", "null_share")
                    if self._categorical(name)
                    else ("wasserstein", "psi", "null_share")
                )
            ]

    def _categorical(self, name: str) -> bool:
        return name in {"carrier", "dest", "origin", "manufacturer"}

    def _points(self, connection: Any, ids: list[int], made: list[JSON]) -> None:
        points: list[list[Any]] = []
        for of in made:
            by_version = {}
            for place, version in enumerate(ids):
                if len(ids) == 1 or any(self.version_of(d) == place for d in range(self.size.days)):
                    by_version[place] = rows.insert(
                        connection,
                        "series",
                        version_id=version,
                        stage="serving",
                        every="day",
                        segment=of.get("segment"),
                        column_name=of.get("column"),
                        metric=of["metric"],
                        params='{"scale": "sd"}' if of["metric"] == "wasserstein" else "{}",
                        source=of["source"],
                        unit=of.get("unit"),
                    )
            points += self._numbers(of, by_version)
        rows.insert_many(connection, "measurement", points)

    def _numbers(self, of: JSON, by_version: dict[int, int]) -> Iterator[list[Any]]:
        draw = random.Random(f"{self.number}{sorted(of.items())}")
        strength = self._strength(of, draw)
        for day, window in enumerate(self.windows):
            start, known = microseconds(window.start), microseconds(window.end) + 86_400_000_000
            for revision, numbers in enumerate(self._one(of, day, draw, strength)):
                values = [numbers.get(name) for name in NUMBERS]
                yield [by_version[self.version_of(day)], start, revision, known + revision * 3_600_000_000, *values]

    def _strength(self, of: JSON, draw: random.Random) -> float:
        place = self.columns.index(of["column"]) if "column" in of else 9
        if not self.falls:
            return 0.02
        return [0.46, 0.33, 0.21, 0.12, 0.08][place] if place < 5 else draw.uniform(0, 0.03)

    def _one(self, of: JSON, day: int, draw: random.Random, strength: float) -> list[JSON]:
        count, fall, metric = self.count_of(day), self.fall_of(day), of["metric"]
        if "column" in of:
            return [self._of_column(metric, count, fall, draw, strength, of["column"])]
        if metric in PERFORMANCE:
            return self._of_outcomes(of, day, draw)
        slow = 1 + (1.2 if self.number == 6 and day > self.size.days - 9 else 0)
        base = (
            {
                "latency_p50": 0.011,
                "latency_p95": 0.031,
                "latency_p99": 0.062,
                "failure_rate": 0.0012,
                "throughput": count / 86_400,
                "cpu_seconds": 0.0093,
                "rss_bytes": 412e6,
            }[metric]
            * (1 + draw.gauss(0, 0.03))
            * (slow if metric.startswith("latency") else 1)
        )
        return [{"value": base, "low": base * 0.96, "high": base * 1.05, "n": count}]

    def _of_column(self, metric: str, count: int, fall: float, draw: random.Random, strength: float, name: str) -> JSON:
        moved = abs(draw.gauss(0.012, 0.008)) + strength * fall
        if metric == "null_share":
            share = 0.09 if name == "pressure" else 0.0
            share += 0.22 * fall if name == "visib" else 0
            return {
                "value": share,
                "low": share * 0.9,
                "high": share * 1.1,
                "n": count,
                "reference": 0.09 if name == "pressure" else 0.0,
            }
        if metric == "psi":
            return {"value": moved**2 * 2, "n": count}
        return {
            "value": moved,
            "n": count,
            "effect": moved,
            "p_value": 0.5 if moved < 0.05 else 1e-6,
            "detectable": 0.03,
        }

    def _of_outcomes(self, of: JSON, day: int, draw: random.Random) -> list[JSON]:
        metric, realised = of["metric"], of["source"] == "realised"
        centre, noise = PERFORMANCE[metric]
        worse = 1 if metric in {"log_loss", "brier", "ece"} else -1
        size = {"roc_auc": 0.07, "log_loss": 0.08, "brier": 0.03, "ece": 0.012}.get(metric, 0.09)
        own = draw.gauss(0, 0.35) if not of.get("segment") else draw.gauss(0, 0.8)
        deep = 1.7 if of.get("segment") == "origin=JFK" else 1.0
        share = {"origin": 3, "carrier": 6}.get((of.get("segment") or "").split("=")[0], 1)
        n = int(self.count_of(day) * (self.coverage_of(day) if realised else 1) / share)
        if n < 60:
            return []
        value = centre + worse * size * self.fall_of(day) * deep * (1 if realised else 0.55) + own * noise
        half = noise * 1.4 * math.sqrt(6000 / n)
        coverage = self.coverage_of(day) if realised else None
        point = {
            "value": value,
            "low": value - half,
            "high": value + half,
            "n": n,
            "coverage": coverage,
            "reference": centre,
        }
        if realised and not of.get("segment") and self.size.days - day < 16 and day % 3 == 0:
            return [{**point, "value": value - worse * noise * 0.9, "n": n // 2}, point]
        return [point]

    def _profiles(self, connection: Any, ids: list[int]) -> None:
        schema, draw = self.schema(), np.random.default_rng(self.number)
        before = wk.profile(self._table(draw, 4_000, 0.0, self.windows[0].start), schema).to_bytes()
        for number in ids:
            rows.insert(connection, "reference", version_id=number, created=microseconds(LAST), rows=4_000, body=before)
        for day in range(max(0, self.size.days - self.size.profiles), self.size.days):
            window = self.windows[day]
            count = min(self.count_of(day), 2_000)
            body = wk.profile(self._table(draw, count, self.fall_of(day), window.start), schema).to_bytes()
            rows.insert(
                connection,
                "profile",
                version_id=ids[self.version_of(day)],
                stage="serving",
                start=microseconds(window.start),
                stop=microseconds(window.end),
                rows=count,
                labelled=int(count * self.coverage_of(day)),
                body=body,
            )

    def _table(self, draw: np.random.Generator, count: int, fall: float, start: datetime) -> pa.Table:
        times = microseconds(start.astimezone(UTC)) + np.sort(draw.integers(0, 82_800_000_000, count))
        values: dict[str, Any] = {"when": pa.array(times, pa.timestamp("us", "UTC"))}
        for place, name in enumerate(self.columns):
            if self._categorical(name):
                options = self.segments.get(name, ["ATL", "ORD", "LAX", "BOS", "MCO", "CLT"])
                weights = np.array([1 / (i + 1.5) for i in range(len(options))])
                weights[-1] *= 1 + 3 * fall
                values[name] = np.array(options)[draw.choice(len(options), count, p=weights / weights.sum())]
            else:
                shift = self._strength({"column": name}, random.Random(1)) * fall * 3
                values[name] = np.round(draw.normal(10 * place + shift * 4, 4, count), 2)
        for name, options in self.segments.items():
            values.setdefault(name, np.array(options)[draw.integers(0, len(options), count)])
        score = draw.beta(2 + fall, 5, count)
        values |= {"score": score, "predicted": score > 0.4, "late": draw.random(count) < score}
        return pa.table(values)
