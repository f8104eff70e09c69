"""How often nothing is taken for something, and something is found: months of a model that is fine, and shifts of .2 sd.

A month is a fresh reference of 5,000 rows and 30 daily windows of 20 numeric columns, all from one distribution, watched by one
monitor that may open incidents (Wasserstein over all columns, calibrated) at the default budget of 1 false incident per 600
days, so at most 5 % of months should have any. Windows are measured and judged as at a seal of the pipeline; that this is the
same is checked over some months by ``tests/pipeline/test_null.py``, which sends the rows through a pipeline as well.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pyarrow as pa

from watchkeeper.capture.batch import Batch
from watchkeeper.client.ids import Mint
from watchkeeper.detection.baseline import Baseline
from watchkeeper.detection.series import Finding
from watchkeeper.pipeline.catalog import Model, Version
from watchkeeper.pipeline.detecting import Findings, Sealed
from watchkeeper.pipeline.measure import measure
from watchkeeper.pipeline.rules import InForce
from watchkeeper.pipeline.values import Place, Target
from watchkeeper.profiles.profile import Profile
from watchkeeper.response.incidents import Standing, identity, react
from watchkeeper.response.monitors import Monitors
from watchkeeper.schema import Schema
from watchkeeper.window import DAY, microseconds

COLUMNS, WINDOWS, REFERENCE = 20, 30, 5_000
SIZES, MONTHS = (100, 500, 5_000), 200
SHIFT, SHIFTED_ROWS, WITHIN = 0.2, 1_000, 2
NAMES = [*(f"x{n:02}" for n in range(COLUMNS - 1)), "score"]
TARGET = Target("default", "null", "production", "1")
BEGIN = microseconds(datetime(2026, 3, 1, tzinfo=UTC))
SCHEMA = Schema(
    id="id", timestamp="when", score="score", task="regression",
    kinds={"id": "categorical", "when": "datetime"} | dict.fromkeys(NAMES, "numeric"),
)  # fmt: skip
MONITORS = """
model: "null"
budget: 1 per 600 days
monitors:
  - {metric: wasserstein, columns: all, role: incident, detect: calibrated}
"""


def rows(rng: np.random.Generator, count: int, first: int, days: int = 1, shift: float = 0.0) -> pa.Table:
    """Return rows over some days from day ``first`` on, by time; the first column is shifted."""
    places = np.sort(rng.integers(0, days * DAY // 1000, count))
    times = BEGIN + first * DAY + places * 1000
    values = rng.standard_normal((COLUMNS, count))
    values[0] += shift
    mint = Mint()
    known = {"id": [mint.at(int(t) // 1000) for t in times], "when": pa.array(times, pa.timestamp("us", "UTC"))}
    return pa.table(known | dict(zip(NAMES, values, strict=True)))


@dataclass(frozen=True)
class Month:
    """A reference, and a table for each day after it."""

    reference: pa.Table
    days: list[pa.Table]


def month(seed: int, count: int, windows: int = WINDOWS, shift: float = 0.0) -> Month:
    """Return a month whose every window has ``count`` rows."""
    rng = np.random.default_rng(seed)
    reference = rows(rng, REFERENCE, -30, 30)
    return Month(reference, [rows(rng, count, day, shift=shift) for day in range(windows)])


def profile_of(table: pa.Table) -> Profile:
    """Return the profile of rows."""
    profile = Profile(SCHEMA.replace())
    for batch in table.combine_chunks().to_batches():
        profile.update(Batch(batch, profile.schema))
    return profile


def sealed(made: Month) -> list[Sealed]:
    """Return the windows of a month, measured as they are at the seal of a day."""
    version = Version(1, Model(1, "default", "production", "null", "event", "1", None), "1", SCHEMA, SCHEMA)
    version.baseline = Baseline(profile_of(made.reference))
    found = []
    for day, table in enumerate(made.days):
        place = Place(1, "serving", "day", BEGIN + day * DAY, BEGIN + (day + 1) * DAY)
        numbers = {m.series: m.numbers for m in measure(profile_of(table), version.baseline, DAY / 1e6)}
        found.append(Sealed(version, place, table.num_rows, numbers))
    return found


def judged(windows: Sequence[Sealed]) -> list[list[Finding]]:
    """Return what the monitor finds in each window."""
    force, findings = InForce(Monitors.from_yaml(MONITORS), "", 1, "", None, 1.0), Findings()
    connection = cast(Any, None)  # what is calibrated does not look back
    return [findings.of(connection, force, window) for window in windows]


def opened(windows: Sequence[Sequence[Finding]]) -> list[int]:
    """Return the windows in which an incident opens."""
    standing: dict[Any, Standing] = {}
    found = []
    for number, findings in enumerate(windows):
        for step in react(standing, findings, {"wasserstein"}):
            if step.kind == "open":
                found.append(number)
                standing[step.cause] = Standing(step.severity, frozenset(map(identity, step.alarms)), 0)
            elif step.kind == "resolve":
                del standing[step.cause]
            else:
                held = standing[step.cause]
                quiet = held.quiet + 1 if step.kind == "quiet" else 0 if step.alarms else held.quiet
                standing[step.cause] = Standing(step.severity, held.seen | set(map(identity, step.alarms)), quiet)
    return found


@dataclass(frozen=True)
class Rate:
    """How many of how many."""

    count: int
    of: int

    @property
    def share(self) -> float:
        """The share."""
        return self.count / self.of

    @property
    def error(self) -> float:
        """The Monte-Carlo standard error, as if one more of each kind had been seen."""
        p = (self.count + 1) / (self.of + 2)
        return math.sqrt(p * (1 - p) / self.of)

    def __str__(self) -> str:
        return f"{100 * self.share:5.1f} % +- {100 * self.error:.1f}  ({self.count} of {self.of})"


def false_months(count: int, months: int, seed: int = 0) -> Rate:
    """Return how many months without any change have an incident."""
    return Rate(sum(bool(opened(judged(sealed(month(seed + n, count))))) for n in range(months)), months)


def found_shifts(count: int, runs: int, shift: float = SHIFT, seed: int = 1_000_000) -> Rate:
    """Return how many shifts of one column are found within two windows, by that column."""
    found = 0
    for n in range(runs):
        windows = judged(sealed(month(seed + n, count, WITHIN, shift)))
        found += any(f.alarming and f.column == NAMES[0] for findings in windows for f in findings)
    return Rate(found, runs)


def main(months: int = MONTHS, sizes: Sequence[int] = SIZES) -> Mapping[str, Rate]:
    """Print, and return, both tables."""
    print(f"null: {COLUMNS} columns, reference {REFERENCE:,} rows, {WINDOWS} daily windows, {months} months")
    rates: dict[str, Rate] = {}
    for count in sizes:
        begun = time.perf_counter()
        rates[f"null {count}"] = rate = false_months(count, months, seed=count * 10_000)
        seconds = time.perf_counter() - begun
        print(f"months with any incident, {count:>5,} rows a window: {rate}  {seconds:.0f} s", flush=True)
    begun = time.perf_counter()
    rates["power"] = rate = found_shifts(SHIFTED_ROWS, months)
    seconds = time.perf_counter() - begun
    print(
        f"shifts of {SHIFT} sd found within {WITHIN} windows, {SHIFTED_ROWS:,} rows: {rate}  {seconds:.0f} s",
        flush=True,
    )
    return rates


if __name__ == "__main__":
    main()
