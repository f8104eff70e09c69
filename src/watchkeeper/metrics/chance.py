"""What each distance would be by chance: its p-value where nothing changed, and the smallest effect that would have shown."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, chdtri, chndtrinc, kolmogi, ndtr, ndtri

from watchkeeper.metrics import drift
from watchkeeper.metrics.binning import Bins, Cells, pooled
from watchkeeper.metrics.bridges import Gaps, bridge
from watchkeeper.sketches.kernel import Floats

POWER = 0.8
"""The chance with which the detectable effect would have been seen."""


@dataclass(frozen=True, slots=True)
class Chance:
    """A distance as evidence.

    Attributes
    ----------
    p_value
        The chance of a distance at least as large where nothing changed.
    detectable
        The distance at which a test at alpha finds a change with 80 % power, in the unit of the distance.
    """

    p_value: float
    detectable: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many independent rows both sides are worth."""

    reference: float
    current: float

    @property
    def noise(self) -> float:
        """1/n + 1/m: the variance of a difference of shares, in units of share x (1 - share)."""
        return 1 / self.reference + 1 / self.current


def chances(
    bins: Bins, cells: Cells | None, sizes: Sizes, alpha: float = 0.05, scale: float = 1.0
) -> dict[str, Chance]:
    """Return every distance of :func:`~watchkeeper.metrics.drift.column_distances` as evidence, by name.

    Over bins, rare ones pooled, by their chi-squared nulls: the population stability index is ``(1/n + 1/m)`` times a
    chi-squared variable with one degree of freedom less than bins, the Jensen-Shannon divergence (nats) and the squared
    Hellinger distance an eighth of that. The largest difference of a share by the sum over bins (an upper limit). Over cells
    Kolmogorov-Smirnov by its asymptotic null (an upper limit with ties), the squared distances by that of a Brownian bridge,
    ties included (:mod:`.bridges`), Wasserstein by its first two moments.

    Parameters
    ----------
    sizes
        Effective sizes: fewer than rows where those of one day repeat each other.
    alpha
        At which the detectable effects are told.
    scale
        What the Wasserstein distance is divided by: the standard deviation of the reference.
    """
    found = _of_bins(pooled(bins), sizes, alpha)
    if cells is not None:
        found |= _of_cells(cells, sizes, alpha, scale)
    return found


def relevant_difference(distance: float, floor: float, sizes: Sizes) -> float:
    """Return the p-value of "the distribution functions differ by at most ``floor``": for samples so large that all differ.

    The Dvoretzky-Kiefer-Wolfowitz inequality in the form of Massart on either side, so that ``p <= a`` just where
    ``distance - floor > sqrt(ln(2/a) / 2) (1/sqrt(n) + 1/sqrt(m))``. It holds for every n and m and is never exact.

    References
    ----------
    Massart, Annals of Probability 18 (1990), 1269-1283.

    Examples
    --------
    >>> relevant_difference(0.0399, 0.02, Sizes(100_000, 100_000)) < 0.0001
    True
    >>> relevant_difference(0.02, 0.02, Sizes(100_000, 100_000))
    1.0
    """
    beyond = (distance - floor) / (1 / math.sqrt(sizes.reference) + 1 / math.sqrt(sizes.current))
    return min(2 * math.exp(-2 * beyond * beyond), 1.0) if beyond > 0 else 1.0


def _of_bins(bins: Bins, sizes: Sizes, alpha: float) -> dict[str, Chance]:
    degrees, noise = len(bins.reference) - 1, sizes.noise
    if degrees < 1:
        return dict.fromkeys(("psi", "jensen_shannon", "hellinger", "l_infinity", "chi2"), Chance(1.0, math.nan))
    beyond = float(chndtrinc(chdtri(degrees, alpha), degrees, 1 - POWER))
    p, q = bins.shares
    middle = (bins.reference + bins.current) / (bins.reference.sum() + bins.current.sum())
    pearson = float(((p - q) ** 2 / middle).sum())
    divergence = drift.jensen_shannon_divergence(bins)

    def by(statistic: float, effect: Callable[[float], float]) -> Chance:
        return Chance(float(chdtrc(degrees, max(statistic, 0.0) / noise)), effect(beyond * noise))

    return {
        "psi": by(drift.psi(bins), lambda d: d),
        "jensen_shannon": by(8 * divergence, lambda d: math.sqrt(d / 8 / math.log(2))),
        "hellinger": by(8 * drift.hellinger(bins) ** 2, lambda d: math.sqrt(d / 8)),
        "l_infinity": _largest_share(bins, middle, sizes, alpha),
        "chi2": by(pearson, lambda d: d / noise + degrees),
    }


def _largest_share(bins: Bins, middle: Floats, sizes: Sizes, alpha: float) -> Chance:
    sd = np.sqrt(sizes.noise * middle * (1 - middle))
    sd = sd[sd > 0]
    if len(sd) == 0:
        return Chance(1.0, math.nan)
    found = drift.l_infinity(bins)
    reach = float(ndtri(1 - alpha / (2 * len(sd))) + ndtri(POWER))
    return Chance(min(float(2 * ndtr(-found / sd).sum()), 1.0), reach * float(sd.max()))


def _of_cells(cells: Cells, sizes: Sizes, alpha: float, scale: float) -> dict[str, Chance]:
    noise, n, m = sizes.noise, sizes.reference, sizes.current
    largest = drift.kolmogorov_smirnov(cells)
    reach = math.sqrt(noise) * (float(kolmogi(alpha)) + float(ndtri(POWER)) / 2)
    found = {"kolmogorov_smirnov": Chance(drift.kolmogorov_smirnov_p(largest, n, m), reach)}
    mass = (cells.reference + cells.current) / float(cells.reference.sum() + cells.current.sum())
    if len(mass) < 2:
        return found | dict.fromkeys(("cramer_von_mises", "anderson_darling"), Chance(1.0, math.nan))
    place = np.cumsum(mass) - mass / 2
    ranks = {
        "cramer_von_mises": bridge(cells, mass),
        "anderson_darling": bridge(cells, mass / np.maximum(place * (1 - place) - mass / 4, 1e-300), middle=True),
    }
    for name, gaps in ranks.items():
        reach = gaps.null.seen_at(alpha, POWER) + float(gaps.null.weights.sum())
        found[name] = Chance(gaps.p_value(n, m), reach)
    with np.errstate(over="ignore"):
        steps = np.append(np.diff(cells.values), 0.0)
        size = float(steps.sum())
    if not math.isfinite(size) or size <= 0:
        return found
    return found | _of_steps(cells, bridge(cells, steps / size), sizes, alpha, (size, scale))


def _of_steps(cells: Cells, gaps: Gaps, sizes: Sizes, alpha: float, units: tuple[float, float]) -> dict[str, Chance]:
    """Return the distances in the column's unit; ``gaps`` are over steps that sum to 1, ``units`` their sum and the scale."""
    size, scale = units
    moved = drift.wasserstein(cells) / size
    n, m = sizes.reference, sizes.current
    energy = math.sqrt(2 * gaps.null.seen_at(alpha, POWER) * sizes.noise * size)
    return {
        "energy_distance": Chance(gaps.p_value(n, m), energy),
        "wasserstein": Chance(gaps.absolute_p(moved, n, m), _wasserstein_reach(gaps, sizes, alpha) * size / scale),
    }


def _wasserstein_reach(gaps: Gaps, sizes: Sizes, alpha: float) -> float:
    """Return the distance that shows: what chance alone reaches at ``alpha``, and its spread for the power."""
    mean, variance = gaps.absolute
    return math.sqrt(sizes.noise) * (mean + float(ndtri(1 - alpha) + ndtri(POWER)) * math.sqrt(max(variance, 0.0)))
