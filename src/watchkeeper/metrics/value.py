"""What a classifier is worth: the value of each threshold when right and wrong decisions have a price."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from watchkeeper.errors import InputError
from watchkeeper.metrics.curves import Counts, Curve, score_counts
from watchkeeper.metrics.estimate import CONFIDENCE, Estimate, critical
from watchkeeper.profiles.profile import Profile
from watchkeeper.sketches.kernel import Floats

_FEWEST_BLOCKS = 5
_DRAWS = 400


@dataclass(frozen=True, slots=True)
class Prices:
    """What one row is worth by what was decided and what came true, in any unit; a cost is negative.

    It is the cost matrix ``[[true_negative, false_positive], [false_negative, true_positive]]``.
    """

    true_positive: float = 0.0
    false_positive: float = 0.0
    false_negative: float = 0.0
    true_negative: float = 0.0

    def __post_init__(self) -> None:
        given = [self.true_positive, self.false_positive, self.false_negative, self.true_negative]
        if not all(map(math.isfinite, given)) or not any(given):
            raise InputError(f"Prices are finite numbers, one of them not 0, in the unit of your money; not {given}.")


@dataclass(frozen=True, slots=True)
class ValueCurve(Curve):
    """Mean value per row of each threshold, with pointwise limits.

    Attributes
    ----------
    threshold, value, low, high
        Shape (k,), thresholds falling from infinity, which selects nothing, to the least score, which selects all.
    best_threshold, best_value
        The threshold with the highest value in these rows, and that value. It was chosen on the same rows, so it
        flatters itself a little; ``best_low`` and ``best_high`` bound the thresholds that the rows cannot tell from it.
    nothing, everything
        The value per row of selecting no row, and of selecting all.
    """

    threshold: Floats
    value: Floats
    low: Floats
    high: Floats
    best_threshold: float
    best_low: float
    best_high: float
    best_value: Estimate
    nothing: float
    everything: float
    n: int
    resolution: float

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as plain values."""
        best = self.best_value
        return super(ValueCurve, self).to_dict() | {
            "best_value": {"value": best.value, "low": best.low, "high": best.high, "n": best.n}
        }


def value_curve(profile: Profile, prices: Prices | dict[str, float], positive: str | None = None) -> ValueCurve:
    """Return the business value of each threshold.

    Parameters
    ----------
    profile
        Of a binary or multiclass task with scores and labels.
    prices
        What one row is worth by decision and truth, as :class:`Prices` or a mapping with its names: for example
        ``{"true_positive": 100, "false_positive": -5}``. What is not named is worth 0.
    positive
        The class, against all others; needed for multiclass.

    Raises
    ------
    InputError
        The prices are no numbers, or the profile has no scores with labels of both kinds.

    Notes
    -----
    The thresholds from ``best_low`` to ``best_high`` span those whose value lies no further below the best than chance
    explains: a threshold is left out where the difference exceeds its standard error by a factor that holds for all
    thresholds at once (400 draws of a Gaussian multiplier bootstrap with a fixed seed). Over days, where there are five.
    """
    given = prices if isinstance(prices, Prices) else _prices(prices)
    counts = score_counts(profile, positive)
    hit = given.true_positive - given.false_negative
    false = given.false_positive - given.true_negative
    base = (counts.positives * given.false_negative + counts.negatives * given.true_negative) / counts.n
    value = base + (hit * counts.hits + false * counts.false) / counts.n
    noise = noise_of(counts, given, value)
    error = np.sqrt((noise**2).sum(axis=0))
    degrees = len(noise) - 1.0 if _by_days(counts) else math.inf
    z = critical(degrees)
    low, high = value - z * error, value + z * error
    best = int(np.argmax(value))
    at_best = float(value[best]), float(low[best]), float(high[best])
    alike = alike_to(value, noise, best)
    return ValueCurve(
        threshold=counts.threshold,
        value=value,
        low=low,
        high=high,
        best_threshold=float(counts.threshold[best]),
        best_low=float(counts.threshold[alike].min()),
        best_high=float(counts.threshold[alike].max()),
        best_value=Estimate(*at_best, counts.n, float(error[best]), degrees),
        nothing=float(value[0]),
        everything=float(value[-1]),
        n=counts.n,
        resolution=counts.resolution,
    )


def _prices(given: dict[str, float]) -> Prices:
    try:
        return Prices(**given)
    except TypeError as error:
        names = "true_positive, false_positive, false_negative, true_negative"
        raise InputError(f"Prices are a mapping to numbers with the names {names}; not {given!r}.") from error


def _by_days(counts: Counts) -> bool:
    return len(counts.days) >= _FEWEST_BLOCKS


def noise_of(counts: Counts, prices: Prices, value: Floats) -> Floats:
    """Return independent parts of the error of each threshold's value, shape (parts, k): their squares sum to its variance.

    A part is the positives or negatives of one cell of scores, whose rows are all worth the same; or a day, where there
    are five, scaled so that the variance is never below that of independent rows.
    """
    hit = prices.true_positive - prices.false_negative
    false = prices.false_positive - prices.true_negative
    selected = np.triu(np.ones((len(value) - 1, len(value))), 1)  # cell c is selected from point c + 1 on
    ones = prices.false_negative + hit * selected - value
    zeros = prices.true_negative + false * selected - value
    roots = np.sqrt(np.diff(counts.hits))[:, None], np.sqrt(np.diff(counts.false))[:, None]
    alone = np.concatenate([roots[0] * ones, roots[1] * zeros]) / math.sqrt(counts.n * max(counts.n - 1, 1))
    if not _by_days(counts):
        return alone
    parts = []
    for hits, misses in counts.days:
        worth = hits[-1] * prices.false_negative + misses[-1] * prices.true_negative + hit * hits + false * misses
        parts.append((worth - (hits[-1] + misses[-1]) * value) / counts.n)
    days = np.array(parts) * math.sqrt(len(parts) / (len(parts) - 1))
    least, found = (alone**2).sum(axis=0), (days**2).sum(axis=0)
    scaled: Floats = days * np.sqrt(np.maximum(least / np.where(found > 0, found, 1.0), 1.0))
    return scaled


def alike_to(value: Floats, noise: Floats, best: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which thresholds are not told from the best one."""
    apart = noise - noise[:, best : best + 1]
    error = np.sqrt((apart**2).sum(axis=0))
    draws = np.random.default_rng(0).standard_normal((_DRAWS, len(noise))) @ apart
    most = np.max(np.abs(draws) / np.where(error > 0, error, np.inf), axis=1)
    factor = float(np.quantile(most, CONFIDENCE))
    alike: np.ndarray[Any, np.dtype[np.bool_]] = value >= value[best] - factor * error
    return alike
