"""What the change of a segment costs: its rows times by how much their mean loss got worse."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from watchkeeper.detection.performance import MetricChange
from watchkeeper.metrics.estimate import Estimate, difference
from watchkeeper.metrics.names import Metric

Segment = tuple[str, str]
LOSSES: dict[str, tuple[str, ...]] = {
    "binary": ("log_loss", "accuracy"),
    "multiclass": ("accuracy",),
    "regression": ("mae",),
    "forecasting": ("mae",),
    "multilabel": ("hamming_loss",),
    "ranking": ("ndcg",),
}
"""The metrics whose mean over rows (lists, in a ranking) is what is lost, by task: the first that is known on both sides."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a segment costs more than in the reference: above 0 where it got worse.

    Attributes
    ----------
    metric
        In which loss it is told: errors for ``accuracy``, nats for ``log_loss``, the target's unit for ``mae``.
    value, low, high
        Rows of the segment in current, times by how much their mean loss rose, with a 95 % interval.
    share
        Of the loss of all rows in current; NaN where that is unknown.
    """

    metric: Metric
    value: float
    low: float
    high: float
    share: float


def segment_costs(
    task: str, segments: Iterable[MetricChange], performance: Iterable[MetricChange]
) -> dict[Segment, Cost]:
    """Return the cost of each segment of which the loss is known on both sides; estimated where labels are missing."""
    whole = {change.metric.name: change for change in performance}
    found: dict[Segment, Cost] = {}
    names = LOSSES.get(task, ())
    for change in segments:
        name = change.metric.name
        if change.segment is None or name not in names or not (change.reference.known and _now(change).known):
            continue
        before = found.get(change.segment)
        if before is None or names.index(name) < names.index(before.metric.name):
            found[change.segment] = _cost(change, whole.get(name))
    return found


def by_cost(changes: Sequence[MetricChange], costs: dict[Segment, Cost]) -> list[MetricChange]:
    """Return the changes of segments, those first that cost most; last those of which no cost is known."""
    return sorted(changes, key=lambda change: -costs[change.segment].value if change.segment in costs else math.inf)


def _now(change: MetricChange) -> Estimate:
    return change.current if change.current.known else change.estimated


def _cost(change: MetricChange, whole: MetricChange | None) -> Cost:
    metric, now = change.metric, _now(change)
    moved = difference(now, change.reference)
    sign = -1.0 if metric.better == "higher" else 1.0
    ends = sorted((sign * moved.low * now.n, sign * moved.high * now.n))
    value = sign * moved.value * now.n
    total = math.nan
    if whole is not None and _now(whole).known:
        all_rows = _now(whole)
        total = all_rows.n * (1 - all_rows.value if metric.better == "higher" else all_rows.value)
    return Cost(metric, value, ends[0], ends[1], value / total if total > 0 else math.nan)
