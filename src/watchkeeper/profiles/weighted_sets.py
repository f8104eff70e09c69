"""Outcomes of sets of labels whose rows weigh differently: sums of weights by label and over rows, beside the counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.multilabel import ROW_TERMS, MultilabelOutcome, set_cells, set_terms
from watchkeeper.profiles.rows import OutcomeRows, SetRows
from watchkeeper.profiles.weighted import _Weighted, weights_of
from watchkeeper.sketches.kernel import Floats
from watchkeeper.sketches.products import Products
from watchkeeper.sketches.protocol import count_of, part_of


class WeightedSetOutcome(_Weighted):
    """Weighted outcomes of a multilabel task with C labels, beside the plain ones.

    Attributes
    ----------
    plain
        The outcome in which every row counts once.
    unweighted
        Rows whose weight is missing, below 0 or beyond 1e20: they weigh nothing.
    weights, squares
        Sums of weights and of their squares, shape (C, 3), of the rows that ``plain.labels`` counts.
    terms
        Products of weight x (1, ``ROW_TERMS``) over rows with both a label and a prediction.
    """

    _ADDED = ("unweighted", "weights", "squares")
    _PARTS = ("plain", "terms")

    def __init__(self, plain: MultilabelOutcome) -> None:
        self.plain = plain
        self.unweighted = 0
        self.weights: Floats = np.zeros((plain.classes, 3))
        self.squares: Floats = np.zeros((plain.classes, 3))
        self.terms = Products(len(ROW_TERMS) + 1)

    @property
    def classes(self) -> int:
        """How many labels there are."""
        return int(self.plain.classes)

    def _empty(self) -> WeightedSetOutcome:
        return WeightedSetOutcome(self.plain._empty())

    def _add(self, rows: OutcomeRows, weight: Floats) -> None:
        assert isinstance(rows, SetRows)
        both = np.flatnonzero(rows.labelled & rows.predicted)
        weighed, cells = weight[both], set_cells(rows, both)
        for name, values in (("weights", weighed), ("squares", weighed**2)):
            added = np.stack([(cell * values).sum(axis=1) for cell in cells], axis=1)
            setattr(self, name, getattr(self, name) + added)
        self.terms.update(weighed * np.concatenate([np.ones((1, len(both))), set_terms(cells)]))

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> WeightedSetOutcome:
        """Make an outcome from a state that may be hostile; raises :class:`CorruptProfile`."""
        made = cls(MultilabelOutcome.from_state(part_of(state, "plain")))
        made.unweighted, made.terms = count_of(state, "unweighted"), Products.from_state(part_of(state, "terms"))
        made.weights, made.squares = weights_of(state, made.plain.labels)
        if made.terms.size != len(ROW_TERMS) + 1 or made.terms.count != made.plain.terms.count:
            raise CorruptProfile("an outcome's parts do not fit each other")
        if made.unweighted > made.rows or made.terms.gram[0].min() < 0:
            raise CorruptProfile("an outcome's weights are not those of its rows")
        return made
