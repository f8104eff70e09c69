"""What can be watched: every metric, with the cause that its alarm points to and the part it plays by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from watchkeeper.detection.series import Point
from watchkeeper.metrics.basis import basis_words, least_basis
from watchkeeper.metrics.names import DRIFT, OF_OUTCOMES, QUALITY, TABLE_QUALITY, Metric

Cause = Literal["model", "service", "traffic"]
Role = Literal["incident", "evidence"]
SERVICE: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("latency_mean", "Mean latency", "service", "lower", "s"),
        Metric("latency_max", "Largest latency", "service", "lower", "s"),
        Metric("latency_p50", "Median latency", "service", "lower", "s"),
        Metric("latency_p95", "Latency, 95th percentile", "service", "lower", "s"),
        Metric("latency_p99", "Latency, 99th percentile", "service", "lower", "s"),
        Metric("failure_rate", "Failed calls", "service", "lower", "share"),
        Metric("throughput", "Traffic", "service", None, "rows/s"),
        Metric("cpu_seconds", "Processor time", "service", "lower", "s"),
        Metric("rss_bytes", "Memory", "service", "lower", "bytes"),
        Metric("rss_bytes_max", "Largest memory", "service", "lower", "bytes"),
        Metric("gpu_utilization", "Use of the GPU", "service", None, "share"),
        Metric("energy_joules", "Energy", "service", "lower", "J"),
        Metric("cost", "Cost", "service", "lower"),
    )
}
"""Metrics of the service itself; none has a floor, since what matters differs between services."""
METRICS: dict[str, Metric] = {
    **{name: metric for name, (metric, _) in (OF_OUTCOMES | QUALITY).items()},
    **{name: metric for name, (metric, _) in TABLE_QUALITY.items()}, **DRIFT, **SERVICE,
}  # fmt: skip
PERFORMANCE = frozenset(OF_OUTCOMES)
OF_COLUMNS = frozenset(QUALITY) | frozenset(DRIFT)
_LOAD = {"cpu_seconds", "rss_bytes", "rss_bytes_max", "gpu_utilization", "energy_joules", "cost"}


def cause_of(metric: str) -> Cause:
    """Return what is at fault when this metric alarms."""
    if metric == "throughput":
        return "traffic"
    return "service" if metric in SERVICE else "model"


def default_role(metric: str) -> Role:
    """Return ``incident`` for performance, failures, latency and traffic; what explains them is ``evidence``."""
    explains = metric in OF_COLUMNS or metric in TABLE_QUALITY or metric in _LOAD
    return "evidence" if explains else "incident"


def too_little(metric: str, points: Sequence[Point]) -> str:
    """Return that points together, or what they are held against, rest on less than their metric needs; else nothing."""
    together = sum(p.rests_on for p in points)
    for where, found in (("", together), ("in the reference ", points[-1].reference_basis)):
        if 0 < found < least_basis(metric):
            return where + basis_words(metric, found)
    return ""


def worse_by(metric: Metric, value: float, before: float) -> float:
    """Return by how much ``value`` is worse than ``before``: above 0 for the worse; either way where none is better."""
    if metric.better == "higher":
        return before - value
    if metric.better == "lower":
        return value - before
    return abs(value) - abs(before) if metric.better == "near zero" else abs(value - before)
