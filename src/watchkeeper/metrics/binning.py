"""Two columns brought to common cells and common bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from watchkeeper.profiles.column import CategoricalColumn, Column, DatetimeColumn
from watchkeeper.sketches import kernel
from watchkeeper.sketches.histogram import Histogram
from watchkeeper.sketches.kernel import Floats, Int64s

BINS = 10
_FEW = 20
_LEAST_EXPECTED = 5.0
_LEAST_IN_BIN = 10


@dataclass(frozen=True, slots=True)
class Cells:
    """Counts of reference and current over common cells in ascending order; ``values`` is a number for each cell."""

    keys: Int64s
    values: Floats
    reference: Int64s
    current: Int64s
    exact: bool


@dataclass(frozen=True, slots=True)
class Bins:
    """Counts of reference and current over common bins, and what each bin is called."""

    reference: Int64s
    current: Int64s
    labels: list[str]

    @property
    def shares(self) -> tuple[Floats, Floats]:
        """Both as shares of their totals."""
        return self.reference / max(int(self.reference.sum()), 1), self.current / max(int(self.current.sum()), 1)


def common_cells(reference: Column, current: Column) -> Cells | None:
    """Return both histograms over common cells; None for categories."""
    if isinstance(reference, CategoricalColumn) or isinstance(current, CategoricalColumn):
        return None
    return histogram_cells(reference.histogram, current.histogram, moments=isinstance(reference, DatetimeColumn))


def histogram_cells(first: Histogram, second: Histogram, *, moments: bool = False) -> Cells:
    """Return two histograms over common cells; ``moments``: their keys are points in time, not numbers."""
    shift = max(first.shift, second.shift)
    (a, a_counts), (b, b_counts) = first.at(shift), second.at(shift)
    cells = np.union1d(a, b)
    counts = []
    for found, n in ((a, a_counts), (b, b_counts)):
        placed = np.zeros(len(cells), dtype=np.int64)
        placed[np.searchsorted(cells, found)] = n
        counts.append(placed)
    exact = shift <= min(first.trailing, second.trailing)
    keys = cells << np.int64(shift)
    high = keys if exact else keys + np.int64((1 << shift) - 1)
    if moments:
        values = keys / 2 + high / 2
    else:
        left, right = kernel.key_floats(keys), kernel.key_floats(high)
        values = np.where(left == right, left, left / 2 + right / 2)
    return Cells(keys, values, counts[0], counts[1], exact)


def common_bins(reference: Column, current: Column, cells: Cells | None = None, bins: int = BINS) -> Bins | None:
    """Return both columns over common bins, which the reference alone decides; ``cells``: their common cells, if known.

    Numbers and moments: a bin per value where together there are at most 20 and all are known, else up to ``bins`` bins
    between quantiles of the reference, the outer ones open, fewer where there are not ten values for each. Categories:
    one bin each, or cells of their hashes where they are too many to be known by name. None where either side is empty.
    """
    if isinstance(reference, CategoricalColumn) and isinstance(current, CategoricalColumn):
        return _category_bins(reference, current)
    cells = cells or common_cells(reference, current)
    if cells is None or cells.reference.sum() == 0 or cells.current.sum() == 0:
        return None
    if cells.exact and len(cells.keys) <= _FEW:
        return Bins(cells.reference, cells.current, [f"{v:g}" for v in cells.values])
    smaller = min(int(cells.reference.sum()), int(cells.current.sum()))
    starts = _quantile_starts(cells.reference, max(min(bins, smaller // _LEAST_IN_BIN), 2))
    labels = [f"from {cells.values[s]:g}" for s in starts.tolist()]
    return Bins(np.add.reduceat(cells.reference, starts), np.add.reduceat(cells.current, starts), labels)


def _quantile_starts(counts: Int64s, bins: int) -> Int64s:
    """Return the cells at which bins start, so that each holds about the same count."""
    edges = np.cumsum(counts)
    wanted = edges[-1] * np.arange(1, bins) / bins
    starts = np.searchsorted(edges, wanted, side="left") + 1
    return np.unique(np.concatenate([[0], starts[starts < len(counts)]])).astype(np.int64)


def _category_bins(reference: CategoricalColumn, current: CategoricalColumn) -> Bins | None:
    if reference.categories.count == 0 or current.categories.count == 0:
        return None
    if reference.categories.exact and current.categories.exact:
        first, second = reference.categories.counts(), current.categories.counts()
        names = sorted(set(first) | set(second), key=lambda v: (-first.get(v, 0), -second.get(v, 0), v))
        counts = [np.array([side.get(v, 0) for v in names], dtype=np.int64) for side in (first, second)]
        return Bins(counts[0], counts[1], names)
    a, b = reference.categories.hash_cells(), current.categories.hash_cells()
    used = np.flatnonzero(a + b)
    return Bins(a[used], b[used], [f"hash cell {i}" for i in used.tolist()])


def pooled(bins: Bins) -> Bins:
    """Return the bins with those joined into one in which fewer than five values are expected on the smaller side."""
    total = bins.reference + bins.current
    whole = max(int(total.sum()), 1)
    smaller = min(int(bins.reference.sum()), int(bins.current.sum()))
    rare = total * (smaller / whole) < _LEAST_EXPECTED
    if rare.sum() < 2:
        return bins
    rest = [np.concatenate([side[~rare], [side[rare].sum()]]) for side in (bins.reference, bins.current)]
    labels = [label for label, out in zip(bins.labels, rare.tolist(), strict=True) if not out]
    return Bins(rest[0], rest[1], [*labels, "all rarer ones"])
