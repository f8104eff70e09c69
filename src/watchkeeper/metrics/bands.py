"""Shares along a curve with an interval at each point, made as the single metrics' intervals are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from watchkeeper.metrics.estimate import critical
from watchkeeper.sketches.kernel import Floats

_FEWEST_BLOCKS = 5


@dataclass(frozen=True, slots=True)
class Band:
    """Values along a curve with pointwise 95 % intervals, each of shape (k,); NaN where not defined."""

    value: Floats
    low: Floats
    high: Floats


def share_band(chosen: Floats, among: Floats, days: Sequence[tuple[Floats, Floats]] = ()) -> Band:
    """Return ``chosen / among`` at each point with Wilson's interval.

    Parameters
    ----------
    chosen, among
        Counts, shape (k,), chosen at most among.
    days
        The same for each day. With five or more, days are the unit of evidence: where shares differ between days by more
        than chance, an interval is as wide as they make it.

    References
    ----------
    Wilson, JASA 22 (1927); Liang and Zeger, Biometrika 73 (1986), for the variance over blocks.
    """
    safe = np.where(among > 0, among, 1.0)
    share = np.where(among > 0, chosen / safe, np.nan)
    size, degrees = among.astype(np.float64), np.full(among.shape, np.inf)
    if len(days) >= _FEWEST_BLOCKS:
        parts = np.array([(c - share * a) / safe for c, a in days])
        between = len(days) / (len(days) - 1) * np.nansum(parts**2, axis=0)
        wider = between > share * (1 - share) / safe
        size = np.where(wider, share * (1 - share) / np.where(wider, between, 1.0), size)
        degrees = np.where(wider, len(days) - 1.0, np.inf)
    return Band(share, *_wilson(share, size, _critical(degrees)))


def _critical(degrees: Floats) -> Floats:
    found = {d: critical(d) for d in np.unique(degrees).tolist()}
    return np.array([found[d] for d in degrees.tolist()])


def _wilson(share: Floats, n: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Return Wilson's limits at each point; NaN where there is nothing."""
    safe = np.where(n > 0, n, 1.0)
    centre = (share + z * z / (2 * safe)) / (1 + z * z / safe)
    half = z / (1 + z * z / safe) * np.sqrt(np.maximum(share * (1 - share) / safe + z * z / (4 * safe * safe), 0.0))
    low, high = np.minimum(np.maximum(centre - half, 0), share), np.maximum(np.minimum(centre + half, 1), share)
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)
