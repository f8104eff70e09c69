"""Errors of a regression task, from the products that its outcome keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from watchkeeper.metrics.estimate import UNKNOWN, Estimate, Influence, Scale, smooth_estimate
from watchkeeper.profiles.outcome import ERROR_TERMS, ForecastOutcome, RegressionOutcome
from watchkeeper.sketches.kernel import Floats

_FEWEST_FOR_TAILS = 20
_FEWEST_DEGREES = 4.0
_PLACE = {name: place + 1 for place, name in enumerate(ERROR_TERMS)}


def mae(outcome: RegressionOutcome, days: Sequence[RegressionOutcome] = ()) -> Estimate:
    """Mean absolute error, in the target's unit."""
    return _mean(outcome, days, "absolute", "log")


def mse(outcome: RegressionOutcome, days: Sequence[RegressionOutcome] = ()) -> Estimate:
    """Mean squared error, in the square of the target's unit."""
    return _mean(outcome, days, "squared", "log", _tails(outcome))


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


def mase(outcome: RegressionOutcome, days: Sequence[RegressionOutcome] = ()) -> Estimate:
    """Mean absolute error relative to that of the naive forecast on the reference (forecasting): below 1 is better.

    References
    ----------
    Hyndman and Koehler, International Journal of Forecasting 22 (2006), 679-688.
    """
    scale = outcome.scale if isinstance(outcome, ForecastOutcome) else None
    found = mae(outcome, days)
    if not scale or not found.known:
        return UNKNOWN
    value, low, high, error = (part / scale for part in (found.value, found.low, found.high, found.error))
    return replace(found, value=value, low=low, high=high, error=error)


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
    tails = _tails(outcome)
    influence = math.sqrt(max(float(gradient @ outcome.errors.gram @ gradient), 0.0))
    # an error is in the target too, so where it does not hang on the prediction it counts (1 - ratio) times
    own = tails.sd * math.sqrt(n) * max(1 - ratio, 0.0) / spread / influence if influence > 0 else 0.0
    return _estimate(outcome, days, (1 - ratio, gradient), "plain", replace(tails, skewness=-tails.skewness * own**3))


@dataclass(frozen=True, slots=True)
class _Tails:
    """The standard deviation of squared errors, the skewness of their mean, and the degrees of freedom of their variance."""

    sd: float
    skewness: float
    degrees: float


def _tails(outcome: RegressionOutcome) -> _Tails:
    """Return what the cells of the residuals say of squared errors; few rows and no spread say nothing.

    A variance has 2 n / (kurtosis - 1) degrees of freedom (Satterthwaite 1946), far fewer than n - 1 where tails are fat.
    """
    values, counts = outcome.residuals.values(), outcome.residuals.counts
    n = int(counts.sum())
    largest = float(np.abs(values).max()) if n else 0.0
    nothing = _Tails(0.0, 0.0, max(outcome.errors.count - 1.0, 1.0))
    if n < _FEWEST_FOR_TAILS or not 0 < largest < math.inf:
        return nothing
    squares = (values / largest) ** 2
    centred = squares - float((counts * squares).sum()) / n
    moments = [float((counts * centred**power).sum()) / n for power in (2, 3, 4)]
    if moments[0] <= 0 or moments[0] ** 2 <= 0:
        return nothing
    skewness = moments[1] / moments[0] ** 1.5 * math.sqrt(n * (n - 1)) / (n - 2)
    excess = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (moments[2] / moments[0] ** 2 - 3) + 6)
    degrees = min(max(2 * n / max(excess + 2, 1e-9), _FEWEST_DEGREES), n - 1.0)
    sd = math.sqrt(moments[0]) * min(largest, 1e150) ** 2
    return _Tails(sd, skewness / math.sqrt(n), degrees)


def _mean(
    outcome: RegressionOutcome,
    days: Sequence[RegressionOutcome],
    term: str,
    scale: Scale,
    tails: _Tails | None = None,
) -> Estimate:
    n = outcome.errors.count
    if n == 0:
        return UNKNOWN
    value = float(outcome.errors.gram[0, _PLACE[term]]) / n
    gradient = np.zeros(len(ERROR_TERMS) + 1)
    gradient[0], gradient[_PLACE[term]] = -value / n, 1 / n
    return _estimate(outcome, days, (value, gradient), scale, tails)


def _estimate(
    outcome: RegressionOutcome,
    days: Sequence[RegressionOutcome],
    valued: tuple[float, Floats],
    scale: Scale,
    tails: _Tails | None = None,
) -> Estimate:
    n, (value, gradient) = outcome.errors.count, valued
    squares = float(gradient @ outcome.errors.gram @ gradient)
    blocks = [day.errors.gram[0] for day in days if day.errors.count]
    if n > 1 and tails is not None:
        rows: float | Influence = Influence(squares * n / (n - 1), tails.degrees, tails.skewness)
    else:
        rows = squares
    return smooth_estimate(value, gradient, rows, blocks, n, scale)
