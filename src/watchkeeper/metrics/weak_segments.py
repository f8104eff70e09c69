"""Where a model is weak: the cells of one or two columns whose rows lose most, found on one half and tested on the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from watchkeeper.metrics.estimate import Estimate
from watchkeeper.sketches.kernel import Floats, Int64s

MOST = 10
"""So many segments are found at most; each is tested, so more would cost power."""
FEWEST = 30
"""A segment with fewer rows in the half that tests it is not told."""
ALPHA = 0.05
"""The chance that any segment is told where the loss has nothing to do with the columns."""
_SMALLEST = 0.01
_LARGEST = 0.5
_LEAST_COST = 0.005
_CAUTION = 2.0
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cells:
    """Rows by the cell of each column: ``codes`` of shape (n, d), from 0 on, and what each column's cells are called."""

    codes: Int64s
    names: list[str]
    labels: list[list[str]]

    def take(self, rows: Any) -> Cells:
        """Return some of the rows."""
        return Cells(self.codes[rows], self.names, self.labels)

    def inside(self, parts: Parts) -> Mask:
        """Return which rows lie in every part, shape (n,)."""
        inside = np.ones(len(self.codes), dtype=bool)
        for column, code in parts:
            inside &= self.codes[:, column] == code
        return inside

    def said(self, parts: Parts) -> tuple[tuple[str, str], ...]:
        """Return the column and the cell of each part by name."""
        return tuple((self.names[column], self.labels[column][code]) for column, code in parts)


Parts = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Weak:
    """A weak segment, measured on rows that had no part in finding it.

    Attributes
    ----------
    parts
        Places of its columns with the code of the cell in each: one or two.
    share
        Its part of all rows.
    inside
        The mean loss of its rows, with an interval: of all of them, also those that lie in a segment found before it too.
    elsewhere
        The mean loss of the rest: rows that lie neither in it nor in a segment found before it.
    gap
        How much more its rows lose than the rest, with an interval.
    cost
        Its rows times the gap, as a share of the loss of all rows, with an interval.
    p_value
        Of losing no more than the rest, one-sided, adjusted for all segments that were tested (Holm). Only rows that lie in no
        segment found before are evidence: what those lose is told already.
    """

    parts: Parts
    share: float
    inside: Estimate
    elsewhere: float
    gap: Estimate
    cost: Estimate
    p_value: float


def weak_segments(cells: Cells, loss: Floats, first: Mask, alpha: float = ALPHA) -> list[Weak]:
    """Return the segments that lose more than the rest, those first that cost most.

    Segments of one and of two columns are found on the rows of the ``first`` half: of those whose cost matters for certain (two
    standard errors below the estimate is half a percent of all loss) the one that stands out most, by its gap in standard
    errors; then the same without its rows, and so on. Each is tested on the other half,
    without the rows of those found before it, and told where Holm's p-value is at most ``alpha``. Tested on the rows that found
    them, the largest of thousands of cells would look weak by chance alone.

    Parameters
    ----------
    cells
        Rows by cell, shape (n, d).
    loss
        Loss of each row, shape (n,), from 0 on; finite.
    first
        Which rows find, shape (n,); the others test. Must not depend on columns or loss.

    References
    ----------
    Sagadeeva and Boehm, SliceLine, SIGMOD 2021: sums by cell, and the bounds by which cells are left out. Holm, Scandinavian
    Journal of Statistics 6 (1979), 65-70.
    """
    found = find(cells.take(first), loss[first])
    return confirmed(cells.take(~first), loss[~first], found, alpha)


def find(cells: Cells, loss: Floats) -> list[Parts]:
    """Return the segments that stand out on these rows, each without the rows of those before it."""
    if len(loss) < 2 * FEWEST or not cells.names or not loss.any():
        return []
    lattice = _Lattice(cells, loss)
    left = np.ones(len(loss), dtype=bool)
    found: list[Parts] = []
    while len(found) < MOST:
        parts = lattice.best()
        if parts is None:
            break
        found.append(parts)
        gone = cells.inside(parts) & left
        lattice.leave_out(cells.take(gone), loss[gone])
        left &= ~gone
    return found


def confirmed(cells: Cells, loss: Floats, found: list[Parts], alpha: float) -> list[Weak]:
    """Return which of the segments lose more than the rest on these rows, those first that cost most."""
    left, whole = np.ones(len(loss), dtype=bool), float(loss.sum())
    measured = []
    for parts in found:
        inside = cells.inside(parts)
        rest = ~inside & left
        tested, shown = gap_of(loss[inside & left], loss[rest]), gap_of(loss[inside], loss[rest])
        if tested is not None and shown is not None:
            measured.append((parts, inside, rest, shown[0], tested[1]))
        left &= ~inside
    adjusted = holm([p for *_, p in measured])
    told = [
        _weak(parts, loss[inside], float(loss[rest].mean()), gap, len(loss), whole, p)
        for (parts, inside, rest, gap, _), p in zip(measured, adjusted, strict=True)
        if p <= alpha
    ]
    return sorted(told, key=lambda weak: -weak.cost.value)


def gap_of(inside: Floats, rest: Floats) -> tuple[Estimate, float] | None:
    """Return how much more the rows inside lose, and the one-sided p-value of no more (Welch); None for too few rows."""
    n, m = len(inside), len(rest)
    if min(n, m) < FEWEST:
        return None
    parts = float(inside.var(ddof=1)) / n, float(rest.var(ddof=1)) / m
    error, value = math.sqrt(sum(parts)), float(inside.mean() - rest.mean())
    if error == 0:
        return Estimate(value, value, value, n, 0.0), 0.0 if value > 0 else 1.0
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1))
    half = float(stdtrit(degrees, 0.975)) * error
    return Estimate(value, value - half, value + half, n, error, degrees), float(stdtr(degrees, -value / error))


def holm(p_values: list[float]) -> list[float]:
    """Return p-values adjusted for all of them (Holm 1979).

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min((len(p_values) - rank) * p_values[place], 1.0))
        adjusted[place] = largest
    return adjusted


def _weak(
    parts: Parts, inside: Floats, elsewhere: float, gap: Estimate, rows: int, whole: float, p_value: float
) -> Weak:
    n = len(inside)
    error = float(inside.std(ddof=1)) / math.sqrt(n)
    half = float(stdtrit(n - 1, 0.975)) * error
    mean = Estimate(float(inside.mean()), float(inside.mean()) - half, float(inside.mean()) + half, n, error, n - 1)
    scale = n / whole
    cost = Estimate(gap.value * scale, gap.low * scale, gap.high * scale, n, gap.error * scale, gap.degrees)
    return Weak(parts, n / rows, mean, elsewhere, gap, cost, p_value)


class _Lattice:
    """Sums of rows, loss and squared loss by cell of each column and of each pair of columns that may hold a segment.

    A pair's cell loses at most what its parents lose, and has at least the fewest rows that are told: where even that is less
    than what matters, no pair of the cell does, and a column without other cells is left out of all pairs (SliceLine's bounds).
    """

    def __init__(self, cells: Cells, loss: Floats) -> None:
        self._wide = [len(labels) for labels in cells.labels]
        singles = [(column,) for column in range(len(cells.names))]
        self._blocks: list[tuple[int, ...]] = list(singles)
        n, total = len(loss), float(loss.sum())
        self._rows, self._total, self._squares = n, total, float(np.square(loss).sum())
        self._fewest, self._least = max(FEWEST, _SMALLEST * n), _LEAST_COST * total
        alone = self._sums(cells, loss)
        promising = (alone[0] >= self._fewest) & (alone[1] - self._fewest * total / n >= self._least)
        edges = np.cumsum([0, *self._wide])
        kept = [c for c in range(len(singles)) if promising[edges[c] : edges[c + 1]].any()]
        self._blocks += [(a, b) for place, a in enumerate(kept) for b in kept[place + 1 :]]
        self._starts = np.cumsum([0, *(math.prod(self._wide[c] for c in block) for block in self._blocks)])
        self._of = self._sums(cells, loss)

    def _sums(self, cells: Cells, loss: Floats) -> tuple[Floats, Floats, Floats]:
        squares, columns = np.square(loss), np.ascontiguousarray(cells.codes.T)
        each: list[list[Floats]] = [[], [], []]
        for block in self._blocks:
            size = math.prod(self._wide[c] for c in block)
            code = (
                columns[block[0]] if len(block) == 1 else columns[block[0]] * self._wide[block[1]] + columns[block[1]]
            )
            each[0].append(np.bincount(code, minlength=size).astype(np.float64))
            each[1].append(np.bincount(code, loss, size).astype(np.float64))
            each[2].append(np.bincount(code, squares, size).astype(np.float64))
        rows, total, of_squares = (np.concatenate(some) for some in each)
        return rows, total, of_squares

    def leave_out(self, cells: Cells, loss: Floats) -> None:
        """Take rows out of every sum: only theirs are counted anew."""
        gone = self._sums(cells, loss)
        self._of = self._of[0] - gone[0], self._of[1] - gone[1], self._of[2] - gone[2]
        self._rows -= len(loss)
        self._total -= float(loss.sum())
        self._squares -= float(np.square(loss).sum())

    def best(self) -> Parts | None:
        """Return the cell that stands out most of those whose cost matters for certain; None where none does."""
        n, total, squares = self._of
        alive = np.flatnonzero((n >= self._fewest) & (n <= _LARGEST * self._rows))
        n, total, squares = n[alive], total[alive], squares[alive]
        if len(n) == 0:
            return None
        rest, rest_total, rest_squares = self._rows - n, self._total - total, self._squares - squares
        mean, rest_mean = total / n, rest_total / rest
        noise = np.maximum(squares / n - mean**2, 0) / n + np.maximum(rest_squares / rest - rest_mean**2, 0) / rest
        gap, error = mean - rest_mean, np.sqrt(np.maximum(noise, 1e-300))
        matters = n * (gap - _CAUTION * error) > self._least
        if not matters.any():
            return None
        return self._parts(int(alive[np.argmax(np.where(matters, gap / error, -np.inf))]))

    def _parts(self, place: int) -> Parts:
        at = int(np.searchsorted(self._starts, place, side="right")) - 1
        block, code = self._blocks[at], place - int(self._starts[at])
        if len(block) == 1:
            return ((block[0], code),)
        return (block[0], code // self._wide[block[1]]), (block[1], code % self._wide[block[1]])
