"""A window's profile turned into measurements: by itself, or against the reference."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from watchkeeper.detection.baseline import Baseline
from watchkeeper.detection.comparison import compare_profiles
from watchkeeper.detection.performance import days_of
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, share_estimate
from watchkeeper.metrics.names import QUALITY, SEGMENT_METRICS, TASKS
from watchkeeper.profiles.column import NumericColumn
from watchkeeper.profiles.outcome import BinaryOutcome, MulticlassOutcome
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.tasks import plain_outcome
from watchkeeper.report.tables import comparison_rows, coverage_by_segment, measurement_row

IMPROBABLE = "improbable_share"
"""The share of scores that are no probabilities, which estimates leave out."""
STRANGE = "unknown_class_share"
"""The share of rows whose prediction or label is of no class that the schema knows."""
QUANTILES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement: what it is of, and its numbers in the order of ``NUMBERS``."""

    segment: str | None
    column: str | None
    metric: str
    params: str
    source: str
    unit: str | None
    numbers: tuple[float | int | None, ...]

    @property
    def series(self) -> tuple[str | None, str | None, str, str, str]:
        """What tells it from the others of its window."""
        return self.segment, self.column, self.metric, self.params, self.source


NUMBERS = ("value", "low", "high", "n", "coverage", "reference", "effect", "p_value", "detectable", "basis")


def measure(profile: Profile, reference: Baseline | None, seconds: float) -> list[Measured]:
    """Return every measurement of a window.

    Against a reference these are the ones of :func:`watchkeeper.compare`: performance, realised and estimated, by segment
    too, drift and quality. Without, performance and what quality needs no reference. Always traffic, latency and failures,
    and where there are some, scores that are no probabilities and unknown classes. Columns of times and ids differ by
    nature: nothing of them.

    Parameters
    ----------
    seconds
        The length of the window.
    """
    told = comparison_rows(compare_profiles(reference, profile)) if reference is not None else _alone(profile)
    apart = {profile.schema.timestamp, profile.schema.id} - {None}
    kept = (row for row in told if row.get("column") not in apart)
    return [_measured(row) for row in (*kept, *_service(profile, seconds))]


def _measured(row: dict[str, Any]) -> Measured:
    numbers = tuple(_number(name, row.get(name)) for name in NUMBERS)
    dims = (row.get("segment"), row.get("column"), row["metric"], row["params"], row["source"], row.get("unit"))
    return Measured(*dims, numbers)


def _number(name: str, value: Any) -> float | int | None:
    """Return a number as the store keeps it: n and basis whole ones, the others floats, what is not finite as nothing."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if name in {"n", "basis"} else float(value)


def _alone(profile: Profile) -> Iterator[dict[str, Any]]:
    """Yield what can be said without a reference."""
    task = profile.schema.task or ""
    coverage = coverage_by_segment(profile)
    if profile.outcome is not None and task in TASKS:
        for metric, compute in TASKS[task].values():
            whole = {"coverage": coverage[None], "params": metric.params}
            yield from _known(metric.name, compute(profile.outcome, days_of(profile)), metric.unit, whole)
        for column, segments in profile.segments.items():
            for value, outcome in segments.items():
                for name in SEGMENT_METRICS[task]:
                    metric, compute = TASKS[task][name]
                    own = coverage.get((column, value))
                    where = {"segment": f"{column}={value}", "params": metric.params, "coverage": own}
                    yield from _known(name, compute(outcome, ()), metric.unit, where)
    for name, state in profile.columns.items():
        if name in profile.schema.operational:
            continue
        for alone in ("null_share", "infinite_share", "mistyped_share", "top_share", "distinct_count"):
            metric, compute = QUALITY[alone]
            yield from _known(alone, compute(state, ()), metric.unit, {"column": name})


def _known(name: str, estimate: Estimate, unit: str | None, where: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if estimate.known:
        yield measurement_row(name, estimate, UNKNOWN, None, unit) | where


def _service(profile: Profile, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield traffic, latency in seconds, the share of calls that failed, and what the process used."""
    traffic = Estimate(profile.rows / seconds, math.nan, math.nan, profile.rows)
    yield measurement_row("throughput", traffic, UNKNOWN, None, "rows/s")
    schema, outcome = profile.schema, plain_outcome(profile.outcome)
    if isinstance(outcome, BinaryOutcome | MulticlassOutcome):
        if outcome.improbable:
            share = share_estimate(outcome.improbable, outcome.rows - outcome.scoreless)
            yield measurement_row(IMPROBABLE, share, UNKNOWN, None, "share")
        if outcome.strange:
            yield measurement_row(STRANGE, share_estimate(outcome.strange, outcome.rows), UNKNOWN, None, "share")
    latency = profile.columns.get(schema.latency or "")
    if isinstance(latency, NumericColumn) and latency.histogram.count:
        yield from _latency(latency)
    error = profile.columns.get(schema.error or "")
    if error is not None and error.rows:
        failed = share_estimate(error.rows - error.nulls, error.rows)
        yield measurement_row("failure_rate", failed, UNKNOWN, None, "share")
    yield from _process(profile)


def _process(profile: Profile) -> Iterator[dict[str, Any]]:
    """Yield processor seconds, added up, and bytes in memory: their mean, and the most."""
    cpu = profile.columns.get(profile.schema.cpu or "")
    if isinstance(cpu, NumericColumn) and cpu.moments.count:
        n = cpu.moments.count
        used = Estimate(cpu.moments.mean * n, math.nan, math.nan, n)
        yield measurement_row("cpu_seconds", used, UNKNOWN, None, "s")
    memory = profile.columns.get(profile.schema.memory or "")
    if isinstance(memory, NumericColumn) and memory.moments.count:
        yield measurement_row("rss_bytes", _mean(memory), UNKNOWN, None, "bytes")
        yield measurement_row("rss_bytes_max", _largest(memory), UNKNOWN, None, "bytes")


def _latency(column: NumericColumn) -> Iterator[dict[str, Any]]:
    n, histogram = column.histogram.count, column.histogram
    found = {"latency_mean": _mean(column)}
    for name, q in QUANTILES.items():
        low, high = _rank_interval(column, q)
        found[name] = Estimate(histogram.quantile(q), low, high, n)
    found["latency_max"] = _largest(column)
    for name, estimate in found.items():
        yield measurement_row(name, estimate, UNKNOWN, None, "s")


def _mean(column: NumericColumn) -> Estimate:
    n, moments = column.moments.count, column.moments
    half = 1.96 * moments.sd / math.sqrt(n) if n > 1 else math.nan
    return Estimate(moments.mean, moments.mean - half, moments.mean + half, n)


def _largest(column: NumericColumn) -> Estimate:
    return Estimate(column.histogram.quantile(1.0), *column.histogram.quantile_bounds(1.0), column.histogram.count)


def _rank_interval(column: NumericColumn, q: float) -> tuple[float, float]:
    """Return the 95 % interval of a quantile from the order statistics about it (binomial, by the normal approximation)."""
    n = column.histogram.count
    half = 1.96 * math.sqrt(q * (1 - q) / n)
    low, _ = column.histogram.quantile_bounds(max(0.0, q - half))
    _, high = column.histogram.quantile_bounds(min(1.0, q + half))
    return low, high
