"""How far the distribution of a column in one window is from that in another.

Distances of numbers come from the cells of the two histograms: they equal those of the raw values while both are exact,
else they are those of values moved by at most the width of a cell. Nulls, NaN and infinities have metrics of their own
(:mod:`watchkeeper.metrics.quality`) and take no part.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import chdtrc, kolmogorov

from watchkeeper.metrics.binning import Bins, Cells, common_bins, common_cells, pooled
from watchkeeper.metrics.quality import scale_of
from watchkeeper.profiles.column import Column
from watchkeeper.sketches.kernel import Floats

_SMOOTHING = 0.5


def psi(bins: Bins) -> float:
    """Population stability index over bins of the reference, each count raised by 1/2 so that empty bins stay finite.

    0 for equal shares; by custom .1 is a small and .25 a large change, whatever the number of rows.
    """
    p, q = _smoothed(bins)
    return float(((q - p) * np.log(q / p)).sum())


def jensen_shannon(bins: Bins, base: float = 2.0) -> float:
    """Jensen-Shannon distance: the root of the divergence, 0 for equal and (base 2) 1 for disjoint distributions.

    References
    ----------
    Lin, IEEE Transactions on Information Theory 37 (1991); Endres and Schindelin 2003 for the root being a metric.
    """
    return math.sqrt(max(jensen_shannon_divergence(bins), 0.0) / math.log(base))


def jensen_shannon_divergence(bins: Bins) -> float:
    """Return the Jensen-Shannon divergence in nats."""
    p, q = bins.shares
    middle = (p + q) / 2
    return float((_relative(p, middle) + _relative(q, middle)).sum() / 2)


def hellinger(bins: Bins) -> float:
    """Hellinger distance: 0 for equal, 1 for disjoint distributions."""
    p, q = bins.shares
    return math.sqrt(max(1 - float(np.sqrt(p * q).sum()), 0.0))


def l_infinity(bins: Bins) -> float:
    """The largest difference of a bin's shares, 0 to 1."""
    p, q = bins.shares
    return float(np.abs(p - q).max())


def chi2(bins: Bins) -> tuple[float, float]:
    """Pearson's statistic that both came from one distribution, and its p-value (bins - 1 degrees of freedom)."""
    expected = _expected(bins)
    observed = np.stack([bins.reference, bins.current]).astype(np.float64)
    used = expected[0] > 0
    statistic = float((((observed - expected) ** 2)[:, used] / expected[:, used]).sum())
    degrees = max(int(used.sum()) - 1, 0)
    return statistic, float(chdtrc(degrees, statistic)) if degrees else 1.0


def g_test(bins: Bins, design_effects: tuple[float, float] = (1.0, 1.0)) -> float:
    """Return the p-value of the likelihood-ratio test that both came from one distribution.

    Rare bins are pooled first. Counts are divided by their design effects, so that rows of one day, which repeat each
    other, do not count as so many (Rao and Scott 1981, first order).
    """
    joined = pooled(bins)
    observed = np.stack([joined.reference / design_effects[0], joined.current / design_effects[1]])
    rows, columns = observed.sum(axis=1, keepdims=True), observed.sum(axis=0, keepdims=True)
    expected = rows * columns / max(observed.sum(), 1e-300)
    statistic = 2 * float(_relative(observed, np.where(expected > 0, expected, 1.0)).sum())
    degrees = int((columns > 0).sum()) - 1
    return float(chdtrc(degrees, max(statistic, 0.0))) if degrees > 0 else 1.0


def kolmogorov_smirnov(cells: Cells) -> float:
    """The largest difference of the two distribution functions, 0 to 1."""
    first, second = _distributions(cells)
    return float(np.abs(first - second).max())


def kolmogorov_smirnov_p(statistic: float, n: float, m: float) -> float:
    """Return the asymptotic p-value of the Kolmogorov-Smirnov statistic for (effective) sizes n and m."""
    return float(kolmogorov(statistic * math.sqrt(n * m / (n + m))))


def wasserstein(cells: Cells) -> float:
    """The mean distance by which values must be moved to make one distribution the other, in the column's unit."""
    first, second = _distributions(cells)
    with np.errstate(over="ignore", invalid="ignore"):
        total = float((np.abs(first - second)[:-1] * np.diff(cells.values)).sum())
    return total if not math.isnan(total) else math.inf


def energy_distance(cells: Cells) -> float:
    """The root of twice the integrated squared difference of the distribution functions (Szekely and Rizzo 2013)."""
    first, second = _distributions(cells)
    with np.errstate(over="ignore", invalid="ignore"):
        total = float((((first - second) ** 2)[:-1] * np.diff(cells.values)).sum())
    return math.sqrt(2 * total) if not math.isnan(total) else math.inf


def cramer_von_mises(cells: Cells) -> float:
    """Anderson's two-sample statistic T: squared differences of the distribution functions, summed over all values.

    References
    ----------
    Anderson, Annals of Mathematical Statistics 33 (1962), 1148-1159.
    """
    first, second = _distributions(cells)
    n, m = float(cells.reference.sum()), float(cells.current.sum())
    both = cells.reference + cells.current
    return float((both * (first - second) ** 2).sum()) * n * m / (n + m) ** 2


def anderson_darling(cells: Cells) -> float:
    """The two-sample Anderson-Darling statistic, ties at their middle rank; under the null about 1 on average.

    References
    ----------
    Scholz and Stephens, JASA 82 (1987), equation 7.
    """
    ties = (cells.reference + cells.current).astype(np.float64)
    total = float(ties.sum())
    below = np.cumsum(ties) - ties / 2
    spread = below * (total - below) - total * ties / 4
    used = spread > 0
    statistic = 0.0
    for side in (cells.reference.astype(np.float64), cells.current.astype(np.float64)):
        n = side.sum()
        middle = np.cumsum(side) - side / 2
        inner = ties / total * (total * middle - below * n) ** 2 / np.where(used, spread, 1.0)
        statistic += float(inner[used].sum()) / n
    return statistic * (total - 1) / total


def column_distances(
    reference: Column, current: Column, bins: Bins | None = None, cells: Cells | None = None
) -> dict[str, float]:
    """Return every univariate distance that two columns have, by vocabulary name; empty where either side is empty.

    ``bins`` and ``cells`` are what :mod:`watchkeeper.metrics.binning` makes of the two, if known. ``wasserstein`` is in
    standard deviations of the reference, ``wasserstein_raw`` in the column's unit.
    """
    cells = cells or common_cells(reference, current)
    bins = bins or common_bins(reference, current, cells)
    if bins is None:
        return {}
    found = {
        "psi": psi(bins),
        "jensen_shannon": jensen_shannon(bins),
        "hellinger": hellinger(bins),
        "l_infinity": l_infinity(bins),
        "chi2": chi2(bins)[0],
    }
    if cells is not None:
        scale = scale_of(reference)
        raw = wasserstein(cells)
        found |= {
            "kolmogorov_smirnov": kolmogorov_smirnov(cells),
            "wasserstein": raw / scale,
            "wasserstein_raw": raw,
            "cramer_von_mises": cramer_von_mises(cells),
            "anderson_darling": anderson_darling(cells),
            "energy_distance": energy_distance(cells),
        }
    return found


def _distributions(cells: Cells) -> tuple[Floats, Floats]:
    first, second = np.cumsum(cells.reference), np.cumsum(cells.current)
    return first / first[-1], second / second[-1]


def _smoothed(bins: Bins) -> tuple[Floats, Floats]:
    raised = [side + _SMOOTHING for side in (bins.reference, bins.current)]
    return raised[0] / raised[0].sum(), raised[1] / raised[1].sum()


def _relative(p: Floats, q: Floats) -> Floats:
    """Return p ln(p / q) cell by cell, 0 where p is 0."""
    there = p > 0
    return np.where(there, p * np.log(np.where(there, p, 1.0) / np.where(there, q, 1.0)), 0.0)


def _expected(bins: Bins) -> Floats:
    observed = np.stack([bins.reference, bins.current]).astype(np.float64)
    expected: Floats = (
        observed.sum(axis=1, keepdims=True) * observed.sum(axis=0, keepdims=True) / max(float(observed.sum()), 1.0)
    )
    return expected
