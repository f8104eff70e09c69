"""Gradient boosting of small trees over binned columns, in NumPy: enough to tell two samples apart, and no dependency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from watchkeeper.sketches.kernel import Floats, Int64s

BINS = 32
ROUNDS, DEPTH, RATE = 40, 3, 0.15
_LEAST_ROWS, _RIDGE = 20.0, 5.0


@dataclass(frozen=True, slots=True)
class Binning:
    """Edges of the bins of each column; missing values have a bin of their own, the last."""

    edges: list[Floats]

    @classmethod
    def of(cls, values: Floats) -> Binning:
        """Make bins of about equal counts, shape (n, d); few distinct values have a bin each."""
        edges = []
        for column in values.T:
            known = column[~np.isnan(column)]
            cuts = (
                np.quantile(known, np.arange(1, BINS - 1) / (BINS - 1), method="inverted_cdf") if len(known) else known
            )
            edges.append(np.unique(cuts))
        return cls(edges)

    def place(self, values: Floats) -> Int64s:
        """Return the bin of each value, shape (n, d)."""
        placed = np.empty(values.shape, dtype=np.int64)
        for k, cuts in enumerate(self.edges):
            placed[:, k] = np.where(np.isnan(values[:, k]), BINS - 1, np.searchsorted(cuts, values[:, k], side="left"))
        return placed


@dataclass(frozen=True, slots=True)
class _Tree:
    """A full tree: of each inner node the column and the last bin that goes left, of each leaf its value."""

    columns: Int64s
    cuts: Int64s
    leaves: Floats

    def predict(self, bins: Int64s) -> Floats:
        node, rows = np.zeros(len(bins), dtype=np.int64), np.arange(len(bins))
        for _ in range(DEPTH):
            right = bins[rows, self.columns[node]] > self.cuts[node]
            node = 2 * node + 1 + right
        leaves: Floats = self.leaves[node - (2**DEPTH - 1)]
        return leaves


@dataclass(frozen=True, slots=True)
class Boosted:
    """A fitted classifier; scores are log odds up to a constant."""

    binning: Binning
    trees: list[_Tree]

    def score(self, values: Floats) -> Floats:
        """Return a score for each row of shape (n, d), larger for class 1."""
        return self.score_bins(self.binning.place(values))

    def score_bins(self, bins: Int64s) -> Floats:
        """Return a score for each row of bins."""
        return np.sum([tree.predict(bins) for tree in self.trees], axis=0) if self.trees else np.zeros(len(bins))


def fit(values: Floats, labels: Floats, weights: Floats) -> Boosted:
    """Fit 40 trees of depth 3 to the logistic loss, by Newton steps on histograms of 32 bins.

    About .3 s for 8,000 rows of 20 columns. The same rows give the same trees.

    Parameters
    ----------
    values
        Shape (n, d), NaN for missing.
    labels
        0 or 1, shape (n,).
    weights
        Of each row, so that both classes weigh the same where they are not alike in size.

    References
    ----------
    Friedman, Annals of Statistics 29 (2001); Chen and Guestrin, KDD 2016, equations 5 to 7 for gains and leaves.
    """
    binning = Binning.of(values)
    bins = binning.place(values)
    flat = bins + np.arange(bins.shape[1]) * BINS
    score, trees = np.zeros(len(values)), []
    for _ in range(ROUNDS):
        chance = 1 / (1 + np.exp(-score))
        tree = _grow(bins, flat, weights * (labels - chance), weights * chance * (1 - chance))
        trees.append(tree)
        score += tree.predict(bins)
    return Boosted(binning, trees)


def _grow(bins: Int64s, flat: Int64s, slopes: Floats, curves: Floats) -> _Tree:
    inner, d = 2**DEPTH - 1, bins.shape[1]
    columns, cuts = np.zeros(inner, dtype=np.int64), np.full(inner, BINS, dtype=np.int64)
    node, rows = np.zeros(len(bins), dtype=np.int64), np.arange(len(bins))
    for level in range(DEPTH):
        first, width = 2**level - 1, 2**level
        place = ((node - first)[:, None] * (d * BINS) + flat).ravel()
        sums: list[Floats] = [
            np.bincount(place, np.repeat(part, d), width * d * BINS).reshape(width, d, BINS).astype(np.float64)
            for part in (slopes, curves)
        ]
        counts = np.bincount(place, minlength=width * d * BINS).reshape(width, d, BINS)
        gain = _gains(sums[0], sums[1], counts)
        best = gain.reshape(width, -1).argmax(axis=1)
        useful = gain.reshape(width, -1)[np.arange(width), best] > 0
        columns[first : first + width] = np.where(useful, best // BINS, 0)
        cuts[first : first + width] = np.where(useful, best % BINS, BINS)
        node = 2 * node + 1 + (bins[rows, columns[node]] > cuts[node])
    leaf = node - inner
    leaves = RATE * np.bincount(leaf, slopes, 2**DEPTH) / (np.bincount(leaf, curves, 2**DEPTH) + _RIDGE)
    return _Tree(columns, cuts, leaves)


def _gains(slopes: Floats, curves: Floats, counts: Int64s) -> Floats:
    """Return what cutting after each bin gains, shape (nodes, d, BINS); nothing where a side has fewer than 20 rows."""
    left, whole = np.cumsum(slopes, axis=2), slopes.sum(axis=2, keepdims=True)
    curve, total = np.cumsum(curves, axis=2), curves.sum(axis=2, keepdims=True)
    rows = np.cumsum(counts, axis=2)
    fits = np.minimum(rows, counts.sum(axis=2, keepdims=True) - rows) >= _LEAST_ROWS
    gain = left**2 / (curve + _RIDGE) + (whole - left) ** 2 / (total - curve + _RIDGE) - whole**2 / (total + _RIDGE)
    found: Floats = np.where(fits, gain, 0.0)
    return found
