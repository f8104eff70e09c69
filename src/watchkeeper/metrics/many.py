"""Metrics of a multiclass task with thousands of classes: of all rows exactly, of classes from those that are kept.

Where rows have weights, values are those of scikit-learn with ``sample_weight``, and intervals rest on effective rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from watchkeeper.metrics.basis import effective_rows, over_classes
from watchkeeper.metrics.estimate import UNKNOWN, Estimate, critical, smooth_estimate
from watchkeeper.metrics.means import share_of_sums
from watchkeeper.profiles.many import ManyClassOutcome
from watchkeeper.profiles.rows import RANKS
from watchkeeper.profiles.weighted_many import WeightedManyOutcome
from watchkeeper.sketches.kernel import Floats, UInt64s

TOP = 5
ManyOutcome = ManyClassOutcome | WeightedManyOutcome


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums of weights, 1 each where rows have none, and of their squares, each side of shape (2, ...).

    ``ranks`` is by the place of the label among the predicted classes, shape (2, 11); ``cells`` is by class, shape
    (2, k, 3): right, missed, and taken for it; ``plain`` counts rows.
    """

    plain: ManyClassOutcome
    ranks: Floats
    cells: Floats

    @property
    def counts(self) -> Floats:
        """By class: how often it was the label, was predicted, and both, shape (k, 3)."""
        right, missed, false = self.cells[0].T
        return np.stack([right + missed, right + false, right], axis=1)

    @property
    def n(self) -> int:
        return effective_rows(*self.ranks.sum(axis=1).tolist())

    def placed(self, hashes: UInt64s) -> Floats:
        """Return the counts in the places of other classes, shape (k, 3)."""
        placed = np.zeros((len(hashes), 3))
        place = np.minimum(np.searchsorted(hashes, self.plain.hashes), len(hashes) - 1)
        same = hashes[place] == self.plain.hashes
        placed[place[same]] = self.counts[same]
        return placed


def _sums(outcome: ManyOutcome) -> _Sums:
    if isinstance(outcome, WeightedManyOutcome):
        return _Sums(outcome.plain, outcome.totals, np.stack([outcome.weights, outcome.squares]))
    label, said, hits = outcome.counts.T
    ranks = np.append(outcome.ranks, outcome.both - outcome.ranks.sum())
    cells = np.stack([hits, label - hits, said - hits], axis=1)
    return _Sums(outcome, *(np.stack([of, of]).astype(np.float64) for of in (ranks, cells)))


def many_metric(name: str, outcome: ManyOutcome, days: Sequence[ManyOutcome] = ()) -> Estimate:
    """Return a metric by its name; unknown where thousands of classes have none."""
    if name == "accuracy":
        return _share(outcome, days, 1, True)
    if name == "error_rate":
        return _share(outcome, days, 1, False)
    return _f1(outcome, days, name == "f1_weighted") if name in {"f1_macro", "f1_weighted"} else UNKNOWN


def top_k_accuracy(outcome: Any, days: Sequence[Any] = (), k: int = TOP) -> Estimate:
    """Share of labelled rows whose label is among the first 5 predicted (multiclass, predictions as lists, best first)."""
    listed = isinstance(outcome, ManyOutcome) and _sums(outcome).plain.ranks[1:].any()
    return _share(outcome, days, k, True) if listed else UNKNOWN


def _share(outcome: ManyOutcome, days: Sequence[ManyOutcome], k: int, right: bool) -> Estimate:
    counts = np.arange(RANKS + 1) < min(k, RANKS)

    def two(ranks: Floats) -> tuple[float, float]:
        return float(ranks.sum()), float(ranks[counts == right].sum())

    sums = _sums(outcome)
    (total, hits), (squares, hit_squares) = map(two, sums.ranks)
    products = np.array([[squares, hit_squares], [hit_squares, hit_squares]])
    blocks = [np.array(two(day.ranks[0])) for day in map(_sums, days) if day.ranks[0].any()]
    return share_of_sums(np.array([total, hits]), products, sums.plain.both, blocks)


def _f1(outcome: ManyOutcome, days: Sequence[ManyOutcome], weighted: bool) -> Estimate:
    """Return the mean of F1 over the classes that occur, plain or by how often each is the label.

    A wrong row counts for two classes; its two influences are added as if they were one's (their squares, twice), so the
    interval is never too narrow. Where classes are a sample, how they differ is part of the error.
    """
    sums = _sums(outcome)
    counts = sums.counts
    below = counts[:, 0] + counts[:, 1]
    there, labels = below > 0, float(counts[:, 0].sum())
    if not there.any():
        return UNKNOWN
    safe = np.where(there, below, 1.0)
    values = 2 * counts[:, 2] / safe
    by_label = weighted and labels > 0
    weights = counts[:, 0] / labels if by_label else there / there.sum()
    value = float(values @ weights)
    by_call = -values / safe * weights  # by label and by prediction alike
    by_own = by_call + (np.where(there, values - value, 0.0) / labels if by_label else 0.0)
    by_hit = 2 / safe * weights
    hits, missed, false = sums.cells[1].T
    squares = float((hits * (by_own + by_call + by_hit) ** 2 + 2 * missed * by_own**2 + 2 * false * by_call**2).sum())
    gradient = np.concatenate([by_own, by_call, by_hit])
    blocks = [day.placed(sums.plain.hashes).T.ravel() for day in map(_sums, days) if day.ranks[0].any()]
    found = smooth_estimate(value, gradient, squares, blocks, sums.n, "logit")
    pairs = zip(counts[:, 0].tolist(), (hits + missed).tolist(), strict=True)
    sizes = np.array([effective_rows(*pair) for pair in pairs], np.float64)
    found = replace(found, basis=over_classes(sizes[there], weights[there])) if found.known else found
    return _with_classes(found, values, weights) if sums.plain.sampled else found


def _with_classes(found: Estimate, values: Floats, weights: Floats) -> Estimate:
    """Widen an estimate by how much the classes differ, of which a sample is kept."""
    spread = float((weights**2 * (values - found.value) ** 2).sum())
    error = math.hypot(found.error, math.sqrt(spread))
    half = critical(found.degrees) * error
    return replace(found, error=error, low=max(found.value - half, 0.0), high=min(found.value + half, 1.0))
