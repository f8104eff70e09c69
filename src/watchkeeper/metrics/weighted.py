"""The metrics of outcomes whose rows have weights: as scikit-learn's with ``sample_weight``.

A metric is a smooth function of sums of weights; its error follows from the sums of squared weights, so that an interval
rests on the effective number of rows, (sum of weights)^2 / sum of squared weights (Kish 1965), which is ``n``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from watchkeeper.metrics import classification as plain
from watchkeeper.metrics.basis import effective_rows, of_matrix, over_classes
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, Scale, interval, smooth_estimate
from watchkeeper.metrics.means import of_weighted
from watchkeeper.profiles.outcome import ERROR_TERMS, BinaryOutcome
from watchkeeper.profiles.weighted import LOSS_TERMS, WeightedClassOutcome, WeightedNumberOutcome
from watchkeeper.sketches.kernel import Floats
from watchkeeper.sketches.weighted import WeightedHistogram

_FALSE = np.array([[0.0, 1.0], [0.0, 1.0]])
_TRUE = np.array([[0.0, 0.0], [1.0, 1.0]])
_NOT = np.array([[1.0, 1.0], [0.0, 0.0]])
_HIT, _PASS = np.array([[0.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 0.0]])
_TERM = {"mae": ("absolute", "log"), "mse": ("squared", "log"), "mean_error": ("error", "plain")} | {
    "mape": ("percentage", "log"), "smape": ("symmetric", "log"),
}  # fmt: skip


def class_metric(name: str, outcome: WeightedClassOutcome, days: Sequence[WeightedClassOutcome] = ()) -> Estimate:
    """Return a metric of a weighted binary or multiclass outcome by its name; unknown where it has none (``ece``)."""
    if name in {"roc_auc", "average_precision"}:
        return _area(name, outcome, days)
    if name in {"log_loss", "brier", "mean_calibration"}:
        return _loss(name, outcome, days)
    binary = isinstance(outcome.plain, BinaryOutcome)
    made = _of_matrix(name, binary)
    matrix, squares = outcome.matrix, outcome.squares
    if made is None or matrix.sum() <= 0:
        return UNKNOWN
    metric, scale, mask = made
    among = np.ones_like(matrix) if mask is None else mask
    value, gradient = metric(matrix)
    blocks = [day.matrix.ravel() for day in days if day.matrix.any()]
    n = effective_rows(float((matrix * among).sum()), float((squares * among).sum()))
    variance = float((squares * gradient**2).sum())
    counted, least = int((plain.confusion_matrix(outcome.plain) * among).sum()), value * (1 - value)
    rows = of_weighted(variance, n, counted, least if scale == "share" else 0.0)
    found = smooth_estimate(value, gradient.ravel(), rows, blocks, n, scale)
    return replace(found, basis=of_matrix(name, matrix, squares) if mask is None else None) if found.known else found


_Matrix = tuple[Callable[[Floats], plain.Valued], Scale, Floats | None]


def _of_matrix(name: str, binary: bool) -> _Matrix | None:
    if name == "accuracy":
        return lambda m: plain.share_of(m, np.eye(len(m)), np.ones_like(m)), "share", None
    if name == "error_rate":
        return lambda m: plain.share_of(m, 1 - np.eye(len(m)), np.ones_like(m)), "share", None
    if name in {"f1_macro", "f1_weighted"}:
        return lambda m: plain.mean_f1(m, weighted=name == "f1_weighted"), "logit", None
    if not binary:
        axis = {"precision": 0, "recall": 1}.get(name)
        return None if axis is None else (lambda m: plain.mean_share(m, axis), "logit", None)
    if name == "f1":
        return _f1, "logit", None
    chosen = {"precision": (_HIT, _FALSE), "recall": (_HIT, _TRUE), "specificity": (_PASS, _NOT)}.get(name)
    return None if chosen is None else (lambda m: plain.share_of(m, *chosen), "share", chosen[1])


def _f1(matrix: Floats) -> plain.Valued:
    values, gradients = plain.f1_by_class(matrix)
    there = matrix[1].sum() + matrix[:, 1].sum() > 0
    return float(values[1]) if there else math.nan, gradients[1]


def _area(name: str, outcome: WeightedClassOutcome, days: Sequence[WeightedClassOutcome]) -> Estimate:
    area = plain.ROC if name == "roc_auc" else plain.PRECISION_RECALL
    each = []
    for place in range(outcome.classes):
        pair = slice(2 * place, 2 * place + 2)
        each.append(_curve(outcome.scores[pair], [day.scores[pair] for day in days], area))
    if not each or not all(e.known for e in each):
        return UNKNOWN
    # rows are in the curves of all classes, so errors are added as if they moved together: never too narrow
    value, error = float(np.mean([e.value for e in each])), float(np.mean([e.error for e in each]))
    degrees, effect, n = min(e.degrees for e in each), max(e.design_effect for e in each), each[0].n
    resolution = float(np.mean([e.resolution for e in each]))
    low, high = interval(value, error, n, "logit", degrees)
    basis = over_classes(np.array([e.rests_on for e in each]))
    return each[0] if len(each) == 1 else Estimate(value, low, high, n, error, degrees, resolution, effect, basis)


def _curve(
    pair: Sequence[WeightedHistogram], days: Sequence[Sequence[WeightedHistogram]], area: plain.Area
) -> Estimate:
    shift = max(h.histogram.shift for h in pair)
    cells = np.union1d(*(h.histogram.at(shift)[0] for h in pair))
    ones, zeros = (h.at(shift, cells) for h in pair)
    value, by_one, by_zero = area.curve(ones[0], zeros[0])
    if math.isnan(value):
        return UNKNOWN
    sizes = [effective_rows(float(side[0].sum()), float(side[1].sum())) for side in (ones, zeros)]
    parts = [float((side[1] * by**2).sum()) for side, by in ((ones, by_one), (zeros, by_zero))]
    rows = plain.of_two_samples(parts, sizes)
    if area.expected is not None:
        rows = plain.steadied(rows, area.expected(value, *map(float, sizes)), min(sizes))
    blocks = [np.concatenate([h.at(shift, cells)[0] for h in day]) for day in days]
    gradient = np.concatenate([by_one, by_zero])
    found = smooth_estimate(value, gradient, rows, [b for b in blocks if b.any()], sum(sizes), "logit")
    found = replace(found, basis=min(sizes))
    exact = all(h.histogram.shift <= h.histogram.trailing for h in pair)
    return found if exact or area is not plain.ROC else replace(found, resolution=area.resolution(ones[0], zeros[0]))


def _loss(name: str, outcome: WeightedClassOutcome, days: Sequence[WeightedClassOutcome]) -> Estimate:
    place = LOSS_TERMS.index({"log_loss": "loss", "brier": "brier", "mean_calibration": "gap"}[name])
    return _ratio(outcome.losses.gram, [d.losses.gram for d in days], place, "plain" if place == 2 else "log")


def number_metric(name: str, outcome: WeightedNumberOutcome, days: Sequence[WeightedNumberOutcome] = ()) -> Estimate:
    """Return a metric of a weighted regression or forecasting outcome by its name."""
    grams = [day.terms.gram for day in days]
    if name in _TERM:
        term, scale = _TERM[name]
        return _ratio(outcome.terms.gram, grams, ERROR_TERMS.index(term), scale)  # type: ignore[arg-type]
    if name == "rmse":
        square = number_metric("mse", outcome, days)
        root = math.sqrt(max(square.value, 0.0)) if square.known else math.nan
        error = square.error / (2 * root) if root > 0 else 0.0
        low, high = math.sqrt(max(square.low, 0.0)), math.sqrt(max(square.high, 0.0))
        return replace(square, value=root, low=low, high=high, error=error) if square.known else UNKNOWN
    if name == "mase":
        found, scale_of = number_metric("mae", outcome, days), outcome.scale
        if not scale_of or not found.known:
            return UNKNOWN
        value, low, high, error = (part / scale_of for part in (found.value, found.low, found.high, found.error))
        return replace(found, value=value, low=low, high=high, error=error)
    return _r2(outcome.terms.gram, grams) if name == "r2" else UNKNOWN


def _r2(gram: Floats, days: Sequence[Floats]) -> Estimate:
    sums = gram[0, 1:]
    places = [1 + ERROR_TERMS.index(term) for term in ("target", "squared", "target_squared")]
    total, y, squared, y_squared = (float(sums[place]) for place in (0, *places))
    spread = y_squared - y * y / total if total > 0 and gram[0, 0] >= 2 else 0.0
    if spread <= 1e-12 * y_squared or not math.isfinite(spread):
        return UNKNOWN
    ratio = squared / spread
    gradient = np.zeros(len(sums))
    gradient[places] = -2 * ratio / spread * y / total, -1 / spread, ratio / spread
    gradient[0] = ratio / spread * (y / total) ** 2
    return _smooth(1 - ratio, gradient, gram, days, "plain")


def _ratio(gram: Floats, days: Sequence[Floats], place: int, scale: Scale) -> Estimate:
    """Return the weighted mean of a term; the first value of each row is its weight."""
    total = float(gram[0, 1])
    if total <= 0:
        return UNKNOWN
    value = float(gram[0, 2 + place]) / total
    gradient = np.zeros(len(gram) - 1)
    gradient[0], gradient[1 + place] = -value / total, 1 / total
    return _smooth(value, gradient, gram, days, scale)


def _smooth(value: float, gradient: Floats, gram: Floats, days: Sequence[Floats], scale: Scale) -> Estimate:
    n = effective_rows(float(gram[0, 1]), float(gram[1, 1]))
    blocks = [day[0, 1:] for day in days if day[0, 1] > 0]
    return smooth_estimate(value, gradient, float(gradient @ gram[1:, 1:] @ gradient), blocks, n, scale)
