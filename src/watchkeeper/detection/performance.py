"""Evidence from outcomes: how each metric changed, over all rows and by segment."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from watchkeeper.detection.baseline import Baseline
from watchkeeper.detection.verdict import FEWEST, Evidence
from watchkeeper.metrics import conditional, error_estimation, estimation, multiclass_estimation
from watchkeeper.metrics import powered as prediction_powered
from watchkeeper.metrics.basis import least_basis
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, difference, widened
from watchkeeper.metrics.names import DECIDING, SEGMENT_FLOOR, SEGMENT_METRICS, TASKS, Metric
from watchkeeper.profiles.outcome import BinaryOutcome, MulticlassOutcome
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.tasks import Outcome

_BEYOND_CHANCE = 2.576
CHECKED = ("roc_auc", "accuracy", "f1")
"""Metrics whose estimate is checked against labels."""


@dataclass(frozen=True, slots=True)
class MetricChange:
    """One metric in reference and current, what was expected of it, and the evidence (None: shown, never judged).

    ``powered`` is the prediction-powered estimate where some labels are missing. ``gap`` is what was realised less what was
    expected of the same, labelled rows: whether the estimate holds here.
    """

    metric: Metric
    reference: Estimate
    current: Estimate
    estimated: Estimate
    evidence: Evidence | None
    segment: tuple[str, str] | None = None
    from_estimate: bool = False
    powered: Estimate = UNKNOWN
    gap: Estimate = UNKNOWN

    @property
    def refuted(self) -> bool:
        """Whether labels show that the estimate does not hold: off by more than matters, and beyond chance (p < .01)."""
        floor = (self.metric.floor or 0.0) * (abs(self.reference.value) if self.metric.relative else 1.0)
        far = self.gap.known and abs(self.gap.value) > floor
        return far and abs(self.gap.value) > _BEYOND_CHANCE * self.gap.error


def days_of(profile: Profile) -> list[Any]:
    """Return the outcomes of the profile's days."""
    return [outcome for _, outcome in profile.timeline.items()] if profile.timeline is not None else []


def performance_changes(baseline: Baseline, current: Profile) -> list[MetricChange]:
    """Return every metric of the task, over all rows."""
    reference = baseline.profile
    task = reference.schema.task or ""
    if reference.outcome is None or current.outcome is None or task not in TASKS:
        return []
    before = reference.outcome
    days = days_of(reference), days_of(current)
    calibrator = _whole_calibrator(baseline)
    corrections = _Corrections(baseline, current, calibrator)
    changes = []
    for name, (metric, compute) in TASKS[task].items():
        then = baseline.once(("metric", name), functools.partial(compute, before, days[0]))
        values = then, compute(current.outcome, days[1])
        estimated = (
            corrections.apply(estimate_metric(current.outcome, calibrator, name), name)
            if task == "binary"
            else _from_rows(baseline, current, name)
        )
        if not (values[0].known or values[1].known or estimated.known):
            continue
        judged = estimated if task == "binary" else UNKNOWN
        change = _change(metric, *values, judged, name in DECIDING[task])
        powered, gap = _from_labels(current.outcome, calibrator, name, values[1], days[1])
        changes.append(replace(change, estimated=estimated, powered=powered, gap=corrections.gap(gap, name)))
    return changes


def _from_rows(baseline: Baseline, current: Profile, name: str) -> Estimate:
    """Return what is expected of a metric of a multiclass task or a regression: shown, never judged."""
    reference = baseline.profile
    if reference.schema.weight is not None or reference.schema.task not in {"multiclass", "regression"}:
        return UNKNOWN
    if isinstance(reference.outcome, MulticlassOutcome):
        whole = functools.partial(multiclass_estimation.calibrate, reference.outcome, days_of(reference))
        calibrators = baseline.once("calibrators", whole)
        return multiclass_estimation.estimate(current, calibrators, name) if calibrators is not None else UNKNOWN
    model = baseline.once("errors", functools.partial(error_estimation.fit, reference))
    return error_estimation.estimate(current, model, name) if model is not None else UNKNOWN


def _from_labels(
    outcome: Outcome, calibrator: estimation.Calibrator | None, name: str, realised: Estimate, days: Sequence[Any]
) -> tuple[Estimate, Estimate]:
    """Return what some labels make of an estimate, and by how much what they show departs from it."""
    if calibrator is None or not isinstance(outcome, BinaryOutcome):
        return UNKNOWN, UNKNOWN
    gap = estimation.gap(outcome, calibrator, name, realised) if name in CHECKED else UNKNOWN
    return prediction_powered.estimate(outcome, calibrator, name, days), gap


def leading(task: str, performance: Sequence[MetricChange]) -> str | None:
    """Return the metric that leads: the first headline metric that all rows have on both sides, realised or estimated.

    Where none has both, the first that one side has; where nothing is known, the first; None for no task.
    """
    names = SEGMENT_METRICS.get(task, ())
    there = {change.metric.name for change in performance}
    both = {c.metric.name for c in performance if c.reference.known and (c.current.known or c.estimated.known)}
    return next((name for some in (both, there, names) for name in names if name in some), None)


def segment_changes(
    baseline: Baseline, current: Profile, performance: Sequence[MetricChange]
) -> Iterator[MetricChange]:
    """Yield the headline metrics of the task for each segment that both sides have; that which leads decides."""
    reference = baseline.profile
    task = reference.schema.task or ""
    if task not in TASKS or reference.outcome is None:
        return
    whole, decides = _whole_calibrator(baseline), leading(task, performance)
    spread = baseline.once("spread", lambda: _Spread(reference)), _Spread(current)
    for column, segments in reference.segments.items():
        others = dict(current.segments[column].items())
        for value, before in segments.items():
            after = others.get(value)
            if after is None:
                continue
            key = (column, value)
            calibrator = baseline.once(("calibrator", key), functools.partial(calibrator_of, before, ())) or whole
            for name in SEGMENT_METRICS[task]:
                metric, compute = TASKS[task][name]
                alone = baseline.once(("segment", key, name), functools.partial(compute, before, ()))
                then = spread[0].widen(alone, name, before)
                now = spread[1].widen(compute(after, ()), name, after)
                estimated = spread[1].widen(estimate_metric(after, calibrator, name), name, after)
                yield _change(metric, then, now, estimated, name == decides, (column, value))


def _whole_calibrator(baseline: Baseline) -> estimation.Calibrator | None:
    reference = baseline.profile
    assert reference.outcome is not None
    return baseline.once("calibrator", functools.partial(calibrator_of, reference.outcome, days_of(reference)))


class _Corrections:
    """What the reference's rows say of estimates over a window's rows, features heeded; nothing where they cannot."""

    def __init__(self, baseline: Baseline, current: Profile, calibrator: estimation.Calibrator | None) -> None:
        self._model: conditional.Conditional | None = None
        self._rows: conditional.Scored | None = None
        self._labelled: conditional.Scored | None = None
        if calibrator is not None and current.sample.rows.num_rows:
            fitted = functools.partial(conditional.fit, baseline.profile, calibrator)
            self._model = baseline.once("conditional", fitted)
        if self._model is not None:
            self._rows, self._labelled = conditional.scored(self._model, current)

    def apply(self, found: Estimate, name: str) -> Estimate:
        """Return an estimate of CBPE's, corrected where that is proven."""
        if self._model is None or self._rows is None or not found.known:
            return found
        return conditional.corrected(found, conditional.correction(self._model, self._rows, name), name)

    def gap(self, found: Estimate, name: str) -> Estimate:
        """Return what was realised less CBPE's estimate, less what the latter would have been corrected by."""
        if self._model is None or self._labelled is None or not found.known:
            return found
        by = conditional.correction(self._model, self._labelled, name)
        if not by.proven:
            return found
        value, error = found.value - by.value, math.hypot(found.error, by.error)
        return replace(found, value=value, low=value - 1.96 * error, high=value + 1.96 * error, error=error)


class _Spread:
    """How much more the metrics of a profile vary than for independent rows, handed on to its segments."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._days = days_of(profile)
        self._effects: dict[str, float] = {}

    def widen(self, estimate: Estimate, name: str, part: Outcome) -> Estimate:
        """Return a segment's estimate widened by the whole's design effect, in proportion to its rows per day (Kish)."""
        whole = self._profile.outcome
        assert whole is not None
        if name not in self._effects:
            _, compute = TASKS[self._profile.schema.task or ""][name]
            self._effects[name] = compute(whole, self._days).design_effect
        share = part.rows / max(whole.rows, 1)
        return widened(estimate, 1 + (self._effects[name] - 1) * share)


def calibrator_of(outcome: Outcome, days: Sequence[Any]) -> estimation.Calibrator | None:
    """Return the calibrator fitted on a binary outcome; None where it cannot be."""
    return estimation.calibrate(outcome, days) if isinstance(outcome, BinaryOutcome) else None


def estimate_metric(outcome: Outcome, calibrator: estimation.Calibrator | None, name: str) -> Estimate:
    """Return what CBPE says of a metric; unknown where it says nothing."""
    if calibrator is None or not isinstance(outcome, BinaryOutcome) or name not in estimation.ESTIMATED:
        return UNKNOWN
    return estimation.estimate(outcome, calibrator, name)


def _change(
    metric: Metric,
    reference: Estimate,
    current: Estimate,
    estimated: Estimate,
    decides: bool,
    segment: tuple[str, str] | None = None,
) -> MetricChange:
    """Judge the realised value; the estimated one where there are no labels."""
    from_estimate = not current.known and estimated.known
    judged = estimated if from_estimate else current
    if segment is not None and metric.floor is not None:
        metric = replace(metric, floor=SEGMENT_FLOOR * metric.floor)
    evidence = worse(metric, judged, reference) if decides and metric.floor is not None else None
    return MetricChange(metric, reference, current, estimated, evidence, segment, from_estimate)


def worse(metric: Metric, current: Estimate, reference: Estimate) -> Evidence:
    """Return the evidence that a metric got worse."""
    floor = (metric.floor or 0.0) * (abs(reference.value) if metric.relative else 1.0)
    if not (current.known and reference.known):
        return Evidence(math.nan, math.nan, math.nan, floor, math.nan)
    if min(current.rests_on, reference.rests_on) < (least_basis(metric.name) or FEWEST):
        return Evidence(math.nan, math.nan, math.nan, floor, math.nan)
    change = difference(current, reference)
    sign = {"higher": -1.0, "lower": 1.0}.get(metric.better or "", math.copysign(1.0, current.value))
    effect, low, high = sign * change.value, sign * change.low, sign * change.high
    if sign < 0:
        low, high = high, low
    if metric.better == "near zero":  # what matters is the distance from zero, on whichever side
        moved = abs(current.value) - abs(reference.value)
        low, high, effect = low + moved - effect, high + moved - effect, moved
    one_sided = change.p_value / 2 if effect > 0 else 1 - change.p_value / 2
    return Evidence(effect, low, high, floor, one_sided, change.error)
