"""Outcomes of thousands of classes whose rows weigh differently: sums of weights by class, for the classes that are kept."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.many import ManyClassOutcome
from watchkeeper.profiles.rows import RANKS, ManyRows, OutcomeRows
from watchkeeper.profiles.weighted import _Weighted, weights_fit, weights_of
from watchkeeper.sketches.kernel import Floats, UInt64s
from watchkeeper.sketches.protocol import State, array_of, count_of, part_of


class WeightedManyOutcome(_Weighted):
    """Weighted outcomes of a multiclass task whose classes are not listed, beside the plain ones.

    Attributes
    ----------
    plain
        The outcome in which every row counts once; which classes are kept does not depend on weights.
    unweighted
        Rows whose weight is missing, below 0 or beyond 1e20: they weigh nothing.
    totals
        Sums of weights and of their squares, shape (2, 11), of rows with label and prediction: by the place of the label
        among the predicted classes, and last of those where it has none.
    weights, squares
        The same sums by kept class, shape (k, 3): over rows of the class that are right, over the other rows of it, and
        over rows that were taken for it and are not of it.
    """

    _ADDED = ("unweighted", "totals")
    _PARTS = ("plain",)

    def __init__(self, plain: ManyClassOutcome) -> None:
        self.plain = plain
        self.unweighted = 0
        self.totals: Floats = np.zeros((2, RANKS + 1))
        self.weights: Floats = np.zeros((0, 3))
        self.squares: Floats = np.zeros((0, 3))
        self._hashes = plain.hashes

    def _empty(self) -> WeightedManyOutcome:
        return WeightedManyOutcome(ManyClassOutcome(self.plain.capacity))

    def _add(self, rows: OutcomeRows, weight: Floats) -> None:
        assert isinstance(rows, ManyRows)
        both = (rows.label >= 0) & (rows.prediction >= 0)
        label, prediction, rank, weighed = rows.label[both], rows.prediction[both], rows.rank[both], weight[both]
        place, right, size = np.where(rank >= 0, rank, RANKS), label == prediction, len(rows.names)
        groups = (label, right), (label, ~right), (prediction, ~right)
        order = np.argsort(rows.hashes)
        self.totals = self.totals + np.stack([np.bincount(place, w, RANKS + 1) for w in (weighed, weighed**2)])
        for name, values in (("weights", weighed), ("squares", weighed**2)):
            sums: Floats = np.stack([np.bincount(codes[there], values[there], size) for codes, there in groups], axis=1)
            kept: Floats = _placed(self._hashes, getattr(self, name), self.plain.hashes)
            setattr(self, name, kept + _placed(rows.hashes[order], sums[order], self.plain.hashes))
        self._hashes = self.plain.hashes

    def merge(self, other: Self) -> Self:
        """Return the outcome of both together."""
        return self.merged([self, other])

    @classmethod
    def merged(cls, parts: Sequence[Self]) -> Self:
        """Return the outcome of all parts together."""
        made = super().merged(parts)
        made._hashes = made.plain.hashes
        for name in ("weights", "squares"):
            placed = [_placed(part._hashes, getattr(part, name), made._hashes) for part in parts]
            setattr(made, name, sum(placed[1:], placed[0]))
        return made

    def within(self, capacity: int) -> WeightedManyOutcome:
        """Return the outcome of the same rows at a smaller capacity."""
        made = copy.copy(self)
        made.plain = self.plain.within(capacity)
        made._hashes = made.plain.hashes
        made.weights, made.squares = self.weights[: len(made._hashes)], self.squares[: len(made._hashes)]
        return made

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        return super().state() | {"weights": self.weights, "squares": self.squares}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> WeightedManyOutcome:
        """Make an outcome from a state that may be hostile; raises :class:`CorruptProfile`."""
        plain = ManyClassOutcome.from_state(part_of(state, "plain"))
        made = cls(plain)
        made.unweighted, made._hashes = count_of(state, "unweighted"), plain.hashes
        label, said, hits = plain.counts.T
        made.weights, made.squares = weights_of(state, np.stack([hits, label - hits, said - hits], axis=1))
        made.totals = array_of(state, "totals", np.float64, 2)
        ranks = np.append(plain.ranks, plain.both - plain.ranks.sum())
        if (
            made.totals.shape != (2, RANKS + 1)
            or not weights_fit(made.totals[0], made.totals[1], ranks)
            or made.unweighted > plain.rows
        ):
            raise CorruptProfile("an outcome's weights are not those of its rows")
        return made


def _placed(hashes: UInt64s, sums: Floats, into: UInt64s) -> Floats:
    """Return sums of classes in the places of others, both in the order of hashes; what has no place is left out."""
    placed = np.zeros((len(into), 3))
    place = np.searchsorted(into, hashes)
    there = np.flatnonzero(place < len(into))
    there = there[into[place[there]] == hashes[there]]
    np.add.at(placed, place[there], sums[there])
    return placed
