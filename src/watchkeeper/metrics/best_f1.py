"""The threshold with the highest F1, and the thresholds that the rows cannot tell from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from watchkeeper.metrics.curves import Counts, score_counts
from watchkeeper.metrics.value import Prices, alike_to, noise_of
from watchkeeper.profiles.profile import Profile

_POINTS = 200
"""So many thresholds are weighed against each other: the time grows with their square."""


@dataclass(frozen=True, slots=True)
class BestThreshold:
    """A threshold chosen on the rows themselves, so that ``f1`` flatters itself a little.

    Attributes
    ----------
    threshold, f1
        The threshold with the highest F1 in these rows, and that F1.
    low, high
        The least and the greatest threshold that the rows do not tell from it.
    """

    threshold: float
    low: float
    high: float
    f1: float


def best_f1(profile: Profile, positive: str | None = None) -> BestThreshold:
    """Return the threshold with the highest F1; parameters and errors as :func:`watchkeeper.roc_curve`.

    Notes
    -----
    F1 is a ratio, and where it is highest, at F, the difference of its two parts, ``2 hits - F (selected + positives)``,
    is highest too, namely 0 (Dinkelbach). That difference is a value by row, whose range of thresholds
    :func:`watchkeeper.value_curve` knows how to find; that F was itself measured is of second order near the best. Among
    the cells of the scores, 200 are weighed, an equal number of rows apart.

    References
    ----------
    Dinkelbach, Management Science 13 (1967), 492-498. Lipton, Elkan and Naryanaswamy, ECML PKDD 2014, 225-239.
    """
    counts = _thinned(score_counts(profile, positive))
    f1 = 2 * counts.hits / (counts.hits + counts.false + counts.positives)
    best = int(np.argmax(f1))
    most = float(f1[best])
    prices = Prices(true_positive=2 - 2 * most, false_positive=-most, false_negative=-most)
    value = (2 * counts.hits - most * (counts.hits + counts.false + counts.positives)) / counts.n
    alike = counts.threshold[alike_to(value, noise_of(counts, prices, value), best)]
    return BestThreshold(float(counts.threshold[best]), float(alike.min()), float(alike.max()), most)


def _thinned(counts: Counts) -> Counts:
    """Return the counts at fewer thresholds; each stays exact. The one with the highest F1 is always among them."""
    f1 = 2 * counts.hits / (counts.hits + counts.false + counts.positives)
    wanted = np.linspace(0, counts.n, _POINTS)
    places = np.searchsorted(counts.hits + counts.false, wanted).clip(max=len(f1) - 1)
    kept = np.unique(np.concatenate([[0, len(f1) - 1, int(np.argmax(f1))], places]))
    return replace(
        counts,
        threshold=counts.threshold[kept],
        hits=counts.hits[kept],
        false=counts.false[kept],
        days=[(hits[kept], false[kept]) for hits, false in counts.days],
    )
