"""Errors of a regression task, from the products that its outcome keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from watchkeeper.metrics.estimate import UNKNOWN, Estimate, Influence, Scale, smooth_estimate
from watchkeeper.profiles.outcome import ERROR_TERMS, RegressionOutcome
from watchkeeper.sketches.kernel import Floats

_FEWEST_FOR_SKEWNESS = 20
_PLACE = {name: place + 1 for place, name in enumerate(ERROR_TERMS)}


def mae(outcome: RegressionOutcome, days: Sequence[RegressionOutcome] = ()) -> Estimate:
    """Mean absolute error, in the target's unit."""
    return _mean(outcome, days, "absolute", "log")


def mse(outcome: RegressionOutcome, days: Sequence[RegressionOutcome] = ()) -> Estimate:
    """Mean squared error, in the square of the target's unit."""
    return _mean(outcome, days, "squared", "log", _leaning(outcome))


def rmse(outcome: RegressionOutcome, days: Sequence[RegressionOutcome] = ()) -> Estimate:
    """Root of the mean squared error, in the target's unit."""
    square = mse(outcome, days)
    if not square.known:
        return UNKNOWN
    root = math.sqrt(square.value)
    error = square.error / (2 * root) if root > 0 else 0.0
    return replace(square, value=root, low=math.sqrt(max(square.low, 0.0)), high=math.sqrt(square.high), error=error)


def mape(outcome: RegressionOutcome, days: Sequence[RegressionOutcome] = ()) -> Estimate:
    """Mean absolute error relative to |target|; as a share, not in percent. Huge where targets are 0."""
    return _mean(outcome, days, "percentage", "log")


def smape(outcome: RegressionOutcome, days: Sequence[RegressionOutcome] = ()) -> Estimate:
    """Mean of 2 |error| / (|target| + |prediction|), 0 where both are 0; from 0 to 2."""
    return _mean(outcome, days, "symmetric", "log")


def mean_error(outcome: RegressionOutcome, days: Sequence[RegressionOutcome] = ()) -> Estimate:
    """Mean of target minus prediction: above 0 the model says too little."""
    return _mean(outcome, days, "error", "plain")


def r2(outcome: RegressionOutcome, days: Sequence[RegressionOutcome] = ()) -> Estimate:
    """Share of the target's variance that the predictions explain; 0 for predicting the mean, negative if worse.

    NaN for fewer than two rows or a constant target.
    """
    sums = outcome.errors.gram[0]
    n, target, squared, target_squared = (
        sums[0],
        sums[_PLACE["target"]],
        sums[_PLACE["squared"]],
        sums[_PLACE["target_squared"]],
    )
    spread = float(target_squared - target * target / n) if n >= 2 else 0.0
    if spread <= 1e-12 * float(target_squared) or not math.isfinite(spread):
        return UNKNOWN
    ratio = float(squared) / spread
    gradient = np.zeros(len(sums))
    gradient[_PLACE["squared"]] = -1 / spread
    gradient[_PLACE["target_squared"]] = ratio / spread
    gradient[_PLACE["target"]] = -2 * ratio / spread * float(target / n)
    gradient[0] = ratio / spread * float(target / n) ** 2
    influence = math.sqrt(max(float(gradient @ outcome.errors.gram @ gradient), 0.0))
    # an error is in the target too, so where it does not hang on the prediction it counts (1 - ratio) times
    leaning = -_third_moment(outcome) * (max(1 - ratio, 0.0) / spread / influence) ** 3 if influence > 0 else 0.0
    return _estimate(outcome, days, 1 - ratio, gradient, "plain", leaning)


def _third_moment(outcome: RegressionOutcome) -> float:
    """Return the sum over rows of the third power of what a squared error exceeds their mean by, from the residuals' cells."""
    values, counts = outcome.residuals.values(), outcome.residuals.counts
    n = int(counts.sum())
    if n < _FEWEST_FOR_SKEWNESS:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        squares = values**2
        cubes = float((counts * (squares - float((counts * squares).sum()) / n) ** 3).sum())
    return cubes * n * n / ((n - 1) * (n - 2)) if math.isfinite(cubes) else 0.0


def _leaning(outcome: RegressionOutcome) -> float:
    """Return the skewness of the mean squared error."""
    n = outcome.errors.count
    sums = outcome.errors.gram[_PLACE["squared"]]
    spread = float(sums[_PLACE["squared"]]) - float(sums[0]) ** 2 / n if n else 0.0
    return _third_moment(outcome) / spread**1.5 if spread > 0 else 0.0


def _mean(
    outcome: RegressionOutcome, days: Sequence[RegressionOutcome], term: str, scale: Scale, skewness: float = 0.0
) -> Estimate:
    n = outcome.errors.count
    if n == 0:
        return UNKNOWN
    value = float(outcome.errors.gram[0, _PLACE[term]]) / n
    gradient = np.zeros(len(ERROR_TERMS) + 1)
    gradient[0], gradient[_PLACE[term]] = -value / n, 1 / n
    return _estimate(outcome, days, value, gradient, scale, skewness)


def _estimate(
    outcome: RegressionOutcome,
    days: Sequence[RegressionOutcome],
    value: float,
    gradient: Floats,
    scale: Scale,
    skewness: float = 0.0,
) -> Estimate:
    n = outcome.errors.count
    squares = float(gradient @ outcome.errors.gram @ gradient)
    blocks = [day.errors.gram[0] for day in days if day.errors.count]
    rows = Influence(squares * n / (n - 1), float(n - 1), skewness) if n > 1 else squares
    return smooth_estimate(value, gradient, rows, blocks, n, scale)
