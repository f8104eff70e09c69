"""Change in what columns do together: their correlations, what a few directions of them explain, and all of it (MMD)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtr

from watchkeeper.metrics.bridges import Squares
from watchkeeper.metrics.roots import middle_ranks
from watchkeeper.metrics.row_matrix import Rows
from watchkeeper.sketches.kernel import Floats, Int64s

_FEWEST = 30
_LEVELS = 12
_EXPLAINED = 0.65
FEATURES = 128
PERMUTATIONS = 4_999
_PAIRS = 5
_CLIP = 8.0


@dataclass(frozen=True, slots=True)
class Joint:
    """A multivariate distance as evidence: its value, the effect with its 95 % interval, standard error and p-value."""

    value: float
    effect: float
    low: float
    high: float
    error: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Pair:
    """How a rank correlation changed."""

    names: tuple[str, str]
    before: float
    after: float
    error: float
    p_value: float


def standardised(reference: Rows, current: Rows) -> tuple[Floats, Floats]:
    """Return both as numbers without gaps, shapes (n, k) and (m, k), in robust standard deviations of the reference.

    Missing numbers become the reference's median, categories a column for each of the twelve most frequent (with variance at
    most 1). Beyond eight standard deviations values are cut: one absurd value should not be all there is to see.
    """
    columns: list[list[Floats]] = [[], []]
    for k, categorical in enumerate(reference.categorical):
        sides = reference.values[:, k], current.values[:, k]
        if categorical:
            for level in range(min(_LEVELS, int(np.nanmax(sides[0], initial=-1.0)) + 1)):
                share = float((sides[0] == level).mean())
                scale = math.sqrt(max(share * (1 - share), 0.01)) * math.sqrt(_LEVELS)
                for made, side in zip(columns, sides, strict=True):
                    made.append(((side == level) - share) / scale)
            continue
        known = sides[0][~np.isnan(sides[0])]
        if len(known) == 0:
            continue
        middle = float(np.median(known))
        spread = float(np.quantile(known, 0.9) - np.quantile(known, 0.1)) / 2.563 or float(known.std()) or 1.0
        for made, side in zip(columns, sides, strict=True):
            made.append(np.clip((np.where(np.isnan(side), middle, side) - middle) / spread, -_CLIP, _CLIP))
    first, second = (
        np.column_stack(c) if c else np.empty((len(r), 0)) for c, r in zip(columns, (reference, current), strict=True)
    )
    return first, second


def reconstruction_error(reference: Rows, current: Rows) -> Joint | None:
    """Return how much worse the main directions of the reference explain current rows; None with too few rows or columns.

    Principal components that hold 65 % of the variance of one half of the reference's blocks score the rows of the other half
    and those of the current side, and the other way round. The value is the mean error of current rows in standard deviations
    of the reference's, which have mean 0. Sees changes in how columns go together that leave each by itself as it was.

    References
    ----------
    Jolliffe, Principal Component Analysis (2002), 10.1; Qahtan et al., KDD 2015, for drift.
    """
    first, second = standardised(reference, current)
    if first.shape[1] < 2 or min(reference.block_count, current.block_count) < 10:
        return None
    half = np.random.default_rng(0).permutation(reference.block_count)[reference.blocks] % 2
    own, other = np.empty(len(first)), np.zeros(len(second))
    for side in (0, 1):
        away = _Directions.of(first[half != side])
        own[half == side] = away.errors(first[half == side])
        other += away.errors(second) / 2
    spread = float(own.std()) or 1.0
    value = float(other.mean() - own.mean()) / spread
    error = math.sqrt(_variance(own, reference.blocks) + _variance(other, current.blocks)) / spread
    degrees = max(min(reference.block_count, current.block_count) - 1, 1)
    p_value = 2 * float(stdtr(degrees, -abs(value) / error)) if error > 0 else float(value == 0)
    half_width = float(ndtri(0.975)) * error
    effect = abs(value)
    return Joint(value, effect, max(effect - half_width, 0.0), effect + half_width, error, p_value)


@dataclass(frozen=True, slots=True)
class _Directions:
    middle: Floats
    vectors: Floats

    @classmethod
    def of(cls, values: Floats) -> _Directions:
        middle = values.mean(axis=0)
        variances, vectors = np.linalg.eigh(np.cov(values - middle, rowvar=False))
        order = np.argsort(-variances)
        held = np.cumsum(variances[order]) / max(float(variances.sum()), 1e-300)
        count = min(int(np.searchsorted(held, _EXPLAINED)) + 1, values.shape[1] - 1)
        return cls(middle, vectors[:, order[:count]])

    def errors(self, values: Floats) -> Floats:
        apart = values - self.middle
        left = apart - apart @ self.vectors @ self.vectors.T
        found: Floats = np.sqrt((left**2).sum(axis=1))
        return found


def correlation_changes(reference: Rows, current: Rows) -> list[Pair]:
    """Return every pair of numeric columns with its rank correlation on both sides, the most certain change first.

    Ranks are taken within each side, so that moves of single columns do not count. The standard error is that of the influence
    of each row (block), which holds for any joint distribution; the p-value is of one pair, two-sided.

    References
    ----------
    Croux and Dehon, Statistical Methods and Applications 19 (2010), for the influence of a row.
    """
    use = [k for k, categorical in enumerate(reference.categorical) if not categorical]
    pairs = []
    for place, i in enumerate(use):
        for j in use[place + 1 :]:
            sides = [_correlation(rows.values[:, [i, j]], rows.blocks) for rows in (reference, current)]
            if any(found is None for found in sides):
                continue
            (a, first), (b, second) = sides  # type: ignore[misc]
            error = math.sqrt(first + second)
            degrees = max(min(reference.block_count, current.block_count) - 1, 1)
            p_value = 2 * float(stdtr(degrees, -abs(b - a) / error)) if error > 0 else 1.0
            pairs.append(Pair((reference.names[i], reference.names[j]), a, b, error, p_value))
    return sorted(pairs, key=lambda pair: (pair.p_value, -abs(pair.after - pair.before)))


def _correlation(values: Floats, blocks: Int64s) -> tuple[float, float] | None:
    """Return the rank correlation of two columns with its variance; None for too few rows or a constant column."""
    there = ~np.isnan(values).any(axis=1)
    if there.sum() < _FEWEST:
        return None
    u, v = (middle_ranks(values[there, k]) for k in (0, 1))
    u, v = u - u.mean(), v - v.mean()
    if u.std() == 0 or v.std() == 0:
        return None
    u, v = u / u.std(), v / v.std()
    r = float((u * v).mean())
    return r, _variance(u * v - r * (u * u + v * v) / 2, blocks[there])


def _variance(parts: Floats, blocks: Int64s) -> float:
    """Return the variance of the mean of parts whose blocks are independent of each other."""
    places = np.unique(blocks, return_inverse=True)[1]
    sums = np.bincount(places, parts - parts.mean())
    return float((sums**2).sum()) / len(parts) ** 2 * (len(sums) / max(len(sums) - 1, 1))


def mmd(reference: Rows, current: Rows) -> Joint | None:
    """Return the maximum mean discrepancy of the two under a Gaussian kernel, from 128 random Fourier features.

    The value is MMD, 0 for equal distributions and at most root 2; the effect is what it exceeds chance by. With independent
    rows the null is the weighted chi-squared one of the features' covariance; with days as blocks, days change sides 4,999
    times. None with too few rows.

    References
    ----------
    Gretton et al., JMLR 13 (2012), for MMD, its null and the median bandwidth; Rahimi and Recht, NIPS 2007, for the features.
    """
    first, second = standardised(reference, current)
    if first.shape[1] == 0 or min(reference.block_count, current.block_count) < 10:
        return None
    rng = np.random.default_rng(0)
    some = first[rng.integers(0, len(first), (2, 500))]
    width = float(np.median(np.sqrt(((some[0] - some[1]) ** 2).sum(axis=1)))) or 1.0
    waves = rng.standard_normal((first.shape[1], FEATURES)) / width
    a, b = (
        np.concatenate([np.cos(x @ waves), np.sin(x @ waves)], axis=1) / math.sqrt(FEATURES) for x in (first, second)
    )
    squared = float(((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum())
    if reference.by_day:
        p_value, chance = _exchanged(a, b, reference.blocks, current.blocks)
    else:
        noise = 1 / len(a) + 1 / len(b)
        within = (np.cov(a, rowvar=False) * len(a) + np.cov(b, rowvar=False) * len(b)) / (len(a) + len(b)) * noise
        null = Squares(np.clip(np.linalg.eigvalsh(within), 0.0, None))
        p_value, chance = null.survival(squared), float(null.weights.sum())
    error = math.sqrt(chance)
    effect = math.sqrt(max(squared - chance, 0.0))
    return Joint(math.sqrt(squared), effect, max(effect - 2 * error, 0.0), effect + 2 * error, error, p_value)


def _exchanged(a: Floats, b: Floats, first: Int64s, second: Int64s) -> tuple[float, float]:
    """Return the p-value and the mean of the squared distance when days change sides."""
    rng = np.random.default_rng(1)
    count = int(first.max()) + 1
    days = np.concatenate([first, second + count])
    places = np.unique(days, return_inverse=True)[1]
    together = np.concatenate([a, b])
    order = np.argsort(places, kind="stable")
    starts = np.flatnonzero(np.diff(places[order], prepend=-1))
    sums, sizes = np.add.reduceat(together[order], starts), np.bincount(places).astype(np.float64)
    mine = len(np.unique(first))
    picks = np.zeros((PERMUTATIONS + 1, len(sizes)))
    picks[0, :mine] = 1.0
    for row in range(1, PERMUTATIONS + 1):
        picks[row, rng.permutation(len(sizes))[:mine]] = 1.0
    whole, total = sums.sum(axis=0), sizes.sum()
    weight = picks @ sizes
    apart = (picks @ sums) / weight[:, None] - (whole - picks @ sums) / (total - weight)[:, None]
    found = (apart**2).sum(axis=1)
    return float((found >= found[0] * (1 - 1e-12)).mean()), float(found[1:].mean())
