"""A histogram whose cells hold sums of weights beside the counts."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np

from watchkeeper.errors import CorruptProfile
from watchkeeper.sketches import kernel
from watchkeeper.sketches.histogram import Histogram
from watchkeeper.sketches.kernel import Floats, Int64s
from watchkeeper.sketches.protocol import State, array_of, merge_all, part_of


class WeightedHistogram:
    """Counts of float64 values by cell, and for each cell the sums of their weights and of the weights' squares.

    Cells are those of the :class:`Histogram` of the same values, whatever the weights, so they merge to the bit; the sums,
    shape (2, cells), agree to 1e-12.
    """

    __slots__ = ("histogram", "weights")
    SUMS: frozenset[str] = frozenset({"weights"})

    def __init__(self) -> None:
        self.histogram = Histogram()
        self.weights: Floats = np.zeros((2, 0))

    def update(self, values: Floats, weights: Floats) -> None:
        """Count finite values with their weights, both of shape (n,), weights from 0 to 1e20."""
        if len(values) == 0:
            return
        before, self.histogram = self.histogram, copy.copy(self.histogram)
        self.histogram.update_floats(values)
        self.weights = self._placed(before, self.weights)
        cells = np.searchsorted(self.histogram.cells, kernel.float_keys(values) >> np.int64(self.histogram.shift))
        self.weights = self.weights + _sums(cells, np.stack([weights, weights**2]), len(self.histogram.cells))

    def _placed(self, part: Histogram, weights: Floats) -> Floats:
        """Return the sums of a part in the cells of this histogram."""
        cells = part.cells >> np.int64(self.histogram.shift - part.shift) if len(part.cells) else part.cells
        return _sums(np.searchsorted(self.histogram.cells, cells), weights, len(self.histogram.cells))

    def merge(self, other: WeightedHistogram) -> WeightedHistogram:
        """Return the histogram of both together."""
        return self.merged([self, other])

    @classmethod
    def merged(cls, parts: Sequence[WeightedHistogram]) -> WeightedHistogram:
        """Return the histogram of all parts together."""
        made = cls()
        made.histogram = merge_all([part.histogram for part in parts])
        made.weights = np.zeros((2, len(made.histogram.cells)))
        for part in parts:
            made.weights = made.weights + made._placed(part.histogram, part.weights)
        return made

    def at(self, shift: int, cells: Int64s) -> Floats:
        """Return the sums in the given cells of a coarser (or the same) shift, shape (2, k); others are left out."""
        own = self.histogram.cells >> np.int64(shift - self.histogram.shift)
        there = np.isin(own, cells)
        return _sums(np.searchsorted(cells, own[there]), self.weights[:, there], len(cells))

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        return {"histogram": self.histogram.state(), "weights": self.weights}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> WeightedHistogram:
        """Make a histogram from a state that may be hostile; raises :class:`CorruptProfile`."""
        made = cls()
        made.histogram = Histogram.from_state(part_of(state, "histogram"))
        made.weights = array_of(state, "weights", np.float64, ndim=2)
        if made.weights.shape != (2, len(made.histogram.cells)):
            raise CorruptProfile("weights do not fit their cells")
        if not np.isfinite(made.weights).all() or np.any(made.weights < 0):
            raise CorruptProfile("weights are no numbers from 0 on")
        sums, squares = made.weights
        with np.errstate(over="ignore"):
            most, least = squares * made.histogram.counts, sums**2 / (1 + 1e-6) - 1e-300
            if np.any(least > most) or np.any(squares / (1 + 1e-6) - 1e-300 > sums**2):
                raise CorruptProfile("sums of weights and of their squares do not fit each other")
        return made


def _sums(places: Int64s, values: Floats, size: int) -> Floats:
    return np.stack([np.bincount(places, row, size) for row in values]).astype(np.float64)
