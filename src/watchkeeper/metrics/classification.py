"""Accuracy, precision, recall, F1, AUC, losses and calibration from the outcome of a classification task.

Every function takes an outcome and, where there are any, the outcomes of its days, and returns an
:class:`~watchkeeper.metrics.estimate.Estimate`. A metric is a smooth function of sums; its interval follows from its
gradient (see :func:`~watchkeeper.metrics.estimate.smooth_estimate`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import digamma

from watchkeeper.metrics.basis import of_matrix, over_classes
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, Influence, Scale, interval, smooth_estimate, wilson
from watchkeeper.profiles.outcome import BinaryOutcome, MulticlassOutcome
from watchkeeper.profiles.rows import CALIBRATION_BINS
from watchkeeper.sketches.histogram import Histogram
from watchkeeper.sketches.kernel import Floats, Int64s

ClassOutcome = BinaryOutcome | MulticlassOutcome
Valued = tuple[float, Floats]
"""A value, and its gradient in the shape of what it was computed from."""


# --- functions of the confusion matrix, shape (k, k), label by prediction ---------------------------------------------


def share_of(matrix: Floats, chosen: Floats, among: Floats) -> Valued:
    """Return the share that the cells ``chosen`` have of the cells ``among`` (0/1 masks), and its gradient."""
    below = float((matrix * among).sum())
    if below <= 0:
        return math.nan, np.zeros_like(matrix)
    value = float((matrix * chosen).sum()) / below
    return value, (chosen - value * among) / below


def f1_by_class(matrix: Floats) -> tuple[Floats, Floats]:
    """Return F1 of each class, shape (k,), and gradients, shape (k, k, k); 0 where a class is never right or never there."""
    size = len(matrix)
    below = matrix.sum(axis=0) + matrix.sum(axis=1)
    safe = np.where(below > 0, below, 1.0)
    values = 2 * np.diag(matrix) / safe
    eye = np.eye(size)
    own = eye[:, :, None] * eye[:, None, :]  # 1 where label and prediction are the class
    either = eye[:, :, None] + eye[:, None, :]  # once for the label, once for the prediction
    gradients = (2 * own - values[:, None, None] * either) / safe[:, None, None]
    return values, np.where((below > 0)[:, None, None], gradients, 0.0)


def mean_f1(matrix: Floats, weighted: bool) -> Valued:
    """Return the mean of F1 over the classes that occur, plain or weighted by how often each is the label."""
    values, gradients = f1_by_class(matrix)
    support = matrix.sum(axis=1)
    total = float(support.sum())
    present = (support + matrix.sum(axis=0)) > 0
    if total <= 0:
        return math.nan, np.zeros_like(matrix)
    if not weighted:
        return float(values[present].mean()), gradients[present].mean(axis=0)
    value = float((values * support).sum() / total)
    inner = np.einsum("c,cij->ij", support / total, gradients)
    return value, inner + ((values - value) / total)[:, None]


def mean_share(matrix: Floats, axis: int) -> Valued:
    """Return recall (axis 1) or precision (axis 0) averaged over the classes that occur; 0 where a class has no rows."""
    totals = matrix.sum(axis=axis)
    present = (matrix.sum(axis=0) + matrix.sum(axis=1)) > 0
    if not present.any():
        return math.nan, np.zeros_like(matrix)
    safe = np.where(totals > 0, totals, 1.0)
    values = np.diag(matrix) / safe
    scale = np.where(present & (totals > 0), 1 / safe, 0.0) / present.sum()
    spread = (values * scale)[:, None] if axis == 1 else (values * scale)[None, :]
    return float(values[present].mean()), np.diag(scale) - np.broadcast_to(spread, matrix.shape)


# --- functions of score counts: positives and negatives by cell, cells in ascending order ------------------------------


def auc(positives: Floats, negatives: Floats) -> tuple[float, Floats, Floats]:
    """Return the area under the ROC curve, ties counted half, and its gradients by cell (DeLong's placement values)."""
    p, n = positives.sum(), negatives.sum()
    if p <= 0 or n <= 0:
        return math.nan, np.zeros_like(positives), np.zeros_like(negatives)
    below = np.cumsum(negatives) - negatives / 2
    above = p - np.cumsum(positives) + positives / 2
    value = float((positives * below).sum() / (p * n))
    return value, (below / n - value) / p, (above / p - value) / n


def expected_auc_variance(value: float, positives: float, negatives: float) -> float:
    """Return the variance of an area were the scores of both classes exponential, which is near for many scores.

    References
    ----------
    Hanley and McNeil, Radiology 143 (1982), 29-36.
    """
    two_positives, two_negatives = value / (2 - value), 2 * value**2 / (1 + value)
    total = value * (1 - value)
    total += (positives - 1) * (two_positives - value**2) + (negatives - 1) * (two_negatives - value**2)
    return total / (positives * negatives)


def precision_area(positives: Floats, negatives: Floats) -> tuple[float, Floats, Floats]:
    """Return average precision, the sum of precision times step in recall, and its gradients by cell."""
    p = positives.sum()
    if p <= 0:
        return math.nan, np.zeros_like(positives), np.zeros_like(negatives)
    hits, misses = np.cumsum(positives[::-1])[::-1], np.cumsum(negatives[::-1])[::-1]
    flagged = np.where(hits + misses > 0, hits + misses, 1.0)
    precision = hits / flagged
    value = float((positives * precision).sum() / p)
    by_hit = np.cumsum(positives * misses / flagged**2)
    by_miss = -np.cumsum(positives * hits / flagged**2)
    return value, (precision + by_hit - value) / p, by_miss / p


def auc_resolution(positives: Floats, negatives: Floats) -> float:
    """Return how far the area can be off where the order within cells is unknown: half the pairs that share a cell."""
    return float((positives * negatives).sum() / (positives.sum() * negatives.sum())) / 2


def precision_resolution(positives: Floats, negatives: Floats) -> float:
    """Return how far average precision can be off where the order within cells is unknown.

    At worst a cell's negatives come first and its positives one by one, at best its positives come first and together.
    """
    hits, misses = np.cumsum(positives[::-1])[::-1], np.cumsum(negatives[::-1])[::-1]
    flagged = np.maximum(hits + misses, 1.0)
    value = positives * hits / flagged
    best = positives * hits / np.maximum(flagged - negatives, 1.0)
    worst = positives - misses * (digamma(flagged + 1) - digamma(flagged - positives + 1))
    return float(max((best - value).sum(), (value - worst).sum()) / positives.sum())


# --- estimates from outcomes -----------------------------------------------------------------------------------------


def accuracy(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """Share of labelled rows whose prediction is the label."""
    return _from_confusion(outcome, days, lambda m: share_of(m, np.eye(len(m)), np.ones_like(m)), "share")


def error_rate(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """Share of labelled rows whose prediction is not the label: 1 - accuracy."""
    return _from_confusion(outcome, days, lambda m: share_of(m, 1 - np.eye(len(m)), np.ones_like(m)), "share")


def precision(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """Share of predicted positives that are positive; for multiclass the mean over classes. NaN if none is predicted."""
    if isinstance(outcome, MulticlassOutcome):
        return _from_confusion(outcome, days, lambda m: mean_share(m, 0), "logit", name="precision")
    among = np.array([[0.0, 1.0], [0.0, 1.0]])
    return _from_confusion(outcome, days, lambda m: share_of(m, _cell(1, 1), among), "share", among)


def recall(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """Share of positives that are predicted; for multiclass the mean over classes. NaN without positives."""
    if isinstance(outcome, MulticlassOutcome):
        return _from_confusion(outcome, days, lambda m: mean_share(m, 1), "logit", name="recall")
    among = np.array([[0.0, 0.0], [1.0, 1.0]])
    return _from_confusion(outcome, days, lambda m: share_of(m, _cell(1, 1), among), "share", among)


def specificity(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """Share of negatives that are predicted negative (binary only)."""
    if isinstance(outcome, MulticlassOutcome):
        return UNKNOWN
    among = np.array([[1.0, 1.0], [0.0, 0.0]])
    return _from_confusion(outcome, days, lambda m: share_of(m, _cell(0, 0), among), "share", among)


def f1(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """Harmonic mean of precision and recall of the positive class (binary only)."""
    if isinstance(outcome, MulticlassOutcome):
        return UNKNOWN

    def positive(matrix: Floats) -> Valued:
        values, gradients = f1_by_class(matrix)
        return (
            (float(values[1]), gradients[1]) if matrix[1].sum() + matrix[:, 1].sum() > 0 else (math.nan, gradients[1])
        )

    return _from_confusion(outcome, days, positive, "logit", name="f1")


def f1_macro(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """F1 averaged over the classes that occur."""
    return _from_confusion(outcome, days, lambda m: mean_f1(m, weighted=False), "logit", name="f1_macro")


def f1_weighted(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """F1 averaged over classes, weighted by how often each is the label."""
    return _from_confusion(outcome, days, lambda m: mean_f1(m, weighted=True), "logit", name="f1_weighted")


def roc_auc(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """Chance that a positive scores above a negative, ties half; for multiclass one-vs-rest, averaged over classes.

    ``resolution`` is the share of pairs that the profile cannot order because they fell in one cell, halved.

    References
    ----------
    DeLong, DeLong, Clarke-Pearson, Biometrics 44 (1988); here over blocks, and on the logit.
    """
    return _from_scores(outcome, days, ROC)


def average_precision(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """Area under precision over recall, without interpolation; for multiclass one-vs-rest, averaged over classes."""
    return _from_scores(outcome, days, PRECISION_RECALL)


def log_loss(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """Mean of -ln(probability given to what came true), probabilities clipped at the float64 epsilon."""
    return _from_losses(outcome, days, 1)


def brier(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """Mean squared error of the probability; for multiclass summed over classes (0 to 2)."""
    return _from_losses(outcome, days, 2)


def ece(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """Expected calibration error over 15 bins of equal width: how far scores and frequencies are apart, on average.

    Positive even for a perfect model (about 1 / sqrt(n)); 0 to 1.

    References
    ----------
    Naeini, Cooper, Hauskrecht, AAAI 2015.
    """
    total = outcome.losses.count
    if total == 0:
        return UNKNOWN
    gaps = outcome.bins[:, 1] - outcome.bin_scores
    signs = np.where(gaps >= 0, 1.0, -1.0)
    value = float(np.abs(gaps).sum()) / total

    def sums(part: ClassOutcome) -> Floats:
        return np.concatenate([[part.losses.count], part.bins[:, 1] - part.bin_scores])

    gradient = np.concatenate([[-value], signs]) / total
    squares = max(_squared_gaps(outcome) / total - value * value, 0.0) / total
    found = smooth_estimate(value, gradient, squares, [sums(d) for d in days if d.losses.count], total)
    return replace(found, low=max(found.low, 0.0), high=min(found.high, 1.0))


def mean_calibration(outcome: ClassOutcome, days: Sequence[ClassOutcome] = ()) -> Estimate:
    """Frequency of the positive class minus the mean score: above 0 the model says too little, below 0 too much."""
    total = outcome.losses.count
    if total == 0:
        return UNKNOWN

    def sums(part: ClassOutcome) -> Floats:
        return np.array([part.losses.count, float(part.bins[:, 1].sum() - part.bin_scores.sum())])

    value = float(sums(outcome)[1]) / total
    squares = max(_squared_gaps(outcome) / total - value * value, 0.0) / total
    gradient = np.array([-value, 1.0]) / total
    return smooth_estimate(value, gradient, squares, [sums(d) for d in days if d.losses.count], total)


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """One bin of the reliability diagram: mean score, and the share that came true with its Wilson interval."""

    lower: float
    upper: float
    n: int
    score: float
    rate: float
    low: float
    high: float


def reliability(outcome: ClassOutcome) -> list[CalibrationBin]:
    """Return the reliability diagram: 15 bins of the score (multiclass: of the highest score), of equal width."""
    bins = []
    for place in range(CALIBRATION_BINS):
        n, hits = map(int, outcome.bins[place])
        low, high = wilson(hits / n, n) if n else (math.nan, math.nan)
        edges = place / CALIBRATION_BINS, (place + 1) / CALIBRATION_BINS
        score = float(outcome.bin_scores[place]) / n if n else math.nan
        bins.append(CalibrationBin(*edges, n, score, hits / n if n else math.nan, low, high))
    return bins


# --- the way from outcomes to sums -----------------------------------------------------------------------------------


def confusion_matrix(outcome: ClassOutcome) -> Int64s:
    """Return label by prediction over rows that have both, shape (k, k); other classes are one more, if there are any."""
    if isinstance(outcome, BinaryOutcome):
        return outcome.confusion[:2, :2]
    return outcome.confusion[:-1, :-1]


def _cell(label: int, prediction: int) -> Floats:
    mask = np.zeros((2, 2))
    mask[label, prediction] = 1.0
    return mask


def _from_confusion(
    outcome: ClassOutcome,
    days: Sequence[ClassOutcome],
    metric: Callable[[Floats], Valued],
    scale: Scale,
    among: Floats | None = None,
    name: str = "",
) -> Estimate:
    matrix = confusion_matrix(outcome).astype(np.float64)
    if matrix.sum() == 0:
        return UNKNOWN
    value, gradient = metric(matrix)
    n = int((matrix * among).sum() if among is not None else matrix.sum())
    blocks = [confusion_matrix(day).astype(np.float64).ravel() for day in days]
    squares = float((matrix * gradient**2).sum())
    found = smooth_estimate(value, gradient.ravel(), squares, [b for b in blocks if b.any()], n, scale)
    return replace(found, basis=of_matrix(name, matrix, matrix)) if found.known else found


Curve = Callable[[Floats, Floats], tuple[float, Floats, Floats]]
Resolution = Callable[[Floats, Floats], float]


@dataclass(frozen=True, slots=True)
class Area:
    """An area under a curve of scores, how far it can be off, and the variance that it is expected to have."""

    curve: Curve
    resolution: Resolution
    expected: Callable[[float, float, float], float] | None = None


ROC = Area(auc, auc_resolution, expected_auc_variance)
PRECISION_RECALL = Area(precision_area, precision_resolution)


def _from_scores(outcome: ClassOutcome, days: Sequence[ClassOutcome], area: Area) -> Estimate:
    if isinstance(outcome, BinaryOutcome):
        parts = [_by_label(d) for d in days if isinstance(d, BinaryOutcome)]
        return curve_estimate(_by_label(outcome), parts, area)
    each = []
    for place in range(outcome.classes):
        own = outcome.scores[3 * place], outcome.scores[3 * place + 1]
        parts = [(d.scores[3 * place], d.scores[3 * place + 1]) for d in days if isinstance(d, MulticlassOutcome)]
        each.append(curve_estimate(own, parts, area))
    if not each or not all(e.known for e in each):
        return UNKNOWN
    # rows are in the curves of all classes, so errors are added as if they moved together: never too narrow
    value, error = float(np.mean([e.value for e in each])), float(np.mean([e.error for e in each]))
    degrees, effect = min(e.degrees for e in each), max(e.design_effect for e in each)
    low, high = interval(value, error, each[0].n, "logit", degrees)
    resolution, basis = float(np.mean([e.resolution for e in each])), over_classes(np.array([e.rests_on for e in each]))
    return Estimate(value, low, high, each[0].n, error, degrees, resolution, effect, basis)


def _by_label(outcome: BinaryOutcome) -> tuple[Histogram, Histogram]:
    return outcome.score_histogram((1,)), outcome.score_histogram((0,))


def curve_estimate(
    pair: tuple[Histogram, Histogram],
    days: Sequence[tuple[Histogram, Histogram]],
    area: Area,
) -> Estimate:
    """Return the area under a curve from the scores of positives and negatives, and the same pair for each day."""
    shift = max(h.shift for h in pair)
    cells = np.union1d(pair[0].at(shift)[0], pair[1].at(shift)[0])

    def spread(histogram: Histogram) -> Floats:
        found, counts = histogram.at(shift)
        placed = np.zeros(len(cells))
        placed[np.searchsorted(cells, found)] = counts
        return placed

    positives, negatives = spread(pair[0]), spread(pair[1])
    value, by_positive, by_negative = area.curve(positives, negatives)
    if math.isnan(value):
        return UNKNOWN
    gradient = np.concatenate([by_positive, by_negative])
    squares = [float((c * by**2).sum()) for c, by in ((positives, by_positive), (negatives, by_negative))]
    rows, smaller = of_two_samples(squares, [h.count for h in pair]), min(h.count for h in pair)
    if area.expected is not None:
        rows = steadied(rows, area.expected(value, positives.sum(), negatives.sum()), smaller)
    blocks = [np.concatenate([spread(p), spread(n)]) for p, n in days if p.count or n.count]
    n = int(positives.sum() + negatives.sum())
    estimate = replace(smooth_estimate(value, gradient, rows, blocks, n, "logit"), basis=smaller)
    exact = pair[0].shift <= pair[0].trailing and pair[1].shift <= pair[1].trailing
    return estimate if exact else replace(estimate, resolution=area.resolution(positives, negatives))


def of_two_samples(squares: Sequence[float], sizes: Sequence[float]) -> Influence:
    """Return the variance of positives and negatives, each with its own degrees of freedom (Welch and Satterthwaite).

    Where positives are rare it is they who say how sure one can be, however many negatives there are. ``squares`` are the
    sums of squared influences of both, ``sizes`` how many rows (or effective rows) they are.
    """
    parts = []
    for total, size in zip(squares, sizes, strict=True):
        degrees = max(size - 1, 1.0)
        parts.append((total * (degrees + 1) / degrees, degrees))
    variance = sum(part for part, _ in parts)
    below = sum(part**2 / degrees for part, degrees in parts)
    return Influence(variance, variance**2 / below if below > 0 else math.inf)


def steadied(rows: Influence, expected: float, smaller: float) -> Influence:
    """Return a variance that few rows of the smaller class do not make too small by chance.

    An area of .99 hangs on the few positives that score low: whoever has not seen one takes the area for certain. So what is
    seen is averaged with what is expected, which counts as much as two rows of the smaller class, as for shares.
    """
    return replace(rows, variance=(smaller * rows.variance + 2 * max(rows.variance, expected)) / (smaller + 2))


def _from_losses(outcome: ClassOutcome, days: Sequence[ClassOutcome], place: int) -> Estimate:
    products = outcome.losses
    if products.count == 0:
        return UNKNOWN
    value = float(products.gram[0, place]) / products.count
    gradient = np.zeros(3)
    gradient[0], gradient[place] = -value / products.count, 1 / products.count
    blocks = [d.losses.gram[0] for d in days if d.losses.count]
    squares = float(gradient @ products.gram @ gradient)
    return smooth_estimate(value, gradient, squares, blocks, products.count, "log")


def _squared_gaps(outcome: ClassOutcome) -> float:
    """Return the sum of (came true - score)^2; for multiclass, of the highest score, bounded by its variance in bins."""
    if isinstance(outcome, BinaryOutcome):
        return float(outcome.losses.gram[0, 2])
    n, hits = outcome.bins[:, 0].astype(np.float64), outcome.bins[:, 1].astype(np.float64)
    rate = hits / np.where(n > 0, n, 1.0)
    mean = outcome.bin_scores / np.where(n > 0, n, 1.0)
    width = 1 / CALIBRATION_BINS
    return float((n * (rate * (1 - rate) + (rate - mean) ** 2 + width**2 / 12)).sum())
