"""Performance without labels: confidence-based performance estimation (CBPE) of binary tasks.

If the calibrated score says how often a prediction comes true, then the expected confusion matrix, and with it every
metric, follows from the scores alone. It holds while the relation of score and label stays as in the reference: it sees
a change of the inputs, never a change of the concept. That is why it stands *beside* the realised metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from watchkeeper.metrics import classification
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, Scale, interval
from watchkeeper.profiles.outcome import EVERY_LABEL, BinaryOutcome
from watchkeeper.sketches import kernel
from watchkeeper.sketches.histogram import Histogram
from watchkeeper.sketches.kernel import Floats, Int64s

FEWEST_LABELS = 50
_FEWEST_DAYS = 5
_EPS = float(np.finfo(np.float64).eps)
ESTIMATED = (
    "accuracy", "error_rate", "precision", "recall", "specificity", "f1", "roc_auc", "average_precision", "log_loss", "brier",
)  # fmt: skip
"""The metrics that CBPE estimates."""
_OF_CLASSES = {"f1", "roc_auc", "average_precision"}


@dataclass(frozen=True, slots=True)
class Calibrator:
    """The share of positives by score, never falling: isotonic regression on the labelled rows of a reference.

    Attributes
    ----------
    starts
        The first cell key of each step, ascending.
    rates
        The share of positives in each step, shape (k,).
    counts
        The labelled reference rows in each step, shape (k,).
    residuals
        For each day of the reference, positives less what the steps expect of it, shape (days, k): how far whole days
        depart from the steps.
    """

    starts: Int64s
    rates: Floats
    counts: Floats
    residuals: Floats

    def __call__(self, keys: Int64s) -> Int64s:
        """Return the step of each key."""
        return np.maximum(np.searchsorted(self.starts, keys, side="right") - 1, 0).astype(np.int64)


def calibrate(reference: BinaryOutcome, days: Sequence[BinaryOutcome] = ()) -> Calibrator | None:
    """Fit the calibrator on a reference with labels.

    Isotonic regression by pooling adjacent violators (Barlow et al. 1972; Zadrozny and Elkan 2002 for calibration). None
    with fewer than 50 labelled rows of either class, and where most scores are no probabilities.
    """
    if 2 * reference.improbable > reference.rows - reference.scoreless:
        return None
    fitted = isotonic(reference.score_histogram((1,)), reference.score_histogram((0,)))
    pairs = [(day.score_histogram((1,)), day.score_histogram((0,))) for day in days]
    return replace(fitted, residuals=residuals(fitted, pairs)) if fitted is not None else None


def isotonic(positive: Histogram, negative: Histogram) -> Calibrator | None:
    """Return the calibrator of scores of positives and negatives; None with fewer than 50 of either."""
    if min(positive.count, negative.count) < FEWEST_LABELS:
        return None
    shift = max(positive.shift, negative.shift)
    cells = np.union1d(positive.at(shift)[0], negative.at(shift)[0])
    hits, misses = _spread(positive, shift, cells), _spread(negative, shift, cells)
    firsts, rates, counts = pool_adjacent_violators(hits, hits + misses)
    starts = cells[firsts] << np.int64(shift)
    return Calibrator(starts, rates, counts, np.empty((0, len(rates))))


def pool_adjacent_violators(hits: Floats, counts: Floats) -> tuple[Int64s, Floats, Floats]:
    """Return the non-decreasing step function nearest to ``hits / counts``: first places, rates and counts of its steps."""
    firsts: list[int] = []
    sums: list[float] = []
    weights: list[float] = []
    for place, (hit, count) in enumerate(zip(hits.tolist(), counts.tolist(), strict=True)):
        first, total, weight = place, hit, count
        while sums and sums[-1] * weight >= total * weights[-1]:
            first, total, weight = firsts.pop(), total + sums.pop(), weight + weights.pop()
        firsts.append(first)
        sums.append(total)
        weights.append(weight)
    weights_array = np.array(weights)
    return np.array(firsts, dtype=np.int64), np.array(sums) / weights_array, weights_array


def estimate(
    outcome: BinaryOutcome, calibrator: Calibrator, metric: str, labels: tuple[int, ...] = (EVERY_LABEL,)
) -> Estimate:
    """Return what ``metric`` is expected to be over all rows of an outcome whose score is a probability, labels unseen.

    ``labels`` (0, 1) leaves out the rows without a label. Unknown where most scores are none: the rest would not stand for
    the whole.

    The interval holds the chance in the labels, and the uncertainty of the calibrator, both as the delta method gives
    them and widened by how much days differ in the reference. It does not hold a change of concept.

    References
    ----------
    The expected confusion matrix: NannyML's documentation of CBPE; ties of the AUC count half.
    """
    keys, scores, (counts,) = cells_of(outcome, (labels,))
    n, scored = int(counts.sum()), sum(outcome.score_histogram(labels, (p,)).count for p in (0, 1))
    if n == 0 or 2 * n < scored:
        return UNKNOWN
    step = calibrator(keys)
    rate = calibrator.rates[step]
    value, by_positive, by_negative, rows, scale = expected(metric, counts * rate, counts * (1 - rate), scores)
    if math.isnan(value):
        return UNKNOWN
    flip = by_positive - by_negative  # what one label changes, by prediction and cell
    chance = float((counts * rate * (1 - rate) * flip**2).sum())
    moved = np.bincount(step, (counts * flip).sum(axis=0), len(calibrator.rates))
    doubt = float((moved**2 * calibrator.rates * (1 - calibrator.rates) / calibrator.counts).sum())
    inflation = _inflation(calibrator, moved / calibrator.counts, doubt)
    error = math.sqrt((chance + doubt) * inflation)
    low, high = interval(value, error, max(round(rows), 1), scale)
    positives = float((counts * rate).sum())
    basis = round(min(positives, n - positives)) if metric in _OF_CLASSES else round(rows)
    return Estimate(value, low, high, n, error, design_effect=inflation, basis=basis)


def gap(outcome: BinaryOutcome, calibrator: Calibrator, metric: str, realised: Estimate) -> Estimate:
    """Return what was realised less what the calibrator expects of the same rows, those with a label.

    The interval holds the chance in the labels and the uncertainty of the calibrator: where 0 lies outside, the relation of
    score and label is not that of the reference. It needs labels that come whatever they are: where, say, one class is known
    sooner than the other, it speaks of that. Unknown below 50 labels.
    """
    if not realised.known or outcome.labelled < FEWEST_LABELS:
        return UNKNOWN
    foretold = estimate(outcome, calibrator, metric, labels=(0, 1))
    if not foretold.known:
        return UNKNOWN
    value, half = realised.value - foretold.value, 1.96 * foretold.error
    return Estimate(value, value - half, value + half, foretold.n, foretold.error, basis=realised.rests_on)


Expected = tuple[float, Floats, Floats, float, Scale]


def expected(metric: str, positives: Floats, negatives: Floats, scores: Floats) -> Expected:
    """Return a metric of expected counts, its derivative by each positive and negative, its rows, and its scale.

    ``positives`` and ``negatives`` are counts by prediction and ascending score, shape (2, cells).
    """
    return _EXPECTED[metric](positives, negatives, scores)


def _matrix_metric(
    metric: Callable[[Floats], classification.Valued], among: Floats, scale: Scale
) -> Callable[..., Expected]:
    def expected(positives: Floats, negatives: Floats, _: Floats) -> Expected:
        matrix = np.stack([negatives.sum(axis=1), positives.sum(axis=1)])  # label by prediction
        value, gradient = metric(matrix)
        shape = positives.shape
        rows = float((matrix * among).sum())
        return (
            value,
            np.broadcast_to(gradient[1][:, None], shape),
            np.broadcast_to(gradient[0][:, None], shape),
            rows,
            scale,
        )

    return expected


def _curve_metric(curve: classification.Curve) -> Callable[..., Expected]:
    def expected(positives: Floats, negatives: Floats, _: Floats) -> Expected:
        value, by_positive, by_negative = curve(positives.sum(axis=0), negatives.sum(axis=0))
        shape = positives.shape
        rows = float(positives.sum() + negatives.sum())
        return value, np.broadcast_to(by_positive, shape), np.broadcast_to(by_negative, shape), rows, "logit"

    return expected


def _loss_metric(loss: Callable[[Floats, bool], Floats]) -> Callable[..., Expected]:
    def expected(positives: Floats, negatives: Floats, scores: Floats) -> Expected:
        rows = float(positives.sum() + negatives.sum())
        hit, miss = loss(scores, True), loss(scores, False)
        value = float((positives * hit + negatives * miss).sum()) / rows
        shape = positives.shape
        return (
            value,
            np.broadcast_to((hit - value) / rows, shape),
            np.broadcast_to((miss - value) / rows, shape),
            rows,
            "log",
        )

    return expected


def _f1(matrix: Floats) -> classification.Valued:
    values, gradients = classification.f1_by_class(matrix)
    return (float(values[1]), gradients[1]) if matrix[1].sum() + matrix[:, 1].sum() > 0 else (math.nan, gradients[1])


def _share(chosen: list[list[float]], among: list[list[float]]) -> Callable[..., Expected]:
    mask, whole = np.array(chosen), np.array(among)
    return _matrix_metric(lambda m: classification.share_of(m, mask, whole), whole, "share")


def log_loss_of(scores: Floats, positive: bool) -> Floats:
    """Return the log loss of each score for one label."""
    clipped = np.clip(scores, _EPS, 1 - _EPS)
    return -np.log(clipped if positive else 1 - clipped)


_ALL = [[1.0, 1.0], [1.0, 1.0]]
_EXPECTED: dict[str, Callable[..., Expected]] = {
    "accuracy": _share([[1, 0], [0, 1]], _ALL),
    "error_rate": _share([[0, 1], [1, 0]], _ALL),
    "precision": _share([[0, 0], [0, 1]], [[0, 1], [0, 1]]),
    "recall": _share([[0, 0], [0, 1]], [[0, 0], [1, 1]]),
    "specificity": _share([[1, 0], [0, 0]], [[1, 1], [0, 0]]),
    "f1": _matrix_metric(_f1, np.array(_ALL), "logit"),
    "roc_auc": _curve_metric(classification.auc),
    "average_precision": _curve_metric(classification.precision_area),
    "log_loss": _loss_metric(log_loss_of),
    "brier": _loss_metric(lambda scores, positive: (scores - positive) ** 2),
}


def cells_of(outcome: BinaryOutcome, labels: Sequence[tuple[int, ...]]) -> tuple[Int64s, Floats, Floats]:
    """Return the first keys and middles of the cells that hold probabilities, and the rows in each.

    The rows have shape (len(labels), 2, cells), by prediction 0 and 1.
    """
    found = [[outcome.score_histogram(some, (p,)) for p in (0, 1)] for some in labels]
    flat = [histogram for pair in found for histogram in pair]
    shift = max(h.shift for h in flat)
    cells = np.unique(np.concatenate([h.at(shift)[0] for h in flat]))
    counts = np.stack([_spread(h, shift, cells) for h in flat]).reshape(len(labels), 2, len(cells))
    keys = cells << np.int64(shift)
    if outcome.improbable:
        probable = _probable(keys, shift)
        keys, counts = keys[probable], np.ascontiguousarray(counts[..., probable])
    return keys, _scores(keys, shift), counts


def _scores(keys: Int64s, shift: int) -> Floats:
    low, high = _edges(keys, shift)
    return np.clip((low + high) / 2, 0.0, 1.0)


def _probable(keys: Int64s, shift: int) -> NDArray[np.bool_]:
    """Return which cells hold scores from 0 to 1."""
    low, high = _edges(keys, shift)
    return (high >= 0) & (low <= 1)


def _edges(keys: Int64s, shift: int) -> tuple[Floats, Floats]:
    low = kernel.key_floats(keys)
    return low, kernel.key_floats(keys + np.int64((1 << shift) - 1)) if shift else low


def _spread(histogram: Histogram, shift: int, cells: Int64s) -> Floats:
    found, counts = histogram.at(shift)
    placed = np.zeros(len(cells))
    placed[np.searchsorted(cells, found)] = counts
    return placed


def residuals(calibrator: Calibrator, days: Sequence[tuple[Histogram, Histogram]]) -> Floats:
    """Return positives less what a calibrator expects by day and step, of the scores of each day's positives and negatives.

    No rows where there are fewer than five days with labels.
    """
    found = []
    for pair in days:
        hits, misses = (_by_step(calibrator, histogram) for histogram in pair)
        if hits.any() or misses.any():
            found.append(hits - (hits + misses) * calibrator.rates)
    return np.array(found) if len(found) >= _FEWEST_DAYS else np.empty((0, len(calibrator.rates)))


def _inflation(calibrator: Calibrator, weights: Floats, independent: float) -> float:
    """Return how much more the weighted residuals of days vary than those of independent rows would, at least 1."""
    if len(calibrator.residuals) == 0 or independent <= 0:
        return 1.0
    between = float(((calibrator.residuals @ weights) ** 2).sum())
    return max(between / independent, 1.0)


def _by_step(calibrator: Calibrator, histogram: Histogram) -> Floats:
    steps = calibrator(histogram.cells << np.int64(histogram.shift))
    return np.bincount(steps, histogram.counts.astype(np.float64), len(calibrator.rates)).astype(np.float64)
