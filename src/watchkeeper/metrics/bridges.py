"""The chance of weighted squares of a Brownian bridge: the null of every distance that integrates squared gaps of two ECDFs.

Cramér-von Mises, Anderson-Darling and the energy distance are all ``d' M d`` of the differences d of shares of cells. Where
nothing changed, d is normal with the covariance of multinomial shares times ``1/n + 1/m``, so the statistic over
``1/n + 1/m`` is a sum of independent squared normals with the eigenvalues of one small matrix as weights. Ties need no
special case: they are cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from watchkeeper.metrics.binning import Cells
from watchkeeper.metrics.roots import root
from watchkeeper.sketches.kernel import Floats

_GROUPS = 50
"""So many cells at most enter the matrix; finer ones are joined where they contribute least."""


@dataclass(frozen=True, slots=True)
class Squares:
    """A sum of independent squared standard normals with ``weights``, shape (k,): its mean is their sum."""

    weights: Floats

    def survival(self, value: float) -> float:
        """Return the chance of at least ``value``, by the saddlepoint of Lugannani and Rice.

        Within a few hundredths of the true chance, relatively, far into the tail, where moments fail.

        References
        ----------
        Kuonen, Biometrika 86 (1999), 929-935.

        Examples
        --------
        >>> round(Squares(np.array([1.0])).survival(3.841), 3), round(Squares(np.ones(10)).survival(18.307), 3)
        (0.05, 0.05)
        """
        weights = self.weights[self.weights > 0]
        if len(weights) == 0 or math.isnan(value):
            return math.nan if math.isnan(value) else float(value <= 0)
        if value <= 0:
            return 1.0
        scale = float(weights.max())
        weights, value = weights / scale, value / scale
        if len(weights) == 1:
            return float(2 * ndtr(-math.sqrt(value)))
        return _lugannani_rice(weights, value)

    def quantile(self, chance: float) -> float:
        """Return the value that is reached with this chance, 0 < chance < 1."""
        mean, spread = float(self.weights.sum()), float(np.sqrt(2 * (self.weights**2).sum()))
        if mean == 0:
            return 0.0
        high = mean + spread
        while self.survival(high) > chance:
            high += high
        return root(lambda v: self.survival(v) - chance, 0.0, high, 1e-9 * high)

    def seen_at(self, alpha: float, power: float) -> float:
        """Return the squared distance that a test at ``alpha`` finds with a chance of ``power``, in the worst direction."""
        largest = float(self.weights.max(initial=0.0))
        reach = float(ndtri(power)) * math.sqrt(largest)
        return (reach + math.sqrt(max(reach**2 + self.quantile(alpha) - float(self.weights.sum()), 0.0))) ** 2


def _lugannani_rice(weights: Floats, value: float) -> float:
    """Return the tail of a sum of squares whose largest weight is 1."""
    mean, variance = float(weights.sum()), 2 * float((weights**2).sum())
    if abs(value - mean) < 1e-4 * math.sqrt(variance):  # the formula is 0/0 at the mean; its limit there
        third = 8 * float((weights**3).sum()) / math.pow(variance, 1.5)
        return 0.5 - third / (6 * math.sqrt(2 * math.pi))

    def slope(t: float) -> float:
        return float((weights / (1 - 2 * t * weights)).sum()) - value

    low, high = -len(weights) / (2 * value) - 1.0, 0.5 - 0.25 / (value + 1.0)
    t = root(slope, low, high, 1e-14)
    room = 1 - 2 * t * weights
    w = math.copysign(math.sqrt(max(2 * (t * value + 0.5 * float(np.log(room).sum())), 0.0)), t)
    u = t * math.sqrt(2 * float(((weights / room) ** 2).sum()))
    return float(np.clip(ndtr(-(w + math.log(u / w) / w)), 0.0, 1.0))  # Barndorff-Nielsen's form: never below 0


@dataclass(frozen=True, slots=True)
class Gaps:
    """What a distance integrates: differences of distribution functions at places, with weights.

    Attributes
    ----------
    squared
        The weighted sum of squared differences as it was found.
    null
        What it is of by chance, when divided by ``1/n + 1/m``.
    absolute
        Mean and variance of the weighted sum of absolute differences by chance, divided likewise (by the root).
    """

    squared: float
    null: Squares
    absolute: tuple[float, float]

    def p_value(self, n: float, m: float) -> float:
        """Return the chance of as much for effective sizes n and m."""
        return self.null.survival(self.squared / (1 / n + 1 / m))

    def absolute_p(self, total: float, n: float, m: float) -> float:
        """Return the chance that the sum of absolute differences is at least ``total``.

        As if inverse Gaussian with the mean and variance that it has, which is within a tenth of the true chance down to .01
        and then an upper limit; a single place is normal.
        """
        mean, variance = self.absolute
        value = total / math.sqrt(1 / n + 1 / m)
        if len(self.null.weights) < 2 or variance <= 0:
            return float(2 * ndtr(-value / mean * math.sqrt(2 / math.pi))) if mean > 0 else float(total <= 0)
        return _inverse_gaussian(value, mean, mean**3 / variance) if value > 0 else 1.0


def _inverse_gaussian(value: float, mean: float, shape: float) -> float:
    """Return the chance that an inverse Gaussian exceeds a value (Chhikara and Folks 1989, 2.7)."""
    root = math.sqrt(shape / value)
    beyond = math.exp(2 * shape / mean + float(log_ndtr(-root * (value / mean + 1))))
    return max(float(ndtr(-root * (value / mean - 1))) - beyond, 0.0)


def bridge(cells: Cells, weights: Floats, *, middle: bool = False) -> Gaps:
    """Return the weighted squared gaps of two samples over common cells, with their null.

    Parameters
    ----------
    cells
        Counts of both over common cells, shape (k,).
    weights
        Of each cell, shape (k,), such as the share of rows (Cramér-von Mises) or the step to the next value (energy).
    middle
        Take distribution functions at the middle of each cell's rows, as Anderson-Darling does with ties.
    """
    counts = np.stack([cells.reference, cells.current]).astype(np.float64)
    shares = counts / counts.sum(axis=1, keepdims=True)
    mass = counts.sum(axis=0) / counts.sum()
    half = 0.5 if middle else 0.0
    gap = np.cumsum(shares[0] - shares[1]) - half * (shares[0] - shares[1])
    place = np.cumsum(mass) - half * mass
    own = np.maximum(place * (1 - place) - half * half * mass, 0.0)
    squared = float((weights * gap**2).sum())
    place, own, weights = _joined(place, own, weights)
    together = np.minimum.outer(place, place) - np.outer(place, place)
    np.fill_diagonal(together, own)
    root = np.sqrt(weights)
    values = np.linalg.eigvalsh(root[:, None] * together * root[None, :])
    return Gaps(squared, Squares(np.clip(values, 0.0, None)), _absolute_moments(together, weights))


def _joined(place: Floats, own: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Return at most 50 places with weights that keep the expected value: neighbours share a place that one of them has."""
    use = (own > 0) & (weights > 0)
    place, own, weights = place[use], own[use], weights[use]
    if len(place) <= _GROUPS:
        return place, own, weights
    part = weights * own
    group = np.minimum((np.cumsum(part) - part / 2) / part.sum() * _GROUPS, _GROUPS - 1).astype(np.int64)
    group = np.unique(group, return_inverse=True)[1]
    whole = np.bincount(group, part)
    inner = np.bincount(group, part * place) / whole
    spread = inner * (1 - inner)
    return inner, spread, whole / spread


def _absolute_moments(together: Floats, weights: Floats) -> tuple[float, float]:
    """Return mean and variance of the weighted sum of absolute values of normals with this covariance."""
    sd = np.sqrt(np.diag(together))
    outer = np.outer(sd, sd)
    r = np.clip(together / np.where(outer > 0, outer, 1.0), -1.0, 1.0)
    products = 2 / math.pi * outer * (np.sqrt(1 - r * r) + r * np.arcsin(r))
    mean = math.sqrt(2 / math.pi) * float((weights * sd).sum())
    return mean, max(float(weights @ products @ weights) - mean**2, 0.0)
