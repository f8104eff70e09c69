"""Curves of a classifier over its thresholds, read from a profile: ROC, precision and recall, lift, calibration.

A point stands for the rule "a score of at least ``threshold`` predicts the class". Thresholds are the lower edges of the
histogram's cells, where counts are exact whatever the histogram's resolution; so every point of a curve is exact, and
only what lies *between* two points is not known. ``resolution`` is the largest share of the rows between two points
that the profile cannot tell apart, 0 where it knows every score.

Every row counts once, also where rows have weights. Intervals are pointwise and of 95 %: Wilson's, wider where days differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from watchkeeper.errors import InputError, UnknownKey
from watchkeeper.metrics import classification
from watchkeeper.metrics.bands import Band, share_band
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.profiles.outcome import BinaryOutcome, MulticlassOutcome
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.tasks import plain_outcome
from watchkeeper.schema import label_text
from watchkeeper.sketches import kernel
from watchkeeper.sketches.histogram import Histogram
from watchkeeper.sketches.kernel import Floats


@dataclass(frozen=True, slots=True)
class Curve:
    """Arrays of one length that belong together; every curve is one."""

    def columns(self) -> dict[str, Floats]:
        """Return the arrays by name."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}

    def table(self) -> pa.Table:
        """Return the curve as an Arrow table, a row for each point."""
        return pa.table(self.columns())

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as plain values."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {k: v for k, v in plain.items() if isinstance(v, int | float)}
        return plain | {name: values.tolist() for name, values in self.columns().items()}


@dataclass(frozen=True, slots=True)
class RocCurve(Curve):
    """True against false positive rate, from the threshold that predicts nothing (infinite) to the least score.

    ``low`` and ``high`` are the limits of the true positive rate; ``area`` is the AUC with its own.
    """

    threshold: Floats
    false_positive_rate: Floats
    true_positive_rate: Floats
    low: Floats
    high: Floats
    area: Estimate
    n: int
    resolution: float


@dataclass(frozen=True, slots=True)
class PrecisionRecallCurve(Curve):
    """Precision against recall, from the highest threshold to the least; ``low`` and ``high`` are those of precision.

    ``area`` is the average precision.
    """

    threshold: Floats
    precision: Floats
    recall: Floats
    low: Floats
    high: Floats
    area: Estimate
    n: int
    resolution: float


@dataclass(frozen=True, slots=True)
class LiftCurve(Curve):
    """What is gained by taking the rows with the highest scores first.

    ``selected`` is the share of rows taken, ``gain`` the share of positives among them (recall) with its limits, and
    ``lift`` how many times denser the positives are there than in all rows.
    """

    threshold: Floats
    selected: Floats
    gain: Floats
    low: Floats
    high: Floats
    lift: Floats
    n: int
    resolution: float


@dataclass(frozen=True, slots=True)
class ThresholdCurve(Curve):
    """What each threshold would give: precision, recall, specificity, F1, accuracy and the share of rows selected."""

    threshold: Floats
    selected: Floats
    precision: Floats
    precision_low: Floats
    precision_high: Floats
    recall: Floats
    recall_low: Floats
    recall_high: Floats
    specificity: Floats
    f1: Floats
    accuracy: Floats
    n: int
    resolution: float


@dataclass(frozen=True, slots=True)
class CalibrationCurve(Curve):
    """Mean score and the share that came true in each of 15 bins of equal width that hold rows, with its limits."""

    score: Floats
    rate: Floats
    low: Floats
    high: Floats
    rows: Floats
    n: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows at or above each threshold, thresholds falling: positives and negatives, shape (k,), and of each day.

    The first threshold is infinite and has no rows.
    """

    threshold: Floats
    hits: Floats
    false: Floats
    days: list[tuple[Floats, Floats]]
    resolution: float

    @property
    def positives(self) -> float:
        """All positives with a score."""
        return float(self.hits[-1])

    @property
    def negatives(self) -> float:
        """All negatives with a score."""
        return float(self.false[-1])

    @property
    def n(self) -> int:
        """All rows with label and score."""
        return int(self.positives + self.negatives)


def roc_curve(profile: Profile, positive: str | None = None) -> RocCurve:
    """Return the ROC curve of a profile: what share of positives and of negatives each threshold selects.

    Parameters
    ----------
    profile
        Of a binary or multiclass task with scores and labels.
    positive
        The class, against all others; needed for multiclass. For binary, the schema's positive class.

    Raises
    ------
    InputError
        The profile has no scores with labels of both kinds.
    UnknownKey
        There is no such class.
    """
    counts = score_counts(profile, positive)
    ones, zeros = counts.positives, counts.negatives
    rate = share_band(counts.hits, np.full_like(counts.hits, ones), [(h, h[-1] + 0 * h) for h, _ in counts.days])
    area = _area(profile, positive, classification.ROC)
    return RocCurve(
        counts.threshold, counts.false / zeros, rate.value, rate.low, rate.high, area, counts.n, counts.resolution
    )


def precision_recall_curve(profile: Profile, positive: str | None = None) -> PrecisionRecallCurve:
    """Return precision and recall at each threshold; parameters and errors as :func:`roc_curve`."""
    counts = score_counts(profile, positive)
    band = _precision(counts)
    area = _area(profile, positive, classification.PRECISION_RECALL)
    recall = counts.hits / counts.positives
    threshold, value, recall, low, high = (c[1:] for c in (counts.threshold, band.value, recall, band.low, band.high))
    return PrecisionRecallCurve(threshold, value, recall, low, high, area, counts.n, counts.resolution)


def lift_curve(profile: Profile, positive: str | None = None) -> LiftCurve:
    """Return cumulative gain and lift at each threshold; parameters and errors as :func:`roc_curve`."""
    counts = score_counts(profile, positive)
    gain = share_band(
        counts.hits, np.full_like(counts.hits, counts.positives), [(h, h[-1] + 0 * h) for h, _ in counts.days]
    )
    selected = (counts.hits + counts.false) / counts.n
    lift = np.where(selected > 0, gain.value / np.where(selected > 0, selected, 1.0), np.nan)
    return LiftCurve(counts.threshold, selected, gain.value, gain.low, gain.high, lift, counts.n, counts.resolution)


def threshold_curve(profile: Profile, positive: str | None = None) -> ThresholdCurve:
    """Return what each threshold would give; parameters and errors as :func:`roc_curve`.

    Precision is NaN where nothing is selected; F1 is 0 there.
    """
    counts = score_counts(profile, positive)
    hits, false, ones, zeros = counts.hits, counts.false, counts.positives, counts.negatives
    precision = _precision(counts)
    recall = share_band(hits, np.full_like(hits, ones), [(h, h[-1] + 0 * h) for h, _ in counts.days])
    return ThresholdCurve(
        threshold=counts.threshold,
        selected=(hits + false) / counts.n,
        precision=precision.value,
        precision_low=precision.low,
        precision_high=precision.high,
        recall=recall.value,
        recall_low=recall.low,
        recall_high=recall.high,
        specificity=(zeros - false) / zeros,
        f1=2 * hits / (hits + false + ones),
        accuracy=(hits + zeros - false) / counts.n,
        n=counts.n,
        resolution=counts.resolution,
    )


def calibration_curve(profile: Profile) -> CalibrationCurve:
    """Return the reliability diagram: how often what had a score came true; for multiclass, of the highest score.

    Raises
    ------
    InputError
        The profile has no probabilities with labels.
    """
    outcome = _outcome(profile)
    bins = [b for b in classification.reliability(outcome) if b.n]
    if not bins:
        raise InputError("The profile has no row with both a label and a probability: there is no calibration to show.")
    score, rate, low, high, rows = (
        np.array([getattr(b, name) for b in bins], float) for name in ("score", "rate", "low", "high", "n")
    )
    return CalibrationCurve(score, rate, low, high, rows, outcome.losses.count)


def score_counts(profile: Profile, positive: str | None = None) -> Counts:
    """Return how many positives and negatives lie at or above each threshold; see :func:`roc_curve` for the errors."""
    outcome = _outcome(profile)
    pair = _pair(profile, outcome, positive)
    if not (pair[0].count and pair[1].count):
        raise InputError("A curve needs scores of labelled rows, some of the class and some of another.")
    shift = max(h.shift for h in pair)
    cells = np.union1d(pair[0].at(shift)[0], pair[1].at(shift)[0])

    def above(histogram: Histogram) -> Floats:
        found, counts = histogram.at(shift)
        placed = np.zeros(len(cells))
        placed[np.searchsorted(cells, found)] = counts
        return np.concatenate([[0.0], np.cumsum(placed[::-1])])

    hits, false = above(pair[0]), above(pair[1])
    parts = [_pair(profile, day, positive) for day in _days(profile)]
    days = [(above(p), above(n)) for p, n in parts if p.count or n.count]
    exact = all(h.shift <= h.trailing for h in pair)
    widest = float(np.diff(hits + false).max()) / float(hits[-1] + false[-1])
    threshold = np.concatenate([[np.inf], kernel.key_floats(cells << np.int64(shift))[::-1]])
    return Counts(threshold, hits, false, days, 0.0 if exact else widest)


def _precision(counts: Counts) -> Band:
    return share_band(counts.hits, counts.hits + counts.false, [(h, h + f) for h, f in counts.days])


def _area(profile: Profile, positive: str | None, area: classification.Area) -> Estimate:
    pairs = [_pair(profile, part, positive) for part in (_outcome(profile), *_days(profile))]
    return classification.curve_estimate(pairs[0], pairs[1:], area)


def _outcome(profile: Profile) -> BinaryOutcome | MulticlassOutcome:
    outcome = plain_outcome(profile.outcome)
    if not isinstance(outcome, BinaryOutcome | MulticlassOutcome):
        raise InputError(
            f"The profile's task is {profile.schema.task or 'none'}; this is for binary and multiclass: say task=, "
            "target= and score= in the schema."
        )
    return outcome


def _days(profile: Profile) -> Sequence[BinaryOutcome | MulticlassOutcome]:
    days = [plain_outcome(day) for _, day in profile.timeline.items()] if profile.timeline is not None else []
    return [day for day in days if isinstance(day, BinaryOutcome | MulticlassOutcome)]


def _pair(
    profile: Profile, outcome: BinaryOutcome | MulticlassOutcome, positive: str | None
) -> tuple[Histogram, Histogram]:
    """Return the histograms of the class's scores over its rows and over the others'."""
    schema = profile.schema
    wanted = None if positive is None else label_text(positive)
    if isinstance(outcome, BinaryOutcome):
        if wanted not in {None, label_text(schema.positive)}:
            raise UnknownKey(str(wanted), [label_text(schema.positive)], "The positive class of the profile")
        return outcome.score_histogram((1,)), outcome.score_histogram((0,))
    if wanted not in schema.classes:
        raise UnknownKey(str(wanted), schema.classes, "A curve of a multiclass task is of one class (positive=) and")
    place = schema.classes.index(str(wanted))
    return outcome.scores[3 * place], outcome.scores[3 * place + 1]
