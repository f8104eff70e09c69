"""A histogram over the floats themselves: exact until it is full, then as fine as its size allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from watchkeeper.errors import CorruptProfile
from watchkeeper.sketches import kernel
from watchkeeper.sketches.kernel import Floats, Int64s
from watchkeeper.sketches.protocol import State, array_of, count_of, counts_of

CAPACITY_BITS = 36_864
"""Part of the format: cells x (64 - max(shift, trailing)) stays at or below it."""
_FIRST_LOOK = 4096


class Histogram:
    """Counts of int64 keys by the cell ``key >> shift``; numbers and moments map to keys with the same order.

    The shift is the smallest at which ``cells x (64 - max(shift, trailing)) <= 36,864`` bits, ``trailing`` being the
    low bits that are zero in every key. It is therefore a function of the data, never of the order in which they came,
    and so are cells and counts: a whole is, to the bit, the merge of its parts.

    For float keys a cell's relative width is at most ``2 ** (shift - 52)`` inside a binade. While ``shift <= trailing``
    the histogram is *exact*: it knows every value and how often it came. That is so for at most 576 values of any kind,
    and for as many as 2,304 whose keys need 16 bits (counts, ages, years).

    Finite keys only; the column counts NaN, infinities and nulls apart.

    Examples
    --------
    >>> h = Histogram()
    >>> h.update_floats(np.array([1.0, 2.0, 2.0, 4.0]))
    >>> h.exact, h.count, h.quantile(0.5)
    (True, 4, 2.0)
    """

    __slots__ = ("cells", "counts", "shift", "trailing")
    SUMS: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.shift = 0
        self.trailing = 64
        self.cells: Int64s = np.empty(0, dtype=np.int64)
        self.counts: Int64s = np.empty(0, dtype=np.int64)

    @property
    def count(self) -> int:
        """How many keys were counted."""
        return int(self.counts.sum())

    @property
    def exact(self) -> bool:
        """Whether every key is known, not only its cell."""
        return self.shift <= self.trailing

    def update_floats(self, values: Floats) -> None:
        """Count finite float64 values, shape (n,)."""
        if len(values):
            self.update(kernel.float_keys(values))

    def update(self, keys: Int64s) -> None:
        """Count int64 keys, shape (n,)."""
        if len(keys) == 0:
            return
        trailing = min(self.trailing, kernel.trailing_zeros(keys))
        likely, start = self.cells, self.shift
        if len(keys) > _FIRST_LOOK:  # the shift that a part needs is a lower bound of what the whole needs
            look, _ = kernel.count_cells(keys[:: len(keys) // _FIRST_LOOK] >> np.int64(self.shift), self.cells[:0])
            further = _further_shift(look, self.shift, trailing)
            start = self.shift + further
            likely = kernel.add_counts(
                kernel.coarsen(self.cells, self.counts, further), kernel.coarsen(look, np.zeros_like(look), further)
            )[0]
        new = kernel.count_cells(keys >> np.int64(start), likely)
        if len(self.cells) == 0:
            self._settle(*new, start, trailing)
            return
        old = kernel.coarsen(self.cells, self.counts, start - self.shift)
        self._settle(*kernel.add_counts(old, new), start, trailing)

    def _settle(self, cells: Int64s, counts: Int64s, shift: int, trailing: int) -> None:
        further = _further_shift(cells, shift, trailing)
        self.cells, self.counts = kernel.coarsen(cells, counts, further)
        self.shift, self.trailing = shift + further, trailing

    def merge(self, other: Histogram) -> Histogram:
        """Return the histogram of both together."""
        merged = Histogram()
        if len(self.cells) == 0 or len(other.cells) == 0:  # most of a small window's are empty
            full = self if len(self.cells) else other
            merged.shift, merged.trailing, merged.cells, merged.counts = (
                full.shift,
                full.trailing,
                full.cells,
                full.counts,
            )
            return merged
        shift = max(self.shift, other.shift)
        both = kernel.add_counts(self.at(shift), other.at(shift))
        merged._settle(*both, shift, min(self.trailing, other.trailing))
        return merged

    @classmethod
    def merged(cls, parts: Sequence[Histogram]) -> Histogram:
        """Return the histogram of all parts together: one sort, however many there are."""
        full = [part for part in parts if len(part.cells)]
        made = cls()
        if full:
            shift = max(part.shift for part in full)
            cells, counts = zip(*(part.at(shift) for part in full), strict=True)
            both = kernel.add_counts((np.concatenate(cells), np.concatenate(counts)), (cells[0][:0], counts[0][:0]))
            made._settle(*both, shift, min(part.trailing for part in full))
        return made

    def at(self, shift: int) -> tuple[Int64s, Int64s]:
        """Return cells and counts at a coarser (or the same) shift."""
        return kernel.coarsen(self.cells, self.counts, shift - self.shift)

    def bounds(self) -> tuple[Int64s, Int64s]:
        """Return the lowest and the highest key that each cell can hold; they are equal where the state is exact."""
        low = self.cells << np.int64(self.shift)
        if self.exact:
            return low, low
        return low, low + np.int64((1 << self.shift) - 1)

    def quantile(self, q: float) -> float:
        """Return the number below which a share ``q`` of the values lies, for float keys.

        Exact states follow the linear rule (Hyndman and Fan 1996, type 7), as ``numpy.quantile`` does. Others are off
        by at most the width of one cell; :meth:`quantile_bounds` gives the certain bounds. NaN when empty.
        """
        return float(self.quantiles(np.array([q]))[0])

    def quantiles(self, q: Floats) -> Floats:
        """Return :meth:`quantile` for each of ``q``, shape (k,)."""
        if len(self.cells) == 0:
            return np.full(len(q), np.nan)
        position = q * (self.count - 1)
        below = np.floor(position)
        left, right = self._order_statistic(below), self._order_statistic(np.ceil(position))
        fraction = position - below
        return np.clip(left * (1 - fraction) + right * fraction, left, right)  # rounding must not leave the bounds

    def quantile_bounds(self, q: float) -> tuple[float, float]:
        """Return two numbers between which the q-quantile (linear rule) certainly lies."""
        if len(self.cells) == 0:
            return float("nan"), float("nan")
        position = q * (self.count - 1)
        edges = np.cumsum(self.counts)
        ranks = np.array([np.floor(position), np.ceil(position)])
        first, last = np.minimum(np.searchsorted(edges, ranks, side="right"), len(edges) - 1)
        low, high = self.bounds()
        return float(kernel.key_floats(low[first : first + 1])[0]), float(kernel.key_floats(high[last : last + 1])[0])

    def _order_statistic(self, rank: Floats) -> Floats:
        """Return the value with so many values before it, interpolated in its cell as if the cell were evenly filled."""
        edges = np.cumsum(self.counts)
        cell = np.minimum(np.searchsorted(edges, rank, side="right"), len(edges) - 1)
        low, high = self.bounds()
        left, right = kernel.key_floats(low[cell]), kernel.key_floats(high[cell])
        within = (rank - (edges[cell] - self.counts[cell]) + 0.5) / self.counts[cell]
        return np.clip(left * (1 - within) + right * within, left, right)

    def key_at(self, q: float) -> int:
        """Return the lowest key of the cell in which a share ``q`` of the values is reached (0 <= q <= 1, not empty)."""
        edges = np.cumsum(self.counts) / self.count
        low, _ = self.bounds()
        return int(low[min(int(np.searchsorted(edges, q)), len(low) - 1)])

    def values(self) -> Floats:
        """Return one number for each cell: the value itself where exact, else the middle of the cell."""
        low, high = self.bounds()
        left, right = kernel.key_floats(low), kernel.key_floats(high)
        return np.where(left == right, left, left / 2 + right / 2)

    def resolution(self) -> float:
        """Return the largest share of the values that one inexact cell holds: 0 for an exact or empty histogram."""
        return 0.0 if self.exact or len(self.counts) == 0 else float(self.counts.max()) / self.count

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        return {"shift": self.shift, "trailing": self.trailing, "cells": self.cells, "counts": self.counts}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Histogram:
        """Make a histogram from a state that may be hostile.

        Raises
        ------
        CorruptProfile
            Not a state that any data can have.
        """
        made = cls()
        cells, counts = array_of(state, "cells", np.int64), counts_of(state, "counts")
        shift, trailing = count_of(state, "shift"), count_of(state, "trailing")
        if len(cells) != len(counts) or shift > 63 or trailing > 64:
            raise CorruptProfile("a histogram's parts do not fit each other")
        if len(cells) and (np.any(cells[1:] <= cells[:-1]) or counts.min() == 0):
            raise CorruptProfile("a histogram's cells are not in order")
        if len(cells) * (64 - max(shift, trailing)) > CAPACITY_BITS:
            raise CorruptProfile("a histogram is larger than the format allows")
        if np.any((cells << np.int64(shift)) >> np.int64(shift) != cells):
            raise CorruptProfile("a histogram's cells lie outside the keys")
        made.shift, made.trailing, made.cells, made.counts = shift, trailing, cells, counts
        return made


def _further_shift(cells: Int64s, shift: int, trailing: int) -> int:
    """Return the smallest number of further bits to cut off sorted cells so that they fit."""
    if len(cells) * (64 - max(shift, trailing)) <= CAPACITY_BITS:
        return 0
    further = np.arange(65 - shift)
    bits = kernel.cells_by_shift(cells)[: 65 - shift] * (64 - np.maximum(shift + further, trailing))
    return int(np.argmax(bits <= CAPACITY_BITS))
