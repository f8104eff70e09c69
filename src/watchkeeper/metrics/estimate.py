"""A number with its interval, and the ways intervals are made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from watchkeeper.sketches.kernel import Floats

CONFIDENCE = 0.95
Scale = Literal["plain", "logit", "log", "share"]
_FEWEST_BLOCKS = 5


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with a 95 % interval.

    Attributes
    ----------
    value, low, high
        NaN where not defined (no rows, one class only).
    n
        The rows it rests on: for precision the predicted positives, for recall the positives, and so on.
    error
        Standard error on the plain scale.
    degrees
        Degrees of freedom of the standard error: blocks - 1 where days were the unit of evidence, else rows - 1, and
        infinite for shares.
    resolution
        How far the value can be off because the profile is not exact; 0 where it is.
    design_effect
        How many times larger the variance is than for independent rows, because days differ.
    basis
        What the interval hangs on, where that is not ``n``: the smaller class of an area or of F1, say. See
        :mod:`watchkeeper.metrics.basis` for how much each metric needs.
    """

    value: float
    low: float
    high: float
    n: int
    error: float = math.nan
    degrees: float = math.inf
    resolution: float = 0.0
    design_effect: float = 1.0
    basis: int | None = None

    @property
    def rests_on(self) -> int:
        """What the interval hangs on: ``n`` unless ``basis`` says otherwise."""
        return self.n if self.basis is None else self.basis

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)


UNKNOWN = Estimate(math.nan, math.nan, math.nan, 0)


def wilson(share: float, n: float, degrees: float = math.inf) -> tuple[float, float]:
    """Return the 95 % interval of a share seen in ``n`` trials; ``n`` may be an effective, fractional number.

    References
    ----------
    Wilson, JASA 22 (1927), 209-212.

    Examples
    --------
    >>> tuple(round(x, 4) for x in wilson(0.9, 100))
    (0.8256, 0.9448)
    """
    if n <= 0 or math.isnan(share):
        return math.nan, math.nan
    z = critical(degrees)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(max(share * (1 - share) / n + z * z / (4 * n * n), 0.0))
    return min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share)


def share_estimate(count: int, n: int, design_effect: float = 1.0) -> Estimate:
    """Return a share with its Wilson interval.

    The standard error is that of the share with one success and one failure added (Agresti and Caffo 2000), so that a
    share of 0 is not taken for certain. ``design_effect`` says how many rows count as one.
    """
    if n == 0:
        return UNKNOWN
    share, effective = count / n, n / design_effect
    low, high = wilson(share, effective)
    return Estimate(share, low, high, n, _least_error(share, effective))


def critical(degrees: float) -> float:
    """Return the two-sided 5 % point of Student's t; of the normal distribution for infinite degrees."""
    tail = 1 - (1 - CONFIDENCE) / 2
    return float(ndtri(tail)) if math.isinf(degrees) else float(stdtrit(degrees, tail))


def two_sided(z: float, degrees: float = math.inf) -> float:
    """Return the two-sided p-value of a standardised difference."""
    if math.isnan(z):
        return math.nan
    return float(2 * (ndtr(-abs(z)) if math.isinf(degrees) else stdtr(degrees, -abs(z))))


@dataclass(frozen=True, slots=True)
class Influence:
    """What is known of how rows, taken as independent, make a value vary.

    Attributes
    ----------
    variance
        Of the value: for a sum over rows, that of the squared influences, times n / (n - 1).
    degrees
        Degrees of freedom of the variance.
    skewness
        Of the value, so that of one row's influence over the root of n. Where it is not 0 the interval is Hall's.
    """

    variance: float
    degrees: float
    skewness: float = 0.0


def smooth_estimate(
    value: float, gradient: Floats, rows: float | Influence, blocks: Sequence[Floats], n: int, scale: Scale = "plain"
) -> Estimate:
    """Return the estimate of a smooth function of sums (the delta method, in its influence form).

    Parameters
    ----------
    value
        The function at the whole's sums.
    gradient
        Its derivative by each sum, shape (k,). The function must not change when all sums are multiplied alike, so a
        row's influence is the gradient times what the row adds.
    rows
        What the rows say were they independent: the sum of their squared influences, or more than that.
    blocks
        The sums of each block (day), each of shape (k,). With five or more, blocks are the unit of evidence: the sum of
        squared influences of blocks is used where it is larger. Rows of one day share weather, traffic and bugs.
    n
        The rows that the value rests on.
    scale
        Where the interval is symmetric: ``logit`` and ``share`` (Wilson) for values in 0 to 1, ``log`` above 0.

    References
    ----------
    Huber 1967 and Liang and Zeger 1986 for the sandwich over blocks; DeLong 1988 is the case of the AUC.
    """
    if math.isnan(value) or n == 0:
        return UNKNOWN
    if n < 2 and scale != "share":
        return Estimate(value, *interval(value, math.nan, n, scale), n)
    if not isinstance(rows, Influence):
        # shares have Wilson's interval, which needs no estimate of the variance
        rows = Influence(rows, math.inf) if scale == "share" else Influence(rows * n / (n - 1), float(n - 1))
    variance, degrees, effect, skewness = max(rows.variance, 0.0), rows.degrees, 1.0, rows.skewness
    if len(blocks) >= _FEWEST_BLOCKS:
        influence = np.array([gradient @ block for block in blocks])
        between = len(blocks) / (len(blocks) - 1) * float(influence @ influence)
        if between > variance:
            effect = between / variance if variance > 0 else 1.0
            variance, degrees, skewness = between, float(len(blocks) - 1), 0.0
    error = math.sqrt(variance)
    low, high = skewed(value, error, skewness, degrees) if skewness else interval(value, error, n, scale, degrees)
    if scale in {"share", "logit"}:
        error = max(error, _least_error(value, n))
    return Estimate(value, low, high, n, error, degrees, 0.0, effect)


def _least_error(value: float, n: float) -> float:
    """Return the standard error of a share with one success and one failure added: 3 right of 3 is not certain."""
    raised = (value * n + 1) / (n + 2)
    return math.sqrt(max(raised * (1 - raised), 0.0) / (n + 2))


def widened(estimate: Estimate, design_effect: float) -> Estimate:
    """Return an estimate of a part of the rows as wide as the whole's design effect makes it.

    Where days differ, they differ for a segment too, whose rows were taken as independent.
    """
    if not estimate.known or design_effect <= 1:
        return estimate
    factor = math.sqrt(design_effect)
    low = estimate.value - factor * (estimate.value - estimate.low)
    high = estimate.value + factor * (estimate.high - estimate.value)
    if estimate.low >= 0 and estimate.high <= 1 and 0 <= estimate.value <= 1:
        low, high = max(low, 0.0), min(high, 1.0)
    return replace(estimate, low=low, high=high, error=estimate.error * factor, design_effect=design_effect)


def interval(value: float, error: float, n: int, scale: Scale, degrees: float = math.inf) -> tuple[float, float]:
    """Return the 95 % interval of a value with a standard error, symmetric on ``scale``."""
    if math.isnan(error):
        return (0.0, 1.0) if scale in {"share", "logit"} else (0.0 if scale == "log" else -math.inf, math.inf)
    z = critical(degrees)
    if scale in {"share", "logit"} and not 0 < value < 1:
        return wilson(min(max(value, 0.0), 1.0), n, degrees)
    if scale == "share":
        return wilson(value, value * (1 - value) / error**2 if error > 0 else n, degrees)
    if scale == "logit":
        centre, half = math.log(value / (1 - value)), z * error / (value * (1 - value))
        return _expit(centre - half), _expit(centre + half)
    if scale == "log" and value > 0:
        return value * math.exp(-min(z * error / value, 700)), value * math.exp(min(z * error / value, 700))
    return value - z * error, value + z * error


def skewed(value: float, error: float, skewness: float, degrees: float) -> tuple[float, float]:
    """Return the 95 % interval of a mean whose distribution leans: Student's, with the skewness transformed away.

    ``skewness`` is that of the mean. Of squared errors with fat tails a small sample mostly shows too few large ones, so the
    limits have to lie further out on that side.

    References
    ----------
    Hall, Journal of the Royal Statistical Society B 54 (1992), 221-228.
    """
    z = critical(degrees)

    def back(y: float) -> float:
        return float(np.cbrt(1 + skewness * (y - skewness / 6)) - 1) * 3 / skewness

    return value - error * back(z), value - error * back(-z)


@dataclass(frozen=True, slots=True)
class Difference:
    """Current minus reference, with a 95 % interval, p-value of no difference, and standard error."""

    value: float
    low: float
    high: float
    p_value: float
    error: float
    degrees: float


def difference(current: Estimate, reference: Estimate) -> Difference:
    """Return the difference of two independent estimates.

    The interval is made from the two intervals (MOVER: Zou and Donner 2008; for shares it is Newcombe's method 10), the
    p-value from the standard errors with Welch's degrees of freedom.
    """
    if not (current.known and reference.known):
        return Difference(*[math.nan] * 6)
    value = current.value - reference.value
    low = value - math.hypot(current.value - current.low, reference.high - reference.value)
    high = value + math.hypot(current.high - current.value, reference.value - reference.low)
    error = math.hypot(current.error, reference.error)
    degrees = _welch(current, reference)
    if error == 0:  # both at 0 or 1: the intervals still say something
        error = (high - low) / (2 * critical(degrees))
    if not math.isfinite(error):
        return Difference(value, low, high, math.nan, error, degrees)
    z = value / error if error > 0 else (0.0 if value == 0 else math.inf)
    return Difference(value, low, high, two_sided(z, degrees), error, degrees)


def _welch(first: Estimate, second: Estimate) -> float:
    below = sum(e.error**4 / e.degrees for e in (first, second) if not math.isinf(e.degrees))
    return (first.error**2 + second.error**2) ** 2 / below if below > 0 else math.inf


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(max(x, -700)) / (1 + math.exp(max(x, -700)))
